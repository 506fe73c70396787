"""Feature sets that are added to a dataset file: nothing on disk is lost, and nobody gets them without asking."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.dataset.description import feature_kind
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from tests.conftest import tiny_video

NAMES = [f"video{number}" for number in range(6)]
OF_SPLIT_1 = NAMES[:4]
ALIGNED = FeatureSet(3, split="1", source="gtcc", derived_from="features")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Six videos; split 1 leaves the last two out, split 2 the first two; one free feature set."""
    splits = {"1": {"train": NAMES[:2], "test": NAMES[2:4]}, "2": {"train": NAMES[2:4], "test": NAMES[4:]}}
    info = DatasetInfo("kitchen", ["rest", "cut", "mix", "serve"], [0], 5.0, splits)
    with write_dataset(tmp_path / "kitchen.h5", info, {"features": FeatureSet(6)}) as writer:
        for number, name in enumerate(NAMES):
            writer.add(tiny_video(name, number))
    return tmp_path / "kitchen.h5"


def aligned(path: Path, videos: list[str], value: float = 1.0, dtype: type = np.float32) -> dict[str, np.ndarray]:
    frames = Dataset(path).num_frames
    return {video: np.full((frames[video], 3), value + number, dtype) for number, video in enumerate(videos)}


def add(path: Path, split: str = "1", videos: list[str] | None = None) -> None:
    features = aligned(path, videos or (OF_SPLIT_1 if split == "1" else NAMES[2:]))
    add_feature_set(path, f"aligned-gtcc_split{split}", dataclasses.replace(ALIGNED, split=split), features)


def test_an_added_set_is_read_back_and_nothing_else_changes(recordings, tmp_path):
    before = Dataset(shutil.copyfile(recordings, tmp_path / "before.h5"))
    add(recordings)
    after = Dataset(recordings)
    assert after.feature_sets == {**before.feature_sets, "aligned-gtcc_split1": ALIGNED}
    assert after.info == before.info
    for number, video in enumerate(NAMES):
        np.testing.assert_array_equal(after.labels(video), before.labels(video))
        np.testing.assert_array_equal(after.features(video, "features"), before.features(video, "features"))
        assert after.has_features(video, "aligned-gtcc_split1") == (video in OF_SPLIT_1)
        if video in OF_SPLIT_1:
            assert (after.features(video, "aligned-gtcc_split1") == 1 + number).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before.h5", "kitchen.h5"]
    findings = check_path(recordings)
    assert [str(one) for one in findings if one.level == "error"] == []
    assert any(one.what.endswith("derived from features and used only by name") for one in findings)


def test_an_existing_set_is_replaced_only_on_demand(recordings):
    add(recordings)
    with pytest.raises(InputError, match="'aligned-gtcc_split1' exists; replace it, or give another name"):
        add(recordings)
    other = dataclasses.replace(ALIGNED, source="another")
    add_feature_set(recordings, "aligned-gtcc_split1", other, aligned(recordings, OF_SPLIT_1, 50), replace=True)
    assert Dataset(recordings).features("video0", "aligned-gtcc_split1").max() == 50
    assert Dataset(recordings).feature_sets["aligned-gtcc_split1"].source == "another"
    tied_to_2, videos = dataclasses.replace(ALIGNED, split="2"), NAMES[2:]
    features = aligned(recordings, videos, dtype=np.float64)
    add_feature_set(recordings, "aligned-gtcc_split1", tied_to_2, features, replace=True)
    replaced = Dataset(recordings)
    assert [video for video in NAMES if replaced.has_features(video, "aligned-gtcc_split1")] == videos
    assert replaced.features("video2", "aligned-gtcc_split1").dtype == np.float64


def test_replacing_a_set_does_not_make_the_file_grow(recordings):
    wide = dataclasses.replace(ALIGNED, dim=500)
    for replace in (False, True):
        size = recordings.stat().st_size
        features = {video: np.ones((Dataset(recordings).num_frames[video], 500)) for video in OF_SPLIT_1}
        add_feature_set(recordings, "wide", wide, features, replace)
    assert recordings.stat().st_size < size + 20_000


