"""`check` on a dataset file: each fault, alone, is found; healthy data has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import h5py
import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.checks.splits import check_people
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet
from protas_gtcc.dataset.writer import LabelWriter
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import simulate
from tests.checked_data import (
    INFO,
    LABELS,
    change_features,
    changed_by_hand,
    only,
    put_array,
    serious,
    with_value,
    write_file,
)


def test_a_healthy_file_has_nothing_but_notes(tmp_path):
    findings = check_path(write_file(tmp_path / "d.h5"))
    assert [finding.what for finding in findings] == ["look-ahead 0 frames"]


def test_a_simulated_file_has_no_error_and_a_note_that_it_is_simulated(tmp_path):
    simulate(tmp_path / "s.h5", SimulationConfig(tasks=2, share_of_videos=0.2))
    findings = check_path(tmp_path / "s.h5")
    assert not [finding for finding in findings if finding.level == "error"]
    assert any("simulated procedures" in finding.what for finding in findings)


def _every_video(file: h5py.File, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for video in file["videos"]:
        change_features(file, video, change)


def _relabel_first(file: h5py.File, labels: np.ndarray) -> None:
    """Label video v0 anew, with its progress and segments."""
    others = file["labels"][len(labels) :].reshape(-1, len(labels))
    writer = LabelWriter(file, len(file.attrs["class_names"]), [0])
    for one in (labels, *others):
        writer.append(one)
    writer.finish()


FAULTS = {
    "NaN": (
        lambda f: change_features(f, "v1", lambda x: with_value(x, (7, 2), np.nan)),
        ("error", "video v1, features", "in 1 of 30 frames, first at 7"),
    ),
    "another feature size": (
        lambda f: change_features(f, "v2", lambda x: x[:, :3]),
        ("error", "video v2", "features should be [30, 4], by the header, but is [30, 3]"),
    ),
    "constant video": (
        lambda f: change_features(f, "v3", lambda x: x * 0),
        ("warning", "video v3, features", "all 30 frames have the same features"),
    ),
    "constant dimension": (
        lambda f: _every_video(f, lambda x: with_value(x, (slice(None), 1), 2.0)),
        ("warning", "feature set features", "1 of 4 dimensions never change: 1"),
    ),
    "another scale": (
        lambda f: change_features(f, "v4", lambda x: x * 255),
        ("warning", "video v4, features", "another scale"),
    ),
    "same features twice": (
        lambda f: change_features(f, "v4", lambda x: f["videos/v0/features/features"][:]),
        ("warning", "feature set features", "these videos have equal features: v0, v4"),
    ),
    "missing features": (
        lambda f: f["videos/v3/features"].__delitem__("features"),
        ("error", "feature set features", "1 video without it: v3"),
    ),
    "stale progress": (
        lambda f: f["progress"].__setitem__(slice(0, 30), 0),
        ("error", "video v0", "its progress does not follow from its labels"),
    ),
    "stale segments": (
        lambda f: f["segments"].__setitem__((0, 1), 7),
        ("error", "video v0", "its segments do not follow from its labels"),
    ),
    "no action": (lambda f: _relabel_first(f, LABELS * 0), ("warning", "video v0", "no action")),
    "video in train and test": (
        lambda f: put_array(f["splits/1"], "test", ["v2", "v3", "v4"]),
        ("error", "split 1", "in train and test: v2"),
    ),
    "video twice in a part": (
        lambda f: put_array(f["splits/1"], "test", ["v3", "v4", "v4"]),
        ("error", "split 1", "more than once in test: v4"),
    ),
    "unknown video in a split": (
        lambda f: put_array(f["splits/1"], "test", ["v3", "v4", "v9"]),
        ("error", "split 1", "test names videos that are not there: v9"),
    ),
    "empty test part": (
        lambda f: put_array(f["splits/1"], "test", np.array([], dtype=h5py.string_dtype())),
        ("error", "split 1", "its test part is empty"),
    ),
    "no test part": (lambda f: f["splits/1"].__delitem__("test"), ("error", "split 1", "it has no test part")),
    "no train part": (lambda f: f["splits/1"].__delitem__("train"), ("error", "split 1", "it has no train part")),
    "no splits": (lambda f: f["splits"].__delitem__("1"), ("error", "d.h5", "there is no split, and 'run' needs one")),
    "person in train and test": (
        lambda f: f["videos/v4"].attrs.__setitem__("subject", "person v0"),
        ("warning", "split 1, people", "in train and test: person v0"),
    ),
    "look-ahead": (
        lambda f: f["feature_sets/features"].attrs.__setitem__("look_ahead_frames", 10),
        ("warning", "feature set features", "look-ahead 10 frames"),
    ),
    "background never used": (
        lambda f: (
            f.attrs.pop("class_colours"),
            f.attrs.__setitem__("class_names", ["background", "pour", "stir", "idle"]),
            f.attrs.__setitem__("background", [0, 3]),
        ),
        ("warning", "class idle", "it is a background class but never used"),
    ),
    "class never used": (
        lambda f: (
            f.attrs.pop("class_colours"),
            f.attrs.__setitem__("class_names", ["background", "pour", "stir", "serve"]),
        ),
        ("warning", "class serve", "no video shows it"),
    ),
    "class name twice": (
        lambda f: f.attrs.__setitem__("class_names", ["background", "pour", "pour"]),
        ("error", "class pour", "2 classes have this name"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_alone_gives_exactly_its_finding(tmp_path, fault):
    path = write_file(tmp_path / "d.h5")
    break_it, expected = FAULTS[fault]
    with changed_by_hand(path) as file:
        break_it(file)
    only(check_path(path), *expected)


def test_an_index_that_contradicts_a_video_is_found_by_its_features(tmp_path):
    path = write_file(tmp_path / "d.h5")
    with changed_by_hand(path) as file:
        file["num_frames"][1:3] = [29, 31]  # the same number of labels in all
    found = " ".join(f"{finding.where}: {finding.what}" for finding in serious(check_path(path)))
    for video, frames in (("v1", 29), ("v2", 31)):
        assert f"video {video}: features should be [{frames}, 4], by the header, but is [30, 4]" in found


def test_a_class_in_test_but_not_in_train_is_found(tmp_path):
    without = {video: np.where(LABELS == 2, 0, LABELS) for video in ("v0", "v1", "v2")}
    path = write_file(tmp_path / "d.h5", labels=without)
    only(check_path(path), "warning", "split 1", "classes in test but not in train: stir")


def test_background_nearly_everywhere_is_found(tmp_path):
    labels = np.repeat([0, 1, 0, 2, 0], [200, 2, 100, 2, 100])
    path = write_file(tmp_path / "d.h5", labels=dict.fromkeys(("v0", "v1", "v2", "v3", "v4"), labels))
    only(check_path(path), "warning", "d.h5", "99.0% of all frames are background")


def test_no_background_is_a_warning_only_where_a_class_is_called_so(tmp_path):
    path = write_file(tmp_path / "d.h5", replace(INFO, background=[]))
    only(check_path(path), "warning", "d.h5", "there is a class 'background'")
    path = write_file(tmp_path / "e.h5", replace(INFO, background=[], class_names=["wait", "pour", "stir"]))
    findings = check_path(path)
    assert not serious(findings)
    assert any("every frame is an action" in finding.what for finding in findings)


def test_feature_sets_for_one_split_must_fit_the_splits(tmp_path):
    path = write_file(tmp_path / "d.h5", sets={"features_split9": FeatureSet(dim=4, split="9")})
    found = [finding.what for finding in serious(check_path(path))]
    assert found == ["it is for split 9, which does not exist (there are 1)", "all feature sets are for other splits"]
    tied = check_path(write_file(tmp_path / "e.h5", sets={"features_split1": FeatureSet(dim=4, split="1")}))
    assert not serious(tied)
    assert any("for split 1 only" in finding.what for finding in tied)


def test_segments_that_vanish_at_a_lower_rate_are_counted_by_class(tmp_path):
    path = write_file(tmp_path / "d.h5")
    assert not serious(check_path(path, resample_to=10.0))
    only(check_path(path, resample_to=5.0), "warning", "class background", "5 of 15 segments vanish at 5 fps")
    at_half = [(f.where, f.what) for f in serious(check_path(path, resample_to=0.5))]
    # 30 frames at 10 fps: one frame at 0.5 fps shows the segment at 1 s, which is frame 10, pouring.
    assert at_half == [
        ("class background", "15 of 15 segments vanish at 0.5 fps"),
        ("class stir", "5 of 5 segments vanish at 0.5 fps"),
    ]


def test_truncated_and_foreign_files_are_one_finding(tmp_path):
    whole = write_file(tmp_path / "d.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    only(check_path(tmp_path / "cut.h5"), "error", "cut.h5", "is not a whole HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    only(check_path(tmp_path / "other.h5"), "error", "other.h5", "not a protas_gtcc dataset")


def test_people_in_several_parts_are_one_finding_a_split():
    parts = {"train": ["a"], "validation": ["b"], "test": ["c", "d"]}
    info = DatasetInfo("kitchen", ["rest", "cut"], [0], 5.0, {"1": parts, "2": parts})
    findings = [*check_people(info, {"a": "anna", "b": "bob", "c": "anna", "d": "bob"})]
    assert [finding.where for finding in findings] == ["split 1, people", "split 2, people"]
    assert {finding.what for finding in findings} == {"in train and test: anna; in validation and test: bob"}
