"""A job: one command with one output that appears when it is whole. `run_job` runs it, on whatever machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.storage.locks import BeingWrittenError, only_writer
from protas_gtcc.storage.versions import software_versions
from protas_gtcc.work.tied_process import GRACE_SECONDS

CORES_OF_JOB = "PROTAS_GTCC_CORES"
"""Environment variable with the processor cores of a job."""
SECONDS_BETWEEN_TRIES = 0.5
"""For the lock of a job that another process still runs."""
_FIRST_SIGNAL_CODE = 129
"""A shell, and this program, end by signal n with exit code 128 + n."""


@dataclass(frozen=True)
class Job:
    """`python -m MODULE WORDS`, and what it leaves. It travels to other machines, so its functions must be picklable.

    The machines share the file system, and the paths hold on each of them.
    """

    name: str
    log: Path
    """The file that the command's output is added to."""
    command: Callable[[], list[str]]
    """The words, when the job starts: a run that was begun is resumed. Raises `InputError` if it cannot be."""
    is_done: Callable[[], bool]
    """Whether the output is there and whole. Raises `InputError` if something else is in its place."""
    steps: int = 1
    """What is done step by step: epochs, or videos."""
    steps_done: Callable[[], int] = lambda: 0
    last_step: str = "ending"
    """What it does after the steps."""
    cores: int = 1
    """Processor cores that it uses."""
    device: Device = "auto"
    """cpu for a job that uses no GPU, cuda for one that needs one."""
    module: str = "protas_gtcc"


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `died`: its process, worker or machine was killed, so that another try may succeed."""

    state: Literal["done", "failed", "died"]
    reason: str = ""
    seconds: float = 0.0
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict)


class Processes:
    """The current processes of a program, which may end them all."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def including(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Whatever ends the block ends the process too."""
        self._running.append(process)
        try:
            if self.stopped:
                process.terminate()
            yield
        finally:
            self._running.remove(process)
            _end([process])
            process.communicate()  # closes the pipe

    def stop(self) -> None:
        """End them, and start no more."""
        self.stopped = True
        _end(list(self._running))


def run_job(job: Job, environment: Mapping[str, str] | None = None, processes: Processes | None = None) -> Outcome:
    """Run a job's command to its end, unless its output is whole; never beside another process of the same job.

    The command ends with this process, however that ends.
    """
    started, processes = time.monotonic(), processes or Processes()
    try:
        with _only_one(job, processes) as lock:
            failure = _call(job, environment or {}, processes, lock)
    except (InputError, OSError) as error:
        failure = "failed", str(error)
    state, reason = failure or ("done", "")
    return Outcome(state, reason, round(time.monotonic() - started, 2), platform.node(), software_versions())


def run_in_folder(job: Job, folder: str) -> Outcome:
    """`run_job` in a process of an engine, which may have started in another folder than the command."""
    os.chdir(folder)
    return run_job(job)


def _call(
    job: Job, environment: Mapping[str, str], processes: Processes, lock: int | None
) -> tuple[Literal["failed", "died"], str] | None:
    """Why the job failed or died; None if it is done."""
    if job.is_done():
        return None
    # -P: a folder of the package's name in the working directory must not hide the package.
    command = [sys.executable, "-P", "-m", "protas_gtcc.work.tied_process", job.module, *job.command()]
    with open(job.log, "ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": str(job.cores), **os.environ, CORES_OF_JOB: str(job.cores), **environment},
            # The lock is held until the command has ended, even if this process is killed before it.
            pass_fds=() if lock is None else (lock,),
        )
    with processes.including(process):
        code = process.wait()
    if code < 0 or code >= _FIRST_SIGNAL_CODE:
        how = f"signal {-code if code < 0 else code - _FIRST_SIGNAL_CODE + 1}"
        return "died", _last_error(job.log, start, how)
    if code == 0 and job.is_done():
        return None
    return "failed", _last_error(job.log, start, f"exit code {code}" if code else "its output is not whole")


@contextmanager
def _only_one(job: Job, processes: Processes) -> Iterator[int | None]:
    """Wait until no other process runs the job, and hold its lock; yields the lock's descriptor."""
    with ExitStack() as held:
        while True:
            try:
                lock = held.enter_context(only_writer(job.log, wait=False))
                break
            except BeingWrittenError:
                if processes.stopped:
                    raise
                time.sleep(SECONDS_BETWEEN_TRIES)
        yield lock


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes: by a signal, which lets them tidy up, and after a while for certain."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()


def _last_error(log: Path, start: int, how: str) -> str:
    """The last error in the log, or its last line, from the byte `start`, where this try began."""
    text = log.read_bytes()[start:].decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    starts = ("error: ", "skipped: ")
    errors = [line.split(": ", 1)[1] for line in lines[-20:] if line.startswith(starts)]
    message = (errors or lines or ["it printed nothing"])[-1]
    return f"{message} ({how}; {log})"
