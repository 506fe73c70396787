"""The backbone of features goes with them: into datasets, checkpoints and predictions; others are refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import load
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.storage.feature_facts import LONGEST, read_feature_facts
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.extraction import Extraction
from protas_gtcc.video.naming import find_videos
from tests.mstcn_folder import exit_code
from tests.video_files import plain, write_video
from tests.video_models import extract_means, torchscript

FPS = 10.0


@pytest.fixture
def model(tmp_path) -> Path:
    return torchscript(tmp_path / "means.pt")


@pytest.fixture
def folder(tmp_path, model) -> Path:
    """Labels in the layout of MS-TCN beside features that were extracted."""
    folder = tmp_path / "data"
    (folder / "groundTruth").mkdir(parents=True)
    (folder / "mapping.txt").write_text("0 background\n1 pour\n2 stir\n")
    for number in range(4):
        write_video(tmp_path / "filmed" / f"v{number}.mp4", range(0, 3000, 100), [plain(k % 30) for k in range(30)])
        names = ["background"] * 6 + ["pour"] * 12 + ["stir"] * 12
        (folder / "groundTruth" / f"v{number}.txt").write_text("\n".join(names) + "\n")
    assert exit_code(*extract_means(tmp_path / "filmed", folder / "features", model)) == 0
    return folder


def prepared(folder: Path, *more: object) -> int:
    return exit_code("prepare", folder, "--out", "data.h5", "--test-share", 0.25, "--overwrite", *more)


@pytest.mark.slow
def test_the_backbone_goes_into_the_dataset_the_checkpoint_and_the_predictions(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert prepared(folder, "--fps", FPS) == 0
    assert "of means.pt (" in capsys.readouterr().out
    extractor = read_feature_facts(folder / "features/v0.npy").extractor
    assert Dataset("data.h5").feature_sets["features"].extractor == extractor
    tiny = ["--stages", 1, "--layers", 2, "--maps", 4, "--epochs", 1, "--no-cross-fit"]
    assert exit_code("run", "--dataset", "data.h5", "--out", "run", *tiny) == 0
    assert load("run").facts.extractor == extractor
    assert str(extractor) in repr(load("run"))
    assert open_predictions("run/predictions.h5").info.extractor == extractor
    assert exit_code("predict", "run", folder / "features/v0.npy", "--no-pictures") == 0
    assert open_predictions("predictions/predictions.h5").info.extractor == extractor

    given = ("--backbone", tmp_path / "means.pt", "--size", 16, "--no-pictures", "--out", "of-videos")
    assert exit_code("predict", "run", tmp_path / "filmed/v0.mp4", *given) == 0
    found = [open_predictions(f"{one}/predictions.h5").read("v0").reported for one in ("predictions", "of-videos")]
    np.testing.assert_array_equal(found[0], found[1])

    other = torchscript(tmp_path / "other.pt", weight=2.0)
    assert exit_code(*extract_means(tmp_path / "filmed", "others", other)) == 0
    capsys.readouterr()
    assert exit_code("predict", "run", "others/v0.npy") == 1
    refusal = capsys.readouterr().err
    assert f"others/v0.npy was made by other.pt ({_fingerprint('others/v0.npy')}) at 10 fps" in refusal
    assert f"trained on features of {extractor}" in refusal
    assert exit_code("stream", "run", "others/v0.npy") == 1
    assert f"trained on features of {extractor}" in capsys.readouterr().err
    assert exit_code(*extract_means(tmp_path / "filmed", "faster", tmp_path / "means.pt", "--fps", 20)) == 0
    assert exit_code("predict", "run", "faster/v0.npy") == 1
    assert "at 20 fps, and 10 fps were expected; give --fps 20" in capsys.readouterr().err
    assert exit_code("predict", "run", "faster/v0.npy", "--fps", 20, "--no-pictures", "--out", "p2") == 0

    shutil.copytree(folder, "folder2")
    assert exit_code(*extract_means(tmp_path / "filmed", "folder2/features", other)) == 0
    assert exit_code("prepare", "folder2", "--out", "data2.h5", "--test-share", 0.25, "--fps", FPS, "--name", "b") == 0
    capsys.readouterr()
    assert exit_code("evaluate", "run", "--dataset", "data2.h5", "--out", "scores") == 1
    assert "made by other.pt" in capsys.readouterr().err


def test_features_of_a_backbone_that_looks_ahead_do_so_in_the_dataset_and_in_check(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    backbone = make_backbone("means.pt", size=16)
    monkeypatch.setattr(backbone, "look_ahead_frames", 3, raising=False)
    for file in (folder / "features").iterdir():
        file.unlink()
    Extraction(find_videos([folder.parent / "filmed"])[0], folder / "features", backbone, FPS).run()
    capsys.readouterr()
    assert prepared(folder, "--fps", FPS, "--resample-to", 5) == 0
    assert "looks 2 frames ahead" in capsys.readouterr().out
    assert Dataset("data.h5").feature_sets["features"].look_ahead_frames == 2
    exit_code("check", folder, "--fps", FPS)
    assert "look-ahead 3 frames: results are 3 frames late, not online" in " ".join(capsys.readouterr().out.split())


def _fingerprint(path: str) -> str:
    return read_feature_facts(Path(path)).extractor.fingerprint


def test_prepare_refuses_another_rate_and_features_of_two_backbones(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert prepared(folder, "--fps", 5) == 1
    assert "at 10 fps, and --fps is 5; give its rate, or extract again" in capsys.readouterr().err
    assert exit_code("check", folder, "--fps", 5) == 1
    assert "at 10 fps, and --fps is 5" in " ".join(capsys.readouterr().out.split())
    other = torchscript(tmp_path / "other.pt", weight=2.0)
    assert exit_code(*extract_means(tmp_path / "filmed/v2.mp4", folder / "features", other)) == 0
    capsys.readouterr()
    assert prepared(folder, "--fps", FPS) == 1
    refusal = capsys.readouterr().err
    assert "was made by other.pt" in refusal
    assert "by means.pt" in refusal
    (folder / "features/v2.json").unlink()
    assert prepared(folder, "--fps", FPS) == 0
    assert "1 video of features without the file of facts" in capsys.readouterr().out
    assert not Dataset("data.h5").feature_sets["features"].extractor


def test_features_that_another_program_wrote_beside_the_facts_are_refused(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = folder / "features/v1.npy"
    np.save(file, np.load(file)[:-4])
    assert prepared(folder, "--fps", FPS) == 1
    assert "v1.npy is [26, 3], and v1.json is about [30, 3]; extract the features again, or" in capsys.readouterr().err
    assert exit_code(*extract_means(tmp_path / "filmed", folder / "features", tmp_path / "means.pt")) == 0
    assert prepared(folder, "--fps", FPS) == 0


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_facts_that_never_end_are_refused(tmp_path, kind):
    os.mkfifo(tmp_path / "a.json") if kind == "pipe" else (tmp_path / "a.json").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"a\.json is a pipe or a device"):
        read_feature_facts(tmp_path / "a.npy")


def test_facts_are_read_up_to_a_limit(tmp_path):
    (tmp_path / "a.json").write_text('{"format": "' + "x" * LONGEST + '"}')
    with pytest.raises(InputError, match=r"a\.json cannot be read"):
        read_feature_facts(tmp_path / "a.npy")
