"""A program with a work list of its own, which tests kill: `python work_list_driver.py ENGINE FOLDER NAMES OPTIONS…`.

Each job runs `stand_in_job.py` of the folder, which leaves NAME.txt. Also `python work_list_driver.py cluster`: a Ray
cluster on this machine, a head without cores and two nodes with one core each. And `python work_list_driver.py held
VERB …`: a command of protas-gtcc whose first jobs wait before an output appears.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.cli.main import main, run_command
from protas_gtcc.cli.shared import work_lists
from protas_gtcc.work.engines.choice import make_engine
from protas_gtcc.work.jobs import Job
from protas_gtcc.work.work_list import work_through

STAND_IN = """
import os, pathlib, sys, time
out = pathlib.Path(sys.argv[1])
def note(file, line):
    with open(file, "a") as kept:
        kept.write(f"{line}\\n")
note(out.with_suffix(".starts"), f"{os.getpid()} {os.getppid()}")
if "fails" in out.name:
    sys.exit("error: no luck\\n")
started = time.time()
while (out.parent / "hold").exists() and time.time() < started + 100:
    time.sleep(0.02)
part = out.with_suffix(f".{os.getpid()}")
part.write_text("whole")
note(out.parent / "made", out.stem)
part.rename(out)
"""
"""A module in place of protas_gtcc. It waits while there is a file `hold`."""

LARGE = (".npy", ".mp4", ".h5", ".safetensors")
"""Features, a video, a shard of predictions, a checkpoint."""

HELD = (
    f"LARGE = {LARGE}"
    + """
import os, pathlib, runpy, sys, time
name, *sys.argv[1:] = sys.argv[1:]
replace = os.replace
def held_replace(source, target):
    if pathlib.Path(target).suffix in LARGE:
        os.replace = replace
        with open(f"{name}.starts", "a") as kept:
            kept.write(f"{os.getpid()} {os.getppid()}\\n")
        started = time.time()
        while not os.path.exists(f"{name}.go") and time.time() < started + 300:
            time.sleep(0.02)
    replace(source, target)
os.replace = held_replace
runpy.run_module("protas_gtcc", run_name="__main__", alter_sys=True)
"""
)
"""A module around protas_gtcc, with the job's name before its words. The first large output has been written, and does
not appear before there is a file NAME.go."""


def stand_in_job(folder: Path, name: str) -> Job:
    out = folder / f"{name}.txt"
    command = functools.partial(list[str], [str(out)])
    return Job(name, folder / f"{name}.log", command, out.is_file, device="cpu", module="stand_in_job")


def run(engine: str, folder: Path, names: str, options: list[str]) -> dict[str, str]:
    if engine == "slurm":
        look_often()
    jobs = [stand_in_job(folder, name) for name in names.split(",")]
    made = make_engine(engine, 2, options, folder, jobs[0])  # type: ignore[arg-type]
    return work_through(jobs, made, folder / "manifest.json")


def look_often() -> None:
    from protas_gtcc.work.engines import slurm_queue

    slurm_queue.SECONDS_BETWEEN_QUESTIONS = 1.0


def held_job(job: Job) -> Job:
    """The job in `HELD`; its name there is that of a file."""
    named = functools.partial(_named, job.name.replace("/", "-"), job.command)
    return dataclasses.replace(job, command=named, module="held_job")


def _named(name: str, command: Callable[[], list[str]]) -> list[str]:
    return [name, *command()]


def run_held(words: list[str]) -> None:
    def held(jobs: Sequence[Job], *given: Any) -> dict[str, str]:
        return work_through([held_job(job) for job in jobs], *given)

    look_often()
    setattr(work_lists, "work_through", held)  # noqa: B010 - it is not exported
    main(words)


def hold_a_cluster() -> None:
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
    nodes = [cluster.add_node(num_cpus=1, **memory) for _ in range(2)]
    pids = [process.process.pid for node in nodes for process in node.all_processes["raylet"]]
    print(json.dumps([cluster.address, pids]), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "cluster":
        hold_a_cluster()
    elif sys.argv[1] == "held":
        run_held(sys.argv[2:])
    else:
        # As a command: signals end it.
        run_command(lambda: print(json.dumps(run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))))
