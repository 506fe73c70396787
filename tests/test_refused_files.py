"""Files that the system refuses: one line that names the file and the reason, and exit code 1."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.cli.main import run_command
from tests.forked import Trial, only_line, run_forked
from tests.mstcn_folder import exit_code, write_mstcn

NOBODY = 65534


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A run, features and a dataset, which every user may read."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    labels = {f"tea-{number}": [0, 1] * 20 for number in range(3)}
    parts = {"train": ["tea-0", "tea-1"], "test": ["tea-2"]}
    write_mstcn(path / "videos", ["background", "cut"], labels, parts, lambda frames: np.ones((6, frames), np.float32))
    prepare = ["prepare", path / "videos", "--out", path / "data.h5", "--fps", 5, "--task-pattern", "(tea)"]
    assert exit_code(*prepare) == 0
    options = ["--stages", 1, "--layers", 2, "--maps", 4, "--epochs", 1, "--preset", "reference"]
    assert exit_code("train", "--dataset", path / "data.h5", "--out", path / "run", *options) == 0
    np.save(path / "clip.npy", np.ones((30, 6), np.float32))
    (path / "frames.txt").write_text("1 1 1 1 1 1\n")
    (path / "file").touch()
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("verb", ["train", "align", "serve", "stream"])
def test_a_file_where_a_folder_should_be_is_one_line(verb, folder, capsys):
    commands = {
        "train": ["--dataset", folder / "data.h5", "--out", folder / "file" / "x"],
        "align": ["--dataset", folder / "data.h5", "--out", folder / "file" / "x"],
        "serve": [folder / "run", "--state", folder / "file", "--port", 0],
        "stream": [folder / "run", folder / "clip.npy", "--state", folder / "file" / "x"],
    }
    assert exit_code(verb, *commands[verb]) == 1
    [line] = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error: ")]
    assert str(folder / "file") in line
    assert any(reason in line for reason in ("Not a directory", "File exists")), line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    "refused",
    [
        "run/config.yaml",
        "run/checkpoint.safetensors",
        "data.h5",
        "clip.npy",
        "frames.txt",
        "videos/splits",
    ],
)
def test_what_an_ordinary_user_may_not_read_is_named_with_the_reason(refused, folder):
    command = {
        "clip.npy": ["predict", folder / "run", folder / "clip.npy", "--out", folder / "out", "--overwrite"],
        "frames.txt": ["stream", folder / "run", folder / "frames.txt"],
        "videos/splits": ["prepare", folder / "videos", "--out", folder / "x.h5", "--fps", 5, "--overwrite"],
    }.get(refused, ["evaluate", folder / "run"])
    path = folder / refused
    before = path.stat().st_mode
    path.chmod(0)
    try:
        outcome = run_forked([Trial([str(word) for word in command], user=NOBODY)], folder)[0]
    finally:
        path.chmod(before)
    line = only_line(outcome)
    assert outcome.code == 1
    assert line == f"error: {path}: Permission denied; get the right to it, or give another one"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_written_is_one_line(folder):
    command = ["train", "--dataset", str(folder / "data.h5"), "--epochs", "1", "--out"]
    warm, refused = Trial([*command, str(folder / "warm")]), Trial([*command, str(folder / "new" / "run")], user=NOBODY)
    outcome = run_forked([warm, refused], folder)[1]
    assert outcome.code == 1
    errors = [line for line in outcome.errors.splitlines() if not line.startswith("feature statistics")]
    config = folder / "new" / "run" / "config.yaml"
    assert [line.partition(";")[0] for line in errors] == [f"error: cannot write {config}: Permission denied"]


def raising(error: OSError) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_an_error_without_a_file_is_a_programming_error_and_keeps_its_traceback(capsys):
    with pytest.raises(OSError, match="no file of a user"):
        run_command(raising(OSError("no file of a user")))
    for name in ("a\nb", b"a\nb"):
        with pytest.raises(SystemExit):
            run_command(raising(NotADirectoryError(20, "Not a directory", name)))
    line = r"error: a\nb: Not a directory; correct the path, or give another one"
    assert [one.replace("a b", r"a\nb") for one in capsys.readouterr().err.splitlines()] == [line, line]