BAD: dict[str, tuple[str, FeatureSet, dict[str, Any]]] = {
    "has no features for 1 video, video3; give them all": ("a", ALIGNED, {"video3": None}),
    "'a' has features for videos that are not in the file, video9": ("a", ALIGNED, {"video9": np.ones((4, 3))}),
    r"video video1, a: expected \[T, D\] = .* came \[4, 3\]": ("a", ALIGNED, {"video1": np.ones((4, 3))}),
    "video video1, a: NaN, infinity or a value above 1e12 at frame 0": ("a", ALIGNED, {"video1": np.nan}),
    "'a/b' cannot be the name of a feature set": ("a/b", ALIGNED, {}),
    "'a' is for split 7, which is not there; the file has 1, 2": ("a", dataclasses.replace(ALIGNED, split="7"), {}),
    "is derived from 'flow', which is not in the file; it has features": (
        "a",
        dataclasses.replace(ALIGNED, derived_from="flow"),
        {},
    ),
    "has no features for 2 videos, video4, video5": ("a", dataclasses.replace(ALIGNED, split=None), {}),
}


@pytest.mark.parametrize("message", BAD)
def test_a_set_that_does_not_fit_is_refused_in_one_line_and_the_file_stays(recordings, tmp_path, message):
    name, feature_set, changed = BAD[message]
    features, before = aligned(recordings, OF_SPLIT_1), recordings.read_bytes()
    for video, values in changed.items():
        features[video] = np.full_like(features["video1"], values) if np.isscalar(values) else values
    features = {video: values for video, values in features.items() if values is not None}
    with pytest.raises(InputError, match=message) as caught:
        add_feature_set(recordings, name, feature_set, features)
    assert "\n" not in str(caught.value)
    assert recordings.read_bytes() == before
    assert list(tmp_path.iterdir()) == [recordings]


def test_a_change_by_another_process_is_not_lost(recordings, monkeypatch):
    copy, before = shutil.copyfile, recordings.read_bytes()

    def copy_while_another_writes(*paths: Path) -> None:
        copy(*paths)
        os.utime(recordings, ns=(1, 1))

    monkeypatch.setattr(shutil, "copyfile", copy_while_another_writes)
    with pytest.raises(InputError, match="was changed by another process meanwhile and keeps that change"):
        add(recordings)
    assert recordings.read_bytes() == before


def test_a_derived_set_looks_as_far_ahead_as_its_origin_and_is_for_the_same_split(recordings):
    features = aligned(recordings, OF_SPLIT_1)
    add_feature_set(recordings, "i3d_split1", FeatureSet(3, look_ahead_frames=8, split="1"), features)
    derived = FeatureSet(3, split="1", derived_from="i3d_split1")
    with pytest.raises(InputError, match="'i3d_split1', which looks 8 frames ahead, but has look_ahead_frames 0"):
        add_feature_set(recordings, "a", derived, features)
    with pytest.raises(InputError, match="'a' is derived from 'i3d_split1'; give it the same split, 1"):
        add_feature_set(recordings, "a", dataclasses.replace(derived, split="2"), aligned(recordings, NAMES[2:]))
    add_feature_set(recordings, "a", dataclasses.replace(derived, look_ahead_frames=8), features)


def test_a_full_disk_is_one_line_before_anything_is_written(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"needs 0\.00 GB beside the old one, and 0\.00 GB are free; make room"):
        add(recordings)
    assert list(tmp_path.iterdir()) == [recordings]


# Which set a split uses


