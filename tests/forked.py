"""Commands in forks of one process that has imported what they need: hundreds take seconds."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import pytest

import protas_gtcc
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
    faulthandler.dump_traceback_later(HUNG_SECONDS / 2)
    if trial.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.largest_file, trial.largest_file))
    if trial.user is not None:
        os.setuid(trial.user)
    os._exit(_call_main(trial.arguments))


def _call_main(arguments: list[str]) -> int:
    """Run a command in this fork; its exit code.

    The fork is to end by `os._exit`, not by Python's own end: torch's threads, which a fork does not have, are waited
    for there.
    """
    # As a new process has them: nothing is left of what they were connected to.
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _wait(process: int) -> int:
    deadline = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    given = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode()
    socket.send_fds(server, [len(given).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(given)
    answers = server.makefile()
    process = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(process, number))
    sys.exit(int(answers.readline() or 1))
"""


@contextmanager
def command_server(folder: Path) -> Iterator[None]:
    """Within the block, the program FOLDER/protas-gtcc is the command, in a fork of one process."""
    with tempfile.TemporaryDirectory() as short:  # some systems allow an address a hundred letters
        command = [sys.executable, __file__, str(folder), f"{short}/socket"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()
            process.communicate()


def _serve(folder: Path, address: str) -> NoReturn:
    """Run what the program asks for, several at once, until this process is killed."""
    for module in pkgutil.walk_packages(protas_gtcc.__path__, "protas_gtcc."):
        if module.name != "protas_gtcc.__main__":
            importlib.import_module(module.name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        client = folder / "protas-gtcc"
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o755)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> NoReturn:
    """Become a command: with the streams, folder, environment and words that come; report its number and exit code."""
    length, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as given:
        folder, environment, arguments = json.loads(given.read(int.from_bytes(length, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    connection.sendall(f"{os.getpid()}\n".encode())
    code = _call_main(arguments)
    connection.sendall(f"{code}\n".encode())
    os._exit(code)


def _run_trials() -> None:
    *given, where = json.load(sys.stdin)
    os.chdir(where)
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a process of its own, see `main`
    if sys.argv[1:]:
        _serve(Path(sys.argv[1]), sys.argv[2])
    _run_trials()
