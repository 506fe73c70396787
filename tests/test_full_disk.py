"""A disk that is full: every command says so in one line and exits with 1, and every old file is whole."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.forked import Trial, only_line, run_forked
from tests.mstcn_folder import exit_code, write_mstcn

FULL = ("No space left on device", "File too large")
LIMITS = (0, 1000, 5000, 20_000, 80_000)
"""Bytes that fit into a file."""


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory) -> Path:
    """A trained and evaluated run."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    options = ["--stages", 1, "--layers", 3, "--maps", 4, "--epochs", 1]
    assert exit_code("train", "--dataset", tiny_dataset, "--out", path, "--preset", "reference", *options) == 0
    assert exit_code("evaluate", path) == 0
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    path = tmp_path / "clip.npy"
    np.save(path, np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["predict", "evaluate", "report", "prepare", "stream"])
def test_a_disk_that_fills_at_any_size_is_one_line_and_keeps_every_old_file(verb, run, clip, tmp_path):
    out, folder = tmp_path / "out", tmp_path / "videos"
    labels, parts = {"a": [0, 1] * 200, "b": [1, 0] * 200}, {"train": ["a"], "test": ["b"]}
    write_mstcn(folder, ["background", "cut"], labels, parts, lambda frames: np.ones((6, frames), np.float32))
    commands = {
        "predict": ["predict", run, clip, "--out", out, "--overwrite"],
        "evaluate": ["evaluate", run, "--out", out, "--pictures", 1],
        "report": ["report", run, "--out", out / "report.html", "--overwrite"],
        "prepare": ["prepare", folder, "--out", out / "data.h5", "--fps", 10, "--overwrite"],
        "stream": ["stream", run, clip, "--state", out / "state"],
    }
    command = [str(word) for word in commands[verb]]
    out.mkdir()
    assert exit_code(*command) == 0
    before = content(out)
    outcomes = run_forked([Trial(command, limit) for limit in LIMITS], tmp_path)
    refused = [outcome for outcome in outcomes if outcome.code != 0]
    assert refused, "no limit was too small"
    for outcome in refused:
        line = only_line(outcome)
        assert outcome.code == 1, line
        assert line.startswith("error: cannot write"), line
        assert any(reason in line for reason in FULL), line
    after = content(out)
    assert after.keys() == before.keys(), "nothing is left over"
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= {"state"}, "which has moved with the stream"


def test_lines_in_a_file_are_whole_when_its_disk_fills(run, clip, tmp_path):
    command = ["stream", str(run), str(clip), "--lines", str(tmp_path / "lines.jsonl")]
    [outcome] = run_forked([Trial(command, 120_000)], tmp_path)  # two times before, all lines fit
    assert only_line(outcome).startswith(f"error: cannot write {tmp_path / 'lines.jsonl'}: File too large; free space")
    assert outcome.code == 1
    text = (tmp_path / "lines.jsonl").read_text()
    assert text.endswith("}\n")
    assert len(text) > 60_000
    frames = [json.loads(line)["frame"] for line in text.splitlines()]
    assert frames == [number % 400 for number in range(len(frames))]


def test_a_failure_while_a_file_is_written_to_a_full_disk_ends_the_process_by_that_failure(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
from protas_gtcc.errors import InputError
from protas_gtcc.storage.hdf5 import hdf5_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    with hdf5_file(Path(sys.argv[1]), "w") as file:
        for number in range(100):
            file.create_group(f"videos/{number}")  # is written at the end
        raise InputError("the cause")
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.h5")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the cause\n", "")


def test_label_files_are_whole_or_absent_when_their_disk_fills(tmp_path):
    folder, out = tmp_path / "videos", tmp_path / "out"
    labels = {"short": [0, 1] * 20, "zlong": [1, 0] * 4000}
    write_mstcn(folder, ["background", "cut"], labels, {"train": ["short"], "test": ["zlong"]})
    command = ["labels", str(folder), "--out", str(out)]
    version, refused = run_forked([Trial(["--version"]), Trial(command, 5000)], tmp_path)
    assert version.code == 0
    assert refused.code == 1
    file = out / "progress" / "zlong.npy"
    assert only_line(refused).startswith(f"error: cannot write {file}: File too large; remove the cause")
    assert content(out).keys() == {"progress/short.npy", "segments/short.csv"}
    assert exit_code(*command) == 0
    assert {name: np.load(out / "progress" / f"{name}.npy").shape for name in labels} == {
        "short": (2, 40),
        "zlong": (2, 8000),
    }


@pytest.mark.parametrize("verb", ["--version", "--help", "predict --help", "stream"])
def test_a_full_standard_output_is_one_line(verb, run, clip, tmp_path):
    words = ["stream", str(run), str(clip)] if verb == "stream" else verb.split()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "protas_gtcc", *words],
            env={**os.environ, "PYTHONUNBUFFERED": ""},  # as a terminal has it
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    [line] = [one for one in done.stderr.splitlines() if not one.startswith("compiling")]
    assert line.startswith("error: cannot write standard output")


@pytest.mark.parametrize("option", ["--lines", "--state"])
def test_a_read_only_disk_is_named_before_the_first_frame(option, run, clip, tmp_path, capsys, monkeypatch):
    opened = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, flags, *rest)

    monkeypatch.setattr("os.open", refuse)
    assert exit_code("stream", run, clip, option, tmp_path / "there") == 1
    printed = capsys.readouterr()
    assert f"error: cannot write {tmp_path / 'there'}: Read-only file system" in printed.err
    assert printed.out == ""
