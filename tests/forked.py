"""Commands in forks of one process that has run such a command before: hundreds take seconds."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from protas_gtcc.cli.main import main

HUNG_SECONDS = 240.0
"""Far longer than a command takes on the busiest machine."""


@dataclass(frozen=True)
class Trial:
    """A command, and what happens to it."""

    arguments: list[str]
    largest_file: int | None = None
    """Bytes; a write beyond is refused as on a full disk."""
    stdout: str = os.devnull
    user: int | None = None
    """Another user's number, for root."""
    signals: tuple[int, ...] = ()
    delays: tuple[float, ...] = ()
    """Before each signal, as shares of the time that the command takes alone."""


@dataclass(frozen=True)
class Outcome:
    """How the command ended."""

    code: int
    """The exit code; minus the signal's number if it died of one."""
    errors: str
    seconds: float


def run_forked(trials: list[Trial], folder: Path) -> list[Outcome]:
    """The outcomes of the trials, one after the other, in a folder. The first one's command runs twice before them."""
    done = subprocess.run(
        [sys.executable, __file__],  # not as a module of `tests`, which checks shapes in every call
        input=json.dumps([asdict(trial) for trial in trials] + [str(folder)]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Outcome(**one) for one in json.loads(done.stdout)]


def only_line(outcome: Outcome) -> str:
    """The one line of an error; notes on compiling may stand before it."""
    lines = [line for line in outcome.errors.splitlines() if not line.startswith("compiling")]
    if len(lines) != 1:
        pytest.fail(f"expected one line, came {outcome.errors!r}")
    return lines[0]


def _run(trial: Trial, usual_seconds: float) -> Outcome:
    reading, writing = os.pipe()
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        _become(trial, writing)
    os.close(writing)
    for number, delay in zip(trial.signals, trial.delays, strict=True):
        time.sleep(delay * usual_seconds)
        os.kill(process, number)  # not yet waited for, so it exists
    status = _wait(process)
    with os.fdopen(reading) as errors:
        return Outcome(os.waitstatus_to_exitcode(status), errors.read(), time.monotonic() - started)


def _become(trial: Trial, errors: int) -> None:
    os.dup2(os.open(trial.stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 1)
    os.dup2(errors, 2)  # a pipe, which has no limit
    # As a new process has them: nothing is left of what they were connected to.
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.dump_traceback_later(HUNG_SECONDS / 2)
    if trial.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.largest_file, trial.largest_file))
    if trial.user is not None:
        os.setuid(trial.user)
    sys.argv[1:], code = trial.arguments, 0
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    # Not by Python's own end: torch's threads, which a fork does not have, are waited for there.
    os._exit(code)


def _wait(process: int) -> int:
    deadline = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


if __name__ == "__main__":
    *given, where = json.load(sys.stdin)
    os.chdir(where)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a process of its own, see `main`
    output, discard = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(discard, descriptor)
    for _ in range(2):
        begun = time.monotonic()
        with suppress(SystemExit):
            main(given[0]["arguments"])
        usual = time.monotonic() - begun
    outcomes = [_run(Trial(**one), usual) for one in given]
    os.write(output, json.dumps([asdict(one) for one in outcomes]).encode())
