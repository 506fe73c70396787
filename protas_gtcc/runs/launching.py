"""Many runs, several at once, each in its own process: a missing one is made, an unfinished one resumed.

What the processes print goes to `<run>.log` beside the run's folder. They end with this process, however it ends.
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
from typing import Literal

import torch

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.config import WHERE_COMPUTED, Device, RunConfig, flat_settings
from protas_gtcc.errors import InputError
from protas_gtcc.runs.tied_process import GRACE_SECONDS
from protas_gtcc.training.run_directory import RunDirectory

SECONDS_BETWEEN_LOOKS = 0.5


PlannedConfig = RunConfig | AlignmentConfig


@dataclass(frozen=True)
class PlannedRun:
    """A run that there is to be."""

    name: str
    run: RunDirectory
    config: PlannedConfig
    flags: list[str]
    """Of the script: what makes it, but for --out."""
    always: tuple[str, ...] = ()
    """More flags, which are no settings of the run, and must be given again when it is resumed."""

    @property
    def log(self) -> Path:
        """What its process printed."""
        return self.run.path.with_name(f"{self.run.path.name}.log")

    def state(self) -> Literal["missing", "unfinished", "done"]:
        """How far it is. Raises `InputError` if another run is in its place."""
        if not self.run.config_file.exists():
            return "missing"
        self._require_same()
        return "done" if self.run.is_finished() else "unfinished"

    def epochs_done(self) -> int:
        """Epochs in its log."""
        try:
            return max(self.run.log.read_bytes().count(b"\n") - 1, 0)
        except OSError:
            return 0

    def command(self, script: Path) -> list[str]:
        """What goes on with it, or makes it."""
        if self.state() == "missing":
            return [str(script), *self.flags, *self.always, "--out", str(self.run.path)]
        # Scores of the unfinished model, if somebody asked for them: they would pass for the finished one's.
        self.run.metrics.unlink(missing_ok=True)
        where = [(f"--{name}", str(getattr(self.config.training, name))) for name in WHERE_COMPUTED]
        return [str(script), "--resume", str(self.run.path), *(word for pair in where for word in pair), *self.always]

    def _require_same(self) -> None:
        there = self.run.read_settings()
        for name, wanted in flat_settings(self.config).items():
            if name not in WHERE_COMPUTED and there[name] != wanted:
                found = f"{self.run.path} is a run with {name} {there[name]}, not {wanted}"
                raise InputError(f"{found}; give another --out, or remove it")


@dataclass(frozen=True)
class Situation:
    """How far all runs are."""

    running: list[PlannedRun]
    num_done: int
    num_failed: int
    num_waiting: int
    seconds_left: float | None
    """Guessed from the epochs done so far; None before the first."""


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus(device: Device) -> list[str]:
    """What CUDA_VISIBLE_DEVICES must be for each GPU that runs on `device` may use; [] if they compute elsewhere."""
    if device not in ("auto", "cuda"):
        return []
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(torch.cuda.device_count())])[: torch.cuda.device_count()]


def launch(
    plans: Sequence[PlannedRun],
    script: Path,
    jobs: int,
    gpus: Sequence[str] = (),
    watch: Callable[[Situation], None] = lambda situation: None,
) -> dict[str, str]:
    """Bring runs to their end, `jobs` at once, spread over `gpus`; why they failed, by the names of those that did.

    `watch` is told the situation now and then. Whatever interrupts this ends the processes.
    """
    crew = _Crew(script, [gpus[number % len(gpus)] if gpus else None for number in range(jobs)])
    clock = _Clock(plans)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = {pool.submit(crew.finish, plan): plan for plan in plans}
            waiting = set(futures)
            while waiting:
                _, waiting = wait(waiting, timeout=SECONDS_BETWEEN_LOOKS)
                running = crew.running()
                ended, failed = len(plans) - len(waiting), len(crew.failed)
                situation = Situation(
                    running, ended - failed, failed, len(waiting) - len(running), clock.seconds_left(crew.failed)
                )
                watch(situation)
                for future in futures.keys() - waiting:
                    future.result()
        except BaseException:
            crew.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return crew.failed


@dataclass
class _Crew:
    """The processes of the runs that are under way, one for each thread of the pool."""

    script: Path
    gpus: list[str | None]
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for gpu in self.gpus:
            self._slots.put(gpu)
        self._lock, self._stopping = threading.Lock(), False
        self._processes: dict[str, tuple[PlannedRun, subprocess.Popen[bytes]]] = {}

    def running(self) -> list[PlannedRun]:
        """The runs that have a process."""
        with self._lock:
            return [plan for plan, _ in self._processes.values()]

    def finish(self, plan: PlannedRun) -> None:
        """Run a process to its end."""
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
                self.failed[plan.name] = _last_words(plan.log, code)
        except (InputError, OSError) as error:
            self.failed[plan.name] = str(error)
        finally:
            with self._lock:
                self._processes.pop(plan.name, None)
            self._slots.put(gpu)

    def stop(self) -> None:
        """End all processes, and start none any more."""
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
        # -P: a folder called as the package, where the command is called, must not hide it.
        command = [sys.executable, "-P", "-m", "protas_gtcc.runs.tied_process", *plan.command(self.script)]
        with open(plan.log, "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
            )


class _Clock:
    """Guesses the time left from the epochs done since it was made."""

    def __init__(self, plans: Sequence[PlannedRun]):
        self._plans, self._started = plans, time.monotonic()
        self._first = sum(plan.epochs_done() for plan in plans)

    def seconds_left(self, failed: dict[str, str]) -> float | None:
        """None before the first epoch."""
        done = sum(plan.epochs_done() for plan in self._plans) - self._first
        left = sum(
            max(plan.config.training.epochs - plan.epochs_done(), 0)
            for plan in self._plans
            if plan.name not in failed and not plan.run.metrics.is_file()
        )
        return (time.monotonic() - self._started) / done * left if done > 0 else None


def _last_words(log: Path, code: int) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines[-20:] if line.startswith("error: ")]
    words = (errors or lines or ["it printed nothing"])[-1]
    return f"{words} (exit code {code}; {log})"
