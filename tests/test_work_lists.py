"""Work lists on their engines: what is killed on the way is done in the end, once, and nothing half-written is left."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.work.engines.base import Engine, RefusedError
from protas_gtcc.work.engines.choice import make_engine
from protas_gtcc.work.engines.local import LocalEngine
from protas_gtcc.work.jobs import Job, Outcome
from protas_gtcc.work.manifest import Manifest
from protas_gtcc.work.work_list import Status, work_through
from tests.test_cross_validate import is_alive, wait_for
from tests.work_list_driver import STAND_IN, stand_in_job

REPOSITORY = Path(__file__).resolve().parents[1]
DRIVER = str(REPOSITORY / "tests" / "work_list_driver.py")
"""A file, not a module of `tests`: the checks of shapes would import torch in each driver."""
needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")


def needs(package: str) -> pytest.MarkDecorator:
    absent = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f"{package} is not installed; pip install -e '.[dev]' does it")


OPTIONS = {"local": [], "slurm": ["cluster=local"]}
ENGINES = [
    pytest.param("local", id="local"),
    pytest.param("slurm", id="slurm", marks=[needs("submitit"), pytest.mark.slow]),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the stand-in."""
    (tmp_path / "stand_in_job.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


def start(engine: str, folder: Path, names: str, *options: str) -> subprocess.Popen[str]:
    return start_driver(REPOSITORY, engine, str(folder), names, *options)


def start_driver(working_folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, DRIVER, *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=working_folder, start_new_session=True, **pipes)


def ended(driver: subprocess.Popen[str]) -> dict[str, str]:
    """The failures that the driver reports."""
    printed, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    return json.loads(printed.splitlines()[-1])


def pids(folder: Path, name: str) -> list[tuple[int, int]]:
    """Of each start of a job: its process, and the one that waits for it."""
    file = folder / f"{name}.starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def kill_driver(driver: subprocess.Popen[str]) -> None:
    with driver:
        kill(driver.pid)
        driver.stdout.close()
        driver.stderr.close()  # not read to its end: Slurm jobs go on, and have inherited it


def made(folder: Path) -> list[str]:
    return sorted((folder / "made").read_text().split())


def require_whole(folder: Path, names: str) -> None:
    """Each output is there, was made once, and the manifest has all as done."""
    assert made(folder) == names.split(",")
    assert all((folder / f"{name}.txt").read_text() == "whole" for name in names.split(","))
    jobs = Manifest(folder / "manifest.json").jobs
    assert {name: jobs[name]["state"] for name in names.split(",")} == dict.fromkeys(names.split(","), "done")


@pytest.mark.parametrize("engine", ENGINES)
def test_jobs_are_done_once_and_failures_have_their_reason(folder, engine):
    jobs = [stand_in_job(folder, name) for name in ("a", "b", "fails")]
    seen: list[Status] = []
    for _ in range(2):
        made_engine = make_engine(engine, 2, OPTIONS[engine], folder, jobs[0])
        failed = work_through(jobs, made_engine, folder / "manifest.json", seen.append)
        assert list(failed) == ["fails"]
        assert failed["fails"] == f"no luck (exit code 1; {folder / 'fails.log'})"
        assert (seen[-1].num_done, seen[-1].num_failed, seen[-1].num_waiting) == (2, 1, 0)
    assert made(folder) == ["a", "b"]
    assert [len(pids(folder, name)) for name in ("a", "b", "fails")] == [1, 1, 2], (
        "failed ones are tried once a command"
    )
    kept = json.loads((folder / "manifest.json").read_text())["jobs"]
    assert [(kept[name]["state"], kept[name]["attempts"]) for name in ("a", "fails")] == [("done", 1), ("failed", 2)]
    assert kept["a"]["host"]
    assert {"protas_gtcc", "torch"} <= set(kept["a"]["versions"])
    assert kept["fails"]["reason"] == failed["fails"]
    assert kept["a"]["seconds"] > 0


@needs_proc
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_worker_is_replaced_and_a_killed_driver_loses_nothing(folder, engine):
    (folder / "hold").touch()
    driver = start(engine, folder, "a,b,c", *OPTIONS[engine])
    wait_for(lambda: pids(folder, "a") and pids(folder, "b"), 60)
    process, parent = pids(folder, "a")[0]
    kill(process if engine == "local" else parent)
    wait_for(lambda: len(pids(folder, "a")) == 2, 60)
    assert not is_alive(process), "never two processes of one job"
    kill_driver(driver)
    assert (folder / "manifest.json").is_file(), "it shows that the list is begun"
    if engine == "local":
        wait_for(lambda: not any(is_alive(pids(folder, name)[-1][0]) for name in "ab"))
        assert not (folder / "made").exists()
    again = start(engine, folder, "a,b,c", *OPTIONS[engine])
    (folder / "hold").unlink()
    assert ended(again) == {}
    require_whole(folder, "a,b,c")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_signal_ends_the_jobs_and_the_same_command_goes_on(folder, engine, number):
    interrupt_and_repeat(engine, folder, number, *OPTIONS[engine])


def interrupt_and_repeat(engine: str, folder: Path, number: int, *options: str) -> None:
    """SIGINT goes to the whole group of processes, as Ctrl-C sends it, and other signals to the driver."""
    (folder / "hold").touch()
    driver = start(engine, folder, "a,b,c", *options)
    wait_for(lambda: pids(folder, "a") and pids(folder, "b"), 60)
    (os.killpg if number == signal.SIGINT else os.kill)(driver.pid, number)
    printed, errors = driver.communicate(timeout=60)
    assert (driver.returncode, printed) == (128 + number, "")
    line = "interrupted; nothing half-written was left behind"
    if engine == "slurm":
        assert line in errors  # submitit's stand-in for Slurm prints more, perhaps in the middle of a line
    else:
        assert errors.splitlines() == [line]
    assert not any(is_alive(process) for name in "ab" for process, _ in pids(folder, name))
    assert not (folder / "made").exists()
    assert not pids(folder, "c"), "no other job is begun"
    (folder / "hold").unlink()
    assert ended(start(engine, folder, "a,b,c", *options)) == {}
    require_whole(folder, "a,b,c")


def test_a_job_that_always_dies_is_given_up(folder, monkeypatch):
    (folder / "stand_in_job.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    job = stand_in_job(folder, "a")
    failed = work_through([job], LocalEngine(1), folder / "manifest.json", retries=1)
    assert failed == {"a": f"it printed nothing (signal 9; {job.log})"}
    assert Manifest(folder / "manifest.json").jobs["a"]["attempts"] == 2


def test_a_reason_is_of_the_last_try_and_names_an_output_that_is_not_there(folder):
    job = stand_in_job(folder, "a")
    job.log.write_text("error: that of an earlier try\n")
    for printed, reason in (("", "it printed nothing"), ("skipped: b is damaged", "b is damaged")):
        (folder / "stand_in_job.py").write_text(f"print({printed!r})")
        failed = work_through([job], LocalEngine(1), folder / "manifest.json")
        assert failed == {"a": f"{reason} (its output is not whole; {job.log})"}


def test_a_manifest_of_many_jobs_is_not_written_at_each_end_and_has_the_last_list_only(folder, monkeypatch):
    writes: list[Path] = []

    def count(path: Path, text: str) -> None:
        writes.append(path)
        write_text(path, text)

    monkeypatch.setattr("protas_gtcc.work.manifest.write_text", count)
    for names in (range(3000), range(1000, 4000)):
        jobs = [stand_in_job(folder, f"v{number}") for number in names]
        assert work_through(jobs, AtOnce(), folder / "manifest.json") == {}
        assert list(Manifest(folder / "manifest.json").jobs) == [job.name for job in jobs]
    assert len(writes) < 600


class Crowded(Engine):
    """It has room for fewer jobs than it is given."""

    workers = 9

    def __init__(self, rooms: int):
        self._rooms, self._running = rooms, list[Future[Outcome]]()

    def submit(self, job: Job) -> Future[Outcome]:
        if len(self._running) == self._rooms:
            raise RefusedError(f"no room for {job.name}; give other options")
        self._running.append(Future())
        return self._running[-1]

    def end_all(self, status: Status) -> None:
        while self._running:
            self._running.pop().set_result(Outcome("done"))

    def close(self) -> None: ...


class Mortal(Engine):
    """Each job dies once, then it is done."""

    workers = 1

    def __init__(self) -> None:
        self._seen = set[str]()

    def submit(self, job: Job) -> Future[Outcome]:
        ended = Future[Outcome]()
        ended.set_result(Outcome("done") if job.name in self._seen else Outcome("died", "its node is gone"))
        self._seen.add(job.name)
        return ended

    def close(self) -> None: ...


def test_a_job_that_died_is_named_when_it_is_tried_again(folder, caplog):
    jobs = [stand_in_job(folder, name) for name in ("a", "b")]
    assert work_through(jobs, Mortal(), folder / "manifest.json") == {}
    assert caplog.messages == [f"{name}: its node is gone; it is tried again" for name in ("a", "b")]


def test_a_job_that_is_refused_waits_for_others_and_one_line_says_so(folder, caplog):
    jobs = [stand_in_job(folder, name) for name in ("a", "b", "c")]
    engine = Crowded(rooms=1)
    assert work_through(jobs, engine, folder / "manifest.json", engine.end_all) == {}
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("; give other options; or wait: it is given again when others end")
    kept = Manifest(folder / "manifest.json").jobs
    assert [(job["state"], job["attempts"]) for job in kept.values()] == [("done", 1)] * 3
    with pytest.raises(RefusedError, match="no room for a"):
        work_through(jobs, Crowded(rooms=0), folder / "manifest.json")


class AtOnce(Engine):
    """Jobs that are done when they are begun."""

    workers = 100

    def submit(self, job: Job) -> Future[Outcome]:
        done: Future[Outcome] = Future()
        done.set_result(Outcome("done"))
        return done

    def close(self) -> None: ...


def test_a_manifest_of_a_list_that_grows_keeps_what_earlier_commands_did(folder):
    jobs = [stand_in_job(folder, name) for name in ("a", "b", "c")]
    for first in jobs[:2], [], jobs[2:]:
        assert work_through(first, AtOnce(), folder / "manifest.json", next_jobs=lambda job, failure: []) == {}
    kept = Manifest(folder / "manifest.json").jobs
    assert {name: job["attempts"] for name, job in kept.items()} == {"a": 1, "b": 1, "c": 1}


def test_one_command_at_a_time_works_on_a_list(folder):
    with (
        only_writer(folder / "manifest.json", wait=False),
        pytest.raises(InputError, match="another process is writing"),
    ):
        work_through([stand_in_job(folder, "a")], LocalEngine(1), folder / "manifest.json")
    assert not (folder / "a.starts").exists()


def test_a_damaged_manifest_is_refused_and_counts_go_on(tmp_path):
    manifest = Manifest(tmp_path / "manifest.json")
    manifest.note_attempt("a")
    manifest.note_end("a", Outcome("died", "signal 9", 3.0, "here"))
    again = Manifest(manifest.path)
    again.note_attempt("a")
    again.note_end("a", Outcome("done"))
    assert Manifest(manifest.path).jobs["a"] == {"state": "done", "attempts": 2}
    for text in ("{", "[]", '{"jobs": 3}', '{"format": "protas_gtcc work list 1", "jobs": {"a": 1}}'):
        manifest.path.write_text(text)
        with pytest.raises(InputError, match="is no manifest of jobs; remove it"):
            Manifest(manifest.path)


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("local", ["partition=gpu"], "is for --on slurm or --on ray; leave it out"),
        ("local", ["gpu"], "expected NAME=VALUE"),
        pytest.param("slurm", ["cluster=local", "colour=red"], "give --engine-options of", marks=needs("submitit")),
        pytest.param("slurm", ["time=4:00:00"], "expected whole minutes", marks=needs("submitit")),
        pytest.param("slurm", ["cluster=moon"], "give --engine-options of sbatch", marks=needs("submitit")),
        pytest.param("slurm", [], "there is no sbatch in PATH; give the command where", marks=needs("submitit")),
        pytest.param("ray", ["colour=red"], "--on ray has no option colour", marks=needs("ray")),
    ],
)
def test_options_that_an_engine_does_not_have_are_refused(tmp_path, monkeypatch, engine, options, message):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=message):
        make_engine(engine, 1, options, tmp_path, stand_in_job(tmp_path, "a"))


