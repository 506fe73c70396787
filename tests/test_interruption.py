"""Signals at any moment: a command ends by them, or was done; it never goes on, and never leaves half a file."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from protas_gtcc.cli.main import run_command
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.storage.hdf5 import hdf5_file
from protas_gtcc.storage.signals import signals_wait
from tests.forked import Trial, run_forked
from tests.mstcn_folder import exit_code, write_mstcn
from tests.tiny_models import make_model, video


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def ended(command: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code of a command that is a function, and what it printed as errors."""
    with pytest.raises(SystemExit) as stopped:
        run_command(command)
    return stopped.value.code, capsys.readouterr().err


# Moments that are known to be bad


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_that_compiled_code_swallows_is_repeated(number, capsys):
    def command() -> None:
        class Freed:
            pass

        freed = Freed()
        weakref.finalize(freed, send, number)  # what a callback raises is printed, and forgotten
        del freed
        gc.collect()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.01)

    started = time.monotonic()
    assert ended(command, capsys) == (128 + number, "interrupted; nothing half-written was left behind\n")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("end", ["well", "with another error"])
def test_a_command_that_goes_on_after_a_signal_ends_as_interrupted(end, capsys):
    def command() -> None:
        try:
            send(signal.SIGTERM)
        except KeyboardInterrupt:
            if end == "with another error":
                raise RuntimeError("HDF5's own") from None

    assert ended(command, capsys) == (143, "interrupted; nothing half-written was left behind\n")


def test_a_second_signal_does_not_disturb_cleaning_up(capsys):
    cleaned = []

    def command() -> None:
        try:
            send(signal.SIGINT)
        finally:
            send(signal.SIGTERM)
            time.sleep(0.5)  # longer than until an exception is repeated
            cleaned.append(True)

    assert ended(command, capsys)[0] == 130
    assert cleaned


def test_after_a_command_every_handler_is_as_before(capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)]
    run_command(lambda: None)
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)]
    assert after == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_while_hdf5_closes_a_file_waits_for_the_end_and_the_file_is_whole(tmp_path, monkeypatch, capsys):
    close = h5py.File.close

    def interrupted_close(file: h5py.File) -> None:
        send(signal.SIGTERM)
        close(file)

    def command() -> None:
        with hdf5_file(tmp_path / "a.h5", "w") as file:
            file["values"] = np.arange(1000)
            monkeypatch.setattr(h5py.File, "close", interrupted_close)

    assert ended(command, capsys)[0] == 143
    monkeypatch.undo()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["values"][-1] == 999


def test_a_signal_just_before_hdf5_closes_a_file_leaves_no_traceback_of_its_clean_up(tmp_path, monkeypatch, capfd):
    def command() -> None:
        with hdf5_file(tmp_path / "a.h5", "w") as file:
            file["values"] = np.arange(100_000)
            monkeypatch.setattr("protas_gtcc.storage.hdf5.signals_wait", interrupted)

    def interrupted() -> None:
        send(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run_command(command)
    gc.collect()
    assert stopped.value.code == 143
    assert capfd.readouterr().err == "interrupted; nothing half-written was left behind\n"


def test_signals_wait_is_transparent_and_delivers_each_once():
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with signals_wait():
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            assert came == []
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


# Random moments


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def commands(tmp_path, tiny_dataset) -> dict[str, list[str]]:
    size = ["--stages", 1, "--layers", 3, "--maps", 4, "--epochs", 1]
    assert exit_code("train", "--dataset", tiny_dataset, "--out", tmp_path / "run", "--preset", "reference", *size) == 0
    model = make_model()
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    np.save(tmp_path / "clip.npy", video(2000))
    labels = {f"v{number}": [0, 1, 2] * 100 for number in range(12)}
    parts = {"train": [f"v{number}" for number in range(10)], "test": ["v10", "v11"]}
    folder = write_mstcn(
        tmp_path / "videos", ["background", "cut", "mix"], labels, parts, lambda frames: np.ones((9, frames))
    )
    model_file, clip, out = (str(tmp_path / name) for name in ("model.safetensors", "clip.npy", "out"))
    return {
        "prepare": ["prepare", str(folder), "--out", f"{out}/data.h5", "--fps", "10", "--overwrite"],
        "predict": ["predict", model_file, clip, "--out", out, "--overwrite"],
        "evaluate": ["evaluate", str(tmp_path / "run"), "--out", out, "--pictures", "1"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["prepare", "predict", "evaluate"])
def test_a_signal_at_any_moment_ends_the_command_or_comes_after_its_end(verb, commands, tmp_path):
    command, out = commands[verb], tmp_path / "out"
    assert exit_code(*command) == 0
    before = content(out)
    rng = np.random.default_rng(0)
    trials = []
    for _ in range(60):
        numbers = tuple(int(number) for number in rng.choice([signal.SIGINT, signal.SIGTERM], rng.integers(1, 4)))
        delays = rng.uniform(0, 1.2), *rng.uniform(0, 0.1, len(numbers) - 1)
        trials.append(Trial(command, signals=numbers, delays=tuple(map(float, delays))))
    outcomes = run_forked(trials, tmp_path)
    for trial, outcome in zip(trials, outcomes, strict=True):
        allowed = {0} | {128 + number for number in trial.signals} | {-number for number in trial.signals}
        assert outcome.code in allowed, outcome.errors
        assert "Traceback" not in outcome.errors
        if outcome.code > 128:
            assert outcome.errors.splitlines()[-1].startswith("interrupted; ")
    assert any(outcome.code > 128 for outcome in outcomes)
    assert content(out) == before, "every file is whole, and nothing is left over"
