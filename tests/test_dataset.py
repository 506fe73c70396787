"""The dataset file: damage is one line with what, where and the way out, and names cannot break out of it."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np
import pytest

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole
from tests.checked_data import changed_by_hand, put_array
from tests.conftest import tiny_video


def _damaged(tiny_dataset: Path, folder: Path, damage: Callable[[h5py.File], object]) -> Path:
    path = folder / "damaged.h5"
    shutil.copyfile(tiny_dataset, path)
    with changed_by_hand(path) as file:
        damage(file)
    return path


HEADER_DAMAGE = {
    "no version": (lambda f: f.attrs.__delitem__("format_version"), "format_version is missing"),
    "version in words": (lambda f: f.attrs.__setitem__("format_version", "x"), "format_version is 'x'"),
    "one string for all classes": (lambda f: f.attrs.__setitem__("class_names", "rest"), "class_names is 'rest'"),
    "no rate": (lambda f: f.attrs.__delitem__("fps"), "fps is missing"),
    "rate in words": (lambda f: f.attrs.__setitem__("fps", "fast"), "fps is 'fast'"),
    "no frames a second": (lambda f: f.attrs.__setitem__("fps", 0.0), "it has 0 frames per second"),
    "background too high": (lambda f: f.attrs.__setitem__("background", [4]), "background id 4 is not one of 4"),
    "background negative": (lambda f: f.attrs.__setitem__("background", [-1]), "background id -1 is not one of 4"),
    "lengths lost": (lambda f: put_array(f, "num_frames", [9, 9]), "10 names of videos but 2 num_frames"),
    "video without frames": (lambda f: f["num_frames"].__setitem__(3, 0), "a video with num_frames 0"),
    "a length that is not its labels'": (lambda f: f["num_frames"].__setitem__(3, 900), "labels should be ["),
    "a video twice": (lambda f: f["video_names"].__setitem__(3, "video1"), "its index names a video twice"),
    "labels in words": (lambda f: put_array(f, "labels", ["cut"]), "labels should be numbers"),
    "labels too short": (lambda f: put_array(f, "labels", [0, 1]), "labels should be ["),
    "progress lost": (lambda f: f.__delitem__("progress"), "it lacks progress"),
    "segments of two columns": (lambda f: put_array(f, "segments", f["segments"][:, :2]), "segments should be ["),
    "segments lost": (lambda f: f["num_segments"].__setitem__(0, 900), "segments should be ["),
    "names are numbers": (lambda f: put_array(f, "video_names", np.arange(10)), ""),
    "no dimension": (
        lambda f: f["feature_sets/features"].attrs.__delitem__("dim"),
        "dim of /feature_sets/features is missing",
    ),
    "negative look-ahead": (
        lambda f: f["feature_sets/features"].attrs.__setitem__("look_ahead_frames", -2),
        "looking -2 frames ahead",
    ),
    "splits are no group": (lambda f: put_array(f, "splits", [1]), ""),
}


@pytest.mark.parametrize("name", HEADER_DAMAGE)
def test_a_damaged_header_is_one_line_on_opening(tiny_dataset, tmp_path, name):
    damage, expected = HEADER_DAMAGE[name]
    path = _damaged(tiny_dataset, tmp_path, damage)
    with pytest.raises(InputError) as caught:
        Dataset(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged: ")
    assert expected in message
    assert message.endswith("; prepare it again")
    assert "\n" not in message


def _relabel(file: h5py.File, label: int) -> None:
    """Label the first frame of video1."""
    file["labels"][file["num_frames"][0]] = label


VIDEO_DAMAGE = {
    "group lost": (lambda f: f["videos"].__delitem__("video1"), "the index names it, but it is not there"),
    "class id too high": (lambda f: _relabel(f, 7), "class ids 7 are not among the 4 classes"),
    "class id negative": (lambda f: _relabel(f, -1), "class ids -1 are not among the 4 classes"),
    "features flat": (lambda f: put_array(f["videos/video1/features"], "features", np.ones(6)), "but is [6]"),
    "features of another size": (
        lambda f: put_array(f["videos/video1/features"], "features", f["videos/video1/features/features"][:, :5]),
        ", 6], by the header, but is [",
    ),
    "features lost": (lambda f: f["videos/video1"].__delitem__("features"), "features"),
}


@pytest.mark.parametrize("name", VIDEO_DAMAGE)
def test_a_damaged_video_is_one_line_on_reading_it_and_the_others_are_read(tiny_dataset, tmp_path, name):
    damage, expected = VIDEO_DAMAGE[name]
    dataset = Dataset(_damaged(tiny_dataset, tmp_path, damage))
    _read_all(dataset, "video2")
    with pytest.raises(InputError) as caught:
        _read_all(dataset, "video1")
    message = str(caught.value)
    assert message.startswith(f"{dataset.path} is damaged: video video1: ")
    assert expected in message
    assert message.endswith("; prepare it again")


def _read_all(dataset: Dataset, video: str) -> None:
    dataset.labels(video), dataset.progress(video), dataset.segments(video)
    dataset.features(video, "features"), dataset.attribute(video, "task")


def test_another_format_and_a_foreign_file_are_not_reported_as_damage(tiny_dataset, tmp_path):
    newer = _damaged(tiny_dataset, tmp_path, lambda f: f.attrs.__setitem__("format_version", 99))
    with pytest.raises(InputError, match="has format version 99, but this program reads version 2; prepare it again"):
        Dataset(newer)
    foreign = _damaged(tiny_dataset, tmp_path, lambda f: f.attrs.__setitem__("format", [1, 2]))
    with pytest.raises(InputError, match="but not a protas_gtcc dataset"):
        Dataset(foreign)


def test_a_window_equals_its_part_of_the_whole_also_in_another_process(tiny_dataset):
    dataset = pickle.loads(pickle.dumps(Dataset(tiny_dataset)))
    whole = dataset.features("video3", "features")
    assert whole.shape == (dataset.num_frames["video3"], 6)
    np.testing.assert_array_equal(dataset.features("video3", "features", 4, 9), whole[4:9])
    for read in (dataset.labels, dataset.progress):
        assert len(read("video3")) == len(whole)
        np.testing.assert_array_equal(read("video3", 4, 9), read("video3")[4:9])
        for start, end in ((15, 900), (-5, 3), (-5, None), (2, -1), (9, 4)):
            np.testing.assert_array_equal(read("video3", start, end), read("video3")[start:end])


def test_videos_are_read_back_as_they_were_written_whatever_the_order(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    for number in (9, 0, 4):
        written = tiny_video(f"video{number}", number)
        np.testing.assert_array_equal(dataset.labels(written.name), written.labels)
        np.testing.assert_array_equal(dataset.progress(written.name), progress_target(written.labels, [0]))
        np.testing.assert_array_equal(dataset.segments(written.name), segment_array(written.labels))
        np.testing.assert_array_equal(dataset.features(written.name, "features"), written.features["features"])


def test_unknown_videos_sets_and_splits_are_named_with_the_known_ones(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    with pytest.raises(InputError, match="has no video 'video77'"):
        dataset.labels("video77")
    with pytest.raises(InputError, match="has no feature set 'flow'; it has features"):
        dataset.features("video1", "flow")
    with pytest.raises(InputError, match="has no split '4'; choose one of its splits: 1"):
        dataset.part("4", "train")
    assert dataset.part("1", "validation") == []


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_video_in_train_and_test_is_refused(tiny_dataset, tmp_path, part):
    shared = ["video7", "video8", "video9"]
    path = _damaged(tiny_dataset, tmp_path, lambda f: put_array(f["splits/1"], "test", shared))
    with pytest.raises(InputError, match=r"split 1 has video7 in .*; keep each video in one part .*check"):
        Dataset(path).part("1", part)


def test_a_video_that_is_twice_in_a_part_is_refused(tiny_dataset, tmp_path):
    path = _damaged(tiny_dataset, tmp_path, lambda f: put_array(f["splits/1"], "test", ["video8", "video9", "video8"]))
    with pytest.raises(InputError, match="split 1 test names video8 twice"):
        Dataset(path).part("1", "test")


# Names


def _write(path: Path, names: Iterable[str]) -> None:
    info = DatasetInfo("names", ["rest", "cut"], [0], 1.0)
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for name in names:
            writer.add(Video(name, np.array([0, 1]), {"features": np.array([[0.0], [1.0]])}))


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "./a", "a\0b", "a\nb", "\x1b[2J", "a\x9b"]
)
def test_a_name_other_than_a_relative_path_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot be the name of a video"):
        _write(tmp_path / "out.h5", [name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("a", "a/labels"), ("a/labels", "a"), ("b", "a/b/c", "a/b")])
def test_a_video_inside_another_is_refused(tmp_path, names):
    with pytest.raises(InputError, match="one is a folder of the other"):
        _write(tmp_path / "out.h5", names)


def test_videos_in_folders_and_with_dots_in_their_names_are_read_back(tmp_path):
    names = ["a/b", "a/c", "ab", "01.tent.090617.gopro", "..."]
    _write(tmp_path / "out.h5", names)
    dataset = Dataset(tmp_path / "out.h5")
    assert dataset.video_names == names
    for name in names:
        assert dataset.labels(name).tolist() == [0, 1]


def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="video a comes twice"):
        _write(tmp_path / "out.h5", ["a", "a"])


# Failed writes


def test_an_unreadable_source_is_not_reported_as_an_unwritable_target(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(InputError, match=r"none\.txt: No such file or directory; .*a\.txt was not written"),
        replace_when_whole(tmp_path / "a.txt") as part,
    ):
        part.write_text((tmp_path / "none.txt").read_text())
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_failed_write_leaves_no_new_folder(tmp_path):
    with (
        pytest.raises(InputError, match=r"none\.txt"),
        replace_when_whole(tmp_path / "new" / "folder" / "a.txt") as part,
    ):
        part.write_text((tmp_path / "none.txt").read_text())
    assert list(tmp_path.iterdir()) == []
