"""`prepare --videos`: labels and videos become a dataset; what is extracted is kept, and the same command goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.storage.feature_facts import read_feature_facts
from tests.mstcn_folder import exit_code, write_mstcn
from tests.video_files import plain, write_video
from tests.video_models import torchscript

FPS = 10
PLACES = ["v0.mp4", "v1.mkv", "anna/v2.mp4"]
TABLE = "video,start_seconds,end_seconds,name\nv0,0.5,1,pour\nv1.mkv,0,1.2,stir\nv2,1,3,pour\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Three videos of 3 s, their segments, and a backbone, in the working directory."""
    for place in PLACES:
        write_video(tmp_path / "videos" / place, range(0, 3000, 100), [plain(k) for k in range(30)])
    (tmp_path / "segments.csv").write_text(TABLE)
    torchscript(tmp_path / "means.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(*more: object, source: str = "segments.csv", out: str = "out.h5") -> int:
    small = ("--backbone", "means.pt", "--size", 16, "--threads", 1)
    return exit_code("prepare", source, "--videos", "videos", "--fps", FPS, "--out", out, *small, *more)


def test_labels_and_videos_are_enough_and_the_same_command_goes_on(folder, capsys):
    assert prepared("--test-share", 0.34) == 0
    assert "3 videos extracted into features-means.pt-10fps, 0 kept" in capsys.readouterr().out
    dataset = Dataset("out.h5")
    assert dataset.video_names == ["v0", "v1", "v2"]
    assert dataset.feature_sets["features-means.pt-10fps"].extractor.fps == FPS
    assert dataset.segments("v0").tolist() == [[0, 5, 0], [5, 10, 1], [10, 30, 0]]
    features = dataset.features("v2", dataset.choose_feature_set("1"))
    assert features.shape == (30, 3)
    assert (np.diff(features[:, 0]) > 0).all(), "frame i is picture i, which is brighter than the one before"
    (folder / "features-means.pt-10fps/v1.npy").unlink()
    before = (folder / "features-means.pt-10fps/v0.npy").stat().st_mtime_ns
    assert prepared("--test-share", 0.34, "--overwrite") == 0
    assert "1 video extracted into features-means.pt-10fps, 2 kept as before" in capsys.readouterr().out
    assert (folder / "features-means.pt-10fps/v0.npy").stat().st_mtime_ns == before


def test_the_features_folder_may_be_chosen_and_is_read_without_the_videos(folder):
    assert prepared("--features-out", "kept") == 0
    shutil.rmtree("videos")
    assert exit_code("prepare", "segments.csv", "--features", "kept", "--fps", FPS, "--out", "again.h5") == 0
    assert Dataset("again.h5").feature_sets == Dataset("out.h5").feature_sets


def test_labels_at_another_rate_in_the_layout_of_mstcn(folder):
    labels = {f"v{n}": [0] * 30 + [1] * 60 for n in range(3)}
    write_mstcn(folder / "data", ["background", "pour"], labels, {"train": ["v0", "v1"], "test": ["v2"]})
    assert prepared("--annotation-fps", 30, source="data") == 0
    dataset = Dataset("out.h5")
    assert dataset.segments("v1").tolist() == [[0, 10, 0], [10, 30, 1]]
    assert read_feature_facts(folder / "data/features-means.pt-10fps/v1.npy") is not None


def test_videos_without_labels_and_other_files_are_named(folder, capsys):
    shutil.copy("videos/v0.mp4", "videos/extra.mp4")
    Path("videos/notes.txt").write_text("x")
    assert prepared() == 0
    shown = capsys.readouterr().out
    assert "1 video without labels, not extracted: extra" in shown
    assert "1 file in videos left out, no videos by their names: notes.txt" in shown
    assert not Path("features-means.pt-10fps/extra.npy").exists()


def test_a_missing_video_is_named_before_anything_is_extracted(folder, capsys):
    with open("segments.csv", "a") as file:
        file.write("v9,0,1,pour\n")
    assert prepared() == 1
    assert "videos has no video of 1 name in segments.csv: v9; add the videos" in capsys.readouterr().err
    assert not list(Path().glob("features*"))


def test_broken_videos_are_left_out_of_dataset_and_split_and_named(folder, capsys):
    labels = {f"v{n}": [0] * 10 + [1] * 20 for n in range(3)}
    write_mstcn(folder / "data", ["background", "pour"], labels, {"train": ["v0", "v1"], "test": ["v2"]})
    (folder / "videos/v1.mkv").write_bytes(b"no video at all")
    assert prepared("--skip-broken", source="data") == 0
    assert "v1 left out of the dataset: videos/v1.mkv is not a video" in capsys.readouterr().out
    dataset = Dataset("out.h5")
    assert dataset.video_names == ["v0", "v2"]
    assert dataset.info.splits == {"1": {"train": ["v0"], "test": ["v2"]}}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (["anna/v2.mp4"], "data: all test videos of split 1 would be left out: v2 (videos/anna/v2.mp4 is not a video"),
        (PLACES, "data: all videos would be left out: v0, v1, v2 (videos/v0.mp4 is not a video"),
    ],
)
def test_a_part_of_a_split_without_videos_is_refused(folder, capsys, broken, expected):
    labels = {f"v{n}": [0] * 10 + [1] * 20 for n in range(3)}
    write_mstcn(folder / "data", ["background", "pour"], labels, {"train": ["v0", "v1"], "test": ["v2"]})
    for place in broken:
        (folder / "videos" / place).write_bytes(b"no video at all")
    assert prepared("--skip-broken", source="data") == 1
    assert f"error: {expected}" in capsys.readouterr().err
    assert not Path("out.h5").exists()


def test_two_files_that_may_be_one_video_are_refused(folder, capsys):
    (folder / "videos/ben").mkdir()
    shutil.copy("videos/anna/v2.mp4", "videos/ben/v2.mp4")
    assert prepared() == 1
    assert "videos/anna/v2.mp4, videos/ben/v2.mp4 may all be the video v2" in capsys.readouterr().err
    (folder / "segments.csv").write_text(TABLE.replace("v2", "ben/v2"))
    assert prepared() == 0
    assert "ben/v2" in Dataset("out.h5").video_names


def test_a_broken_video_a_table_of_rates_and_a_late_segment_are_refused_in_one_line(folder, capsys):
    assert exit_code("prepare", "segments.csv", "--fps", 5, "--out", "o.h5", "--backbone", "means.pt") == 1
    assert "are for videos; add --videos FOLDER" in capsys.readouterr().err
    (folder / "rates.csv").write_text("video,fps\n")
    assert exit_code("prepare", "segments.csv", "--videos", "videos", "--fps", "rates.csv", "--out", "o.h5") == 1
    assert "--videos are extracted at one rate; give a number" in capsys.readouterr().err
    (folder / "segments.csv").write_text(TABLE.replace("1.2", "5.2"))
    assert prepared() == 1
    assert "row 2 (stir, 0 to 5.2 s) ends after the video, whose features last 3 s" in capsys.readouterr().err
    (folder / "videos/v1.mkv").write_bytes(b"no video at all")
    assert prepared() == 1
    assert "v1.mkv is not a video" in capsys.readouterr().err