def test_a_name_without_its_split_means_the_set_of_the_split(recordings):
    add(recordings)
    assert Dataset(recordings).choose_feature_set("1", "aligned-gtcc") == "aligned-gtcc_split1"
    with pytest.raises(InputError, match="has feature set 'aligned-gtcc' for split 1, not for split 2; make it"):
        Dataset(recordings).choose_feature_set("2", "aligned-gtcc")
    with pytest.raises(InputError, match="'aligned-gtcc_split1' was made for split 1; it cannot be used with split 2"):
        Dataset(recordings).choose_feature_set("2", "aligned-gtcc_split1")
    with pytest.raises(InputError, match="no feature set 'aligned-tcc'; choose one of aligned-gtcc_split1, features"):
        Dataset(recordings).choose_feature_set("1", "aligned-tcc")
    add(recordings, "2")
    assert Dataset(recordings).choose_feature_set("2", "aligned-gtcc") == "aligned-gtcc_split2"
    whole = dataclasses.replace(ALIGNED, split=None)
    add_feature_set(recordings, "aligned-gtcc", whole, aligned(recordings, NAMES))
    assert Dataset(recordings).choose_feature_set("1", "aligned-gtcc") == "aligned-gtcc", "a set of just that name"


def test_derived_sets_change_no_default(recordings):
    add(recordings)
    assert Dataset(recordings).choose_feature_set("1") == "features"
    features = aligned(recordings, OF_SPLIT_1)
    add_feature_set(recordings, "i3d_split1", FeatureSet(3, split="1"), features)
    assert Dataset(recordings).choose_feature_set("1") == "i3d_split1"
    of_i3d = FeatureSet(3, split="1", derived_from="i3d_split1")
    add_feature_set(recordings, "aligned-tcc_split1", of_i3d, features)
    assert Dataset(recordings).choose_feature_set("1") == "i3d_split1"


def test_a_file_whose_sets_are_all_derived_has_no_default(tmp_path):
    info = DatasetInfo("one", ["rest", "cut"], [0], 5.0, {"1": {"train": ["a"]}})
    with write_dataset(tmp_path / "one.h5", info, {"aligned": FeatureSet(1, derived_from="lost")}) as writer:
        writer.add(Video("a", np.array([0, 1]), {"aligned": np.ones((2, 1))}))
    with pytest.raises(InputError, match="name a feature set for split 1 with --feature-set: aligned"):
        Dataset(tmp_path / "one.h5").choose_feature_set("1")


# Kinds of features in comparisons over splits


@pytest.mark.parametrize(
    ("name", "feature_set", "kind"),
    [
        ("features", FeatureSet(1), "features"),
        ("features_split1", FeatureSet(1, split="1"), "features of the split"),
        ("features_1-2", FeatureSet(1, split="1-2"), "features of the split"),
        ("aligned-gtcc_split1", ALIGNED, "aligned-gtcc of the split"),
        ("aligned-gtcc-seed12_split1", ALIGNED, "aligned-gtcc of the split"),
        ("i3d-seed1_split1", FeatureSet(1, split="1"), "i3d-seed1 of the split"),
        ("i3d", FeatureSet(1, split="1"), "of the split"),
        ("i3d-aligned", ALIGNED, "derived, of the split"),
        ("aligned", dataclasses.replace(ALIGNED, split=None), "aligned"),
    ],
)
def test_the_sets_of_different_splits_are_one_kind(name, feature_set, kind):
    assert feature_kind(name, feature_set) == kind


def test_runs_on_raw_and_on_aligned_features_of_the_splits_are_two_kinds(recordings):
    for split, videos in (("1", OF_SPLIT_1), ("2", NAMES[2:])):
        add_feature_set(recordings, f"i3d_split{split}", FeatureSet(3, split=split), aligned(recordings, videos))
        add(recordings, split)
    dataset = Dataset(recordings)
    used = {
        (split, wanted): dataset.choose_feature_set(split, wanted)
        for split in "12"
        for wanted in (None, "aligned-gtcc", "features")
    }
    kinds = {which: feature_kind(name, dataset.feature_sets[name]) for which, name in used.items()}
    assert len(set(kinds.values())) == 3
    assert all(kinds["1", wanted] == kinds["2", wanted] for wanted in (None, "aligned-gtcc", "features"))
