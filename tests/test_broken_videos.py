"""A file that is no video is one line in every command, which names it and the way out, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from protas_gtcc.video.backbones.choice import make_backbone
from tests.broken_videos import BROKEN, broken
from tests.conftest import slow_but_first
from tests.forked import Trial, only_line, run_forked
from tests.mstcn_folder import exit_code
from tests.video_files import film
from tests.video_models import extract_means, model_on, saved, torchscript

MEANS = ("--backbone", "means.pt", "--size", 16)
NO_ENDING = ("text.txt", "list.m3u8", "picture.png", "folder.mp4")
"""Not taken for videos where files of features are taken as well, or expanded as folders."""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A backbone and a model, in the working directory."""
    monkeypatch.chdir(tmp_path)
    backbone = make_backbone(str(torchscript(tmp_path / "means.pt")), size=16)
    saved(model_on(backbone), tmp_path / "model.safetensors")
    return tmp_path


def commands(video: str) -> dict[str, list[str]]:
    given: dict[str, list[object]] = {
        "extract": extract_means(Path(video), "out/features", Path("means.pt")),
        "predict": ["predict", "model.safetensors", video, "--out", "out", *MEANS],
        "stream": ["stream", "model.safetensors", video, *MEANS],
        "annotate": ["annotate", "model.safetensors", video, "--out", "out/a.mp4", "--subtitles", "out/a.vtt", *MEANS],
    }
    return {verb: [str(word) for word in words] for verb, words in given.items()}


@pytest.mark.parametrize("name", slow_but_first(name for name in reversed(BROKEN) if name not in NO_ENDING))
def test_a_broken_video_is_one_line_in_every_command(folder, capsys, name):
    path, expected = broken(folder, name)
    for verb, command in commands(path.name).items():
        assert exit_code(*command) == 1, verb
        done = capsys.readouterr()
        assert re.search(expected, done.err) or name == "none.mp4"
        assert name in done.err
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        assert not done.out
        assert not [file for file in Path("out").rglob("*") if file.is_file()]


def test_a_pipe_is_skipped_as_any_other_broken_video(folder, capsys):
    film(folder / "clip.mp4", 20)
    os.mkfifo(folder / "pipe.mp4")
    for verb in ("extract", "predict"):
        command = commands("pipe.mp4")[verb]
        command.insert(command.index("pipe.mp4"), "clip.mp4")
        assert exit_code(*command, "--skip-broken") == 0
        assert "skipped: pipe.mp4 is a pipe or a device; give a regular file" in capsys.readouterr().err


def test_a_video_that_may_not_be_read_is_one_line(folder, capsys, monkeypatch):
    film(folder / "clip.mp4", 20)
    opened = open

    def refuse(path: object, *rest: object, **more: object) -> object:
        if str(path) == "clip.mp4":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", refuse)
    for command in commands("clip.mp4").values():
        assert exit_code(*command) == 1
        expected = "error: cannot read clip.mp4 (Permission denied); get the right to it, or leave it out\n"
        assert capsys.readouterr().err == expected


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["extract", "predict", "annotate"])
def test_a_full_disk_is_one_line_and_leaves_no_file(folder, verb):
    film(folder / "clip.mp4", 200)
    outcome = run_forked([Trial(["--version"]), Trial(commands("clip.mp4")[verb], 700)], folder)[1]
    assert outcome.code == 1
    assert only_line(outcome).startswith("error: cannot write out/")
    assert "File too large" in outcome.errors
    assert not [file for file in Path("out").rglob("*") if file.suffix in (".npy", ".h5", ".mp4", ".part")]
