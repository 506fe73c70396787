"""Many runs, several at once, each in its own process: missing runs are made, unfinished ones resumed.

What a process prints goes to `<run>.log` beside the run's folder. The processes end with this one, however it ends.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.runs.tied_process import GRACE_SECONDS

SECONDS_BETWEEN_LOOKS = 0.5


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
) -> dict[str, str]:
    """Make or resume runs, `jobs` at once, spread over `gpus`; return the reason of each failure by the run's name.

    A run is `python -m MODULE VERB FLAGS`. `on_status` is called about twice a second. Any interruption ends the
    processes.
    """
    workers = _WorkerPool(module, [gpus[number % len(gpus)] if gpus else None for number in range(jobs)])
    clock = _Clock(plans)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = {pool.submit(workers.finish, plan): plan for plan in plans}
            waiting = set(futures)
            while waiting:
                _, waiting = wait(waiting, timeout=SECONDS_BETWEEN_LOOKS)
                running, ended = workers.running(), len(plans) - len(waiting)
                failed, num_waiting = len(workers.failed), len(waiting) - len(running)
                seconds_left = clock.seconds_left(workers.failed)
                on_status(Status(running, ended - failed, failed, num_waiting, seconds_left))
                for future in futures.keys() - waiting:
                    future.result()
        except BaseException:
            workers.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return workers.failed


@dataclass
class _WorkerPool:
    """The processes of the current runs, one for each thread of the pool."""

    module: str
    gpus: list[str | None]
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for gpu in self.gpus:
            self._slots.put(gpu)
        self._lock, self._stopping = threading.Lock(), False
        self._processes: dict[str, tuple[PlannedRun, subprocess.Popen[bytes]]] = {}

    def running(self) -> list[PlannedRun]:
        """The current runs."""
        with self._lock:
            return [plan for plan, _ in self._processes.values()]

    def finish(self, plan: PlannedRun) -> None:
        """Run a process until it ends."""
        gpu = self._slots.get()
        try:
            with self._lock:
                if self._stopping:
                    return
                process = self._start(plan, gpu)
                self._processes[plan.name] = (plan, process)
            with process:
                code = process.wait()
            if code or plan.state() != "done":
                self.failed[plan.name] = _last_error(plan.log, code)
        except (InputError, OSError) as error:
            self.failed[plan.name] = str(error)
        finally:
            with self._lock:
                self._processes.pop(plan.name, None)
            self._slots.put(gpu)

    def stop(self) -> None:
        """End all processes, and start no more."""
        with self._lock:
            self._stopping = True
            processes = [process for _, process in self._processes.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))
            process.kill()

    def _start(self, plan: PlannedRun, gpu: str | None) -> subprocess.Popen[bytes]:
        environment = {"OMP_NUM_THREADS": str(plan.config.training.threads), **os.environ}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        plan.log.parent.mkdir(parents=True, exist_ok=True)
        # -P: a folder of the package's name in the working directory must not hide the package.
        command = [sys.executable, "-P", "-m", "protas_gtcc.runs.tied_process", self.module, *plan.command()]
        with open(plan.log, "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
            )


class _Clock:
    """Estimates the time left from the epochs done since it was made."""

    def __init__(self, plans: Sequence[PlannedRun]):
        self._plans, self._started = plans, time.monotonic()
        self._first = sum(plan.epochs_done() for plan in plans)

    def seconds_left(self, failed: dict[str, str]) -> float | None:
        """Seconds until all runs are done; None before the first epoch."""
        done = sum(plan.epochs_done() for plan in self._plans) - self._first
        left = sum(
            max(plan.config.training.epochs - plan.epochs_done(), 0)
            for plan in self._plans
            if plan.name not in failed and not plan.run.metrics.is_file()
        )
        return (time.monotonic() - self._started) / done * left if done > 0 else None


def _last_error(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines[-20:] if line.startswith("error: ")]
    message = (errors or lines or ["it printed nothing"])[-1]
    return f"{message} (exit code {code}; {log})"