@pytest.mark.parametrize(("engine", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_without_its_package_an_engine_names_the_extra(tmp_path, monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"--on {engine} needs the package {package}; pip install -e '.\[{engine}\]'"):
        make_engine(engine, 1, [], tmp_path, stand_in_job(tmp_path, "a"))


@contextmanager
def two_nodes() -> Iterator[tuple[str, list[int]]]:
    """The address of a Ray cluster of two nodes with a core each, and the processes of the nodes."""
    command = [sys.executable, DRIVER, "cluster"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    held = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, **pipes)
    lines = iter(held.stdout.readline, "")
    address, raylets = json.loads(next(line for line in lines if line.startswith("[")))
    with held:
        yield address, raylets
        held.communicate(timeout=60)


@pytest.fixture
def cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Two nodes that have the stand-in."""
    with two_nodes() as made:
        yield made


@needs_proc
@pytest.mark.slow
@needs("ray")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_ray_s_jobs_and_the_same_command_goes_on(folder, cluster, number):
    interrupt_and_repeat("ray", folder, number, f"address={cluster[0]}")


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


@needs_proc
@pytest.mark.slow
@needs("ray")
def test_a_killed_worker_node_or_driver_of_ray_loses_nothing(folder, cluster):
    address, raylets = cluster
    (folder / "hold").touch()
    driver = start("ray", folder, "a,b,c", f"address={address}")
    wait_for(lambda: pids(folder, "a") and pids(folder, "b"), 60)
    kill(pids(folder, "a")[0][1])
    wait_for(lambda: len(pids(folder, "a")) == 2, 60)
    assert not is_alive(pids(folder, "a")[0][0]), "never two processes of one job"
    lost = parent_of(pids(folder, "b")[0][1])
    assert lost in raylets
    kill(lost)  # a node, with all of its processes
    kill(pids(folder, "b")[0][1])
    wait_for(lambda: not is_alive(pids(folder, "b")[0][0]), 60)
    kill_driver(driver)
    wait_for(lambda: not is_alive(pids(folder, "a")[-1][0]), 60)
    assert not (folder / "made").exists()
    again = start("ray", folder, "a,b,c", f"address={address}")
    wait_for(lambda: len(pids(folder, "a")) == 3, 60)
    (folder / "hold").unlink()
    assert ended(again) == {}
    require_whole(folder, "a,b,c")
