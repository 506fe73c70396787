"""Many runs, several at once, each in its own process: missing runs are made, unfinished ones resumed.

What a process prints goes to `<run>.log` beside the run's folder. The processes end with this one, however it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.tied_process import GRACE_SECONDS

SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Status:
    """How far all runs are."""

    running: list[PlannedRun]
    num_done: int
    num_failed: int
    num_waiting: int
    seconds_left: float | None
    """Estimated from the epochs done so far; None before the first."""


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus(device: Device) -> list[str]:
    """The value of CUDA_VISIBLE_DEVICES for each GPU that runs on `device` may use; [] if they use no GPU."""
    import torch

    if device not in ("auto", "cuda"):
        return []
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(torch.cuda.device_count())])[: torch.cuda.device_count()]


def launch(
    plans: Sequence[PlannedRun],
    jobs: int,
    gpus: Sequence[str] = (),
    on_status: Callable[[Status], None] = lambda status: None,
    module: str = "protas_gtcc",
    next_runs: Callable[[PlannedRun, str | None], Sequence[PlannedRun]] = lambda plan, failure: (),
) -> dict[str, str]:
    """Make or resume runs, `jobs` at once, spread over `gpus`; return the reason of each failure by the run's name.

    A run is `python -m MODULE VERB FLAGS`. `on_status` is called several times a second. `next_runs` is called with
    each run that has ended, and the reason if it failed; it returns runs to be made as well. Any interruption ends the
    processes.
    """
    plans, waiting, running = list(plans), list(plans), list[_Job]()
    failed: dict[str, str] = {}
    free = [gpus[number % len(gpus)] if gpus else None for number in range(jobs)]
    first, started = sum(plan.epochs_done() for plan in plans), time.monotonic()

    def end(plan: PlannedRun, failure: str | None) -> None:
        nonlocal first
        if failure is not None:
            failed[plan.name] = failure
        added = next_runs(plan, failure)
        plans.extend(added)
        waiting.extend(added)
        first += sum(one.epochs_done() for one in added)

    try:
        while waiting or running:
            while waiting and free:
                plan, gpu = waiting.pop(0), free.pop(0)
                try:
                    running.append(_Job(plan, gpu, _start(plan, gpu, module)))
                except (InputError, OSError) as error:
                    free.append(gpu)
                    end(plan, str(error))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                free.append(job.gpu)
                end(job.plan, job.failure())
            num_done = len(plans) - len(waiting) - len(running) - len(failed)
            left = [plan for plan in plans if plan.name not in failed and not plan.run.metrics.is_file()]
            seconds_left = _seconds_left(left, sum(plan.epochs_done() for plan in plans) - first, started)
            on_status(Status([job.plan for job in running], num_done, len(failed), len(waiting), seconds_left))
    except BaseException:
        _stop([job.process for job in running])
        raise
    return failed


@dataclass(frozen=True)
class _Job:
    """The process of a current run."""

    plan: PlannedRun
    gpu: str | None
    process: subprocess.Popen[bytes]

    def failure(self) -> str | None:
        """Why the run failed, once its process has ended."""
        self.process.communicate()  # closes the pipe
        try:
            failed = self.process.returncode or self.plan.state() != "done"
        except (InputError, OSError) as error:
            return str(error)
        return _last_error(self.plan.log, self.process.returncode) if failed else None


def _start(plan: PlannedRun, gpu: str | None, module: str) -> subprocess.Popen[bytes]:
    environment = {"OMP_NUM_THREADS": str(plan.config.training.threads), **os.environ}
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    # -P: a folder of the package's name in the working directory must not hide the package.
    command = [sys.executable, "-P", "-m", "protas_gtcc.runs.tied_process", module, *plan.command()]
    with open(plan.log, "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()  # closes the pipe


def _seconds_left(plans: Sequence[PlannedRun], epochs_done: int, started: float) -> float | None:
    """Seconds until these runs are done, from the epochs done since the start; None before the first."""
    epochs = sum(max(plan.config.training.epochs - plan.epochs_done(), 0) for plan in plans)
    return (time.monotonic() - started) / epochs_done * epochs if epochs_done > 0 else None


def _last_error(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines[-20:] if line.startswith("error: ")]
    message = (errors or lines or ["it printed nothing"])[-1]
    return f"{message} (exit code {code}; {log})"
