"""`protas-gtcc check`: each fault, alone, is found; many at once are all found; healthy data has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.checks import Finding, check_dataset, check_path
from protas_gtcc.cli.main import main
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import LabelWriter, write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import simulate

LABELS = np.repeat([0, 1, 0, 2, 0], [6, 8, 1, 10, 5])
INFO = DatasetInfo(
    name="tiny",
    class_names=["background", "pour", "stir"],
    background=[0],
    fps=10.0,
    splits={"1": {"train": ["v0", "v1", "v2"], "test": ["v3", "v4"]}},
)
SETS = {"features": FeatureSet(dim=4)}


def _write(
    path: Path,
    info: DatasetInfo = INFO,
    sets: dict[str, FeatureSet] = SETS,
    labels: dict[str, np.ndarray] | None = None,
    subjects: dict[str, str] | None = None,
) -> Path:
    rng = np.random.default_rng(0)
    with write_dataset(path, info, sets) as writer:
        for name in ("v0", "v1", "v2", "v3", "v4"):
            of_video = (labels or {}).get(name, LABELS)
            features = {key: rng.standard_normal((len(of_video), one.dim)) for key, one in sets.items()}
            writer.add(Video(name, of_video, features, "cook", (subjects or {}).get(name, f"person {name}")))
    return path


def _serious(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "note"]


def _only(findings: list[Finding], level: str, where: str, what: str) -> None:
    serious = _serious(findings)
    assert len(serious) == 1, serious
    assert serious[0].level == level
    assert where in serious[0].where
    assert what in serious[0].what
    assert serious[0].way_out


def test_a_healthy_file_has_nothing_but_notes(tmp_path):
    findings = check_path(_write(tmp_path / "d.h5"))
    assert [finding.what for finding in findings] == ["look-ahead: 0 frames"]


def test_a_simulated_file_has_no_error_and_says_it_is_simulated(tmp_path):
    simulate(tmp_path / "s.h5", SimulationConfig(tasks=2, share_of_videos=0.2))
    findings = check_path(tmp_path / "s.h5")
    assert not [finding for finding in findings if finding.level == "error"]
    assert any("simulated procedures" in finding.what for finding in findings)


def _features(file: h5py.File, video: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    group = file["videos"][video]["features"]
    values = change(group["features"][:])
    del group["features"]
    group["features"] = values


def _with(values: np.ndarray, index: Any, value: float) -> np.ndarray:
    values[index] = value
    return values


def _every_video(file: h5py.File, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for video in file["videos"]:
        _features(file, video, change)


def _relabel_first(file: h5py.File, labels: np.ndarray) -> None:
    """Label video v0 anew, with its progress and segments."""
    others = file["labels"][len(labels) :].reshape(-1, len(labels))
    writer = LabelWriter(file, [0])
    for one in (labels, *others):
        writer.append(one)
    writer.finish()


def _replace(group: Any, name: str, values: Any) -> None:
    del group[name]
    group[name] = values


FAULTS = {
    "NaN": (
        lambda f: _features(f, "v1", lambda x: _with(x, (7, 2), np.nan)),
        ("error", "video v1, features", "in 1 of 30 frames, first at 7"),
    ),
    "infinity": (
        lambda f: _features(f, "v1", lambda x: _with(x, 3, np.inf)),
        ("error", "video v1, features", "first at 3"),
    ),
    "features shorter than labels": (
        lambda f: _features(f, "v2", lambda x: x[:-1]),
        ("error", "video v2", "features should be [30, 4], by index and feature set, but is [29, 4]"),
    ),
    "another feature size": (
        lambda f: _features(f, "v2", lambda x: x[:, :3]),
        ("error", "video v2", "features should be [30, 4], by index and feature set, but is [30, 3]"),
    ),
    "one axis": (
        lambda f: _features(f, "v2", lambda x: x[:, 0]),
        ("error", "video v2", "features should be [30, 4], by index and feature set, but is [30]"),
    ),
    "constant video": (
        lambda f: _features(f, "v3", lambda x: x * 0),
        ("warning", "video v3, features", "all 30 frames have the same features"),
    ),
    "constant dimension": (
        lambda f: _every_video(f, lambda x: _with(x, (slice(None), 1), 2.0)),
        ("warning", "feature set features", "1 of 4 dimensions never change: 1"),
    ),
    "another scale": (
        lambda f: _features(f, "v4", lambda x: x * 255),
        ("warning", "video v4, features", "another scale"),
    ),
    "same features twice": (
        lambda f: _features(f, "v4", lambda x: f["videos/v0/features/features"][:]),
        ("warning", "feature set features", "the very same features: v0, v4"),
    ),
    "missing features": (
        lambda f: f["videos/v3/features"].__delitem__("features"),
        ("error", "feature set features", "1 videos that need it lack it: v3"),
    ),
    "stale progress": (
        lambda f: f["progress"].__setitem__(slice(0, 30), 0),
        ("error", "video v0", "its progress is not that of its labels"),
    ),
    "stale segments": (
        lambda f: f["segments"].__setitem__((0, 1), 7),
        ("error", "video v0", "its segments are not those of its labels"),
    ),
    "unknown class id": (
        lambda f: _relabel_first(f, np.where(LABELS == 2, 7, LABELS)),
        ("error", "video v0", "class ids 7 are not among the 3 classes"),
    ),
    "no action": (
        lambda f: _relabel_first(f, LABELS * 0),
        ("warning", "video v0", "no action"),
    ),
    "video group lost": (
        lambda f: f["videos"].__delitem__("v4"),
        ("error", "video v4", "the index names it, but it is not there"),
    ),
    "progress lost": (
        lambda f: f.__delitem__("progress"),
        ("error", "d.h5", "it lacks progress"),
    ),
    "video in train and test": (
        lambda f: _replace(f["splits/1"], "test", ["v2", "v3", "v4"]),
        ("error", "split 1", "in train and test: v2"),
    ),
    "video twice in a part": (
        lambda f: _replace(f["splits/1"], "test", ["v3", "v4", "v4"]),
        ("error", "split 1", "more than once in test: v4"),
    ),
    "unknown video in a split": (
        lambda f: _replace(f["splits/1"], "test", ["v3", "v4", "v9"]),
        ("error", "split 1", "test names videos that are not there: v9"),
    ),
    "empty test part": (
        lambda f: _replace(f["splits/1"], "test", np.array([], dtype=h5py.string_dtype())),
        ("error", "split 1", "its test part is empty"),
    ),
    "no test part": (
        lambda f: f["splits/1"].__delitem__("test"),
        ("warning", "split 1", "it has no test part"),
    ),
    "no splits": (
        lambda f: f["splits"].__delitem__("1"),
        ("warning", "d.h5", "no splits"),
    ),
    "person in train and test": (
        lambda f: f["videos/v4"].attrs.__setitem__("subject", "person v0"),
        ("warning", "split 1, subjects", "in train and test: person v0"),
    ),
    "look-ahead": (
        lambda f: f["feature_sets/features"].attrs.__setitem__("look_ahead_frames", 10),
        ("warning", "feature set features", "up to 10 frames after t"),
    ),
    "background never used": (
        lambda f: (
            f.attrs.__setitem__("class_names", ["background", "pour", "stir", "idle"]),
            f.attrs.__setitem__("background", [0, 3]),
        ),
        ("warning", "class idle", "declared as background but never used"),
    ),
    "background out of range": (
        lambda f: f.attrs.__setitem__("background", [0, 5]),
        ("error", "d.h5", "background id 5 is not one of 3 classes"),
    ),
    "class never used": (
        lambda f: f.attrs.__setitem__("class_names", ["background", "pour", "stir", "serve"]),
        ("warning", "class serve", "never used in any video"),
    ),
    "class name twice": (
        lambda f: f.attrs.__setitem__("class_names", ["background", "pour", "pour"]),
        ("error", "class pour", "2 classes have this name"),
    ),
    "no frame rate": (
        lambda f: f.attrs.__setitem__("fps", 0.0),
        ("error", "d.h5", "0 frames per second"),
    ),
}


HEADER_FAULTS = {
    "no version": lambda f: f.attrs.__delitem__("format_version"),
    "no frame rate at all": lambda f: f.attrs.__delitem__("fps"),
    "index too short": lambda f: _replace(f, "num_frames", [30, 30]),
    "no dimension": lambda f: f["feature_sets/features"].attrs.__delitem__("dim"),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_damaged_header_is_one_finding_and_no_traceback(tmp_path, capsys, fault):
    path = _write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        HEADER_FAULTS[fault](file)
    _only(check_path(path), "error", "d.h5", "is damaged: ")
    assert _run(str(path), "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["way_out"] == "prepare it again"


def test_an_index_that_contradicts_a_video_is_found_by_its_features(tmp_path):
    path = _write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        file["num_frames"][1:3] = [29, 31]
    found = {finding.what for finding in _serious(check_path(path)) if "features should be" in finding.what}
    assert {what.split(": ", 2)[2] for what in found} == {
        "features should be [29, 4], by index and feature set, but is [30, 4]",
        "features should be [31, 4], by index and feature set, but is [30, 4]",
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_alone_gives_exactly_its_finding(tmp_path, fault):
    path = _write(tmp_path / "d.h5")
    break_it, expected = FAULTS[fault]
    with h5py.File(path, "a") as file:
        break_it(file)
    _only(check_path(path), *expected)


def test_a_rate_to_resample_to_that_is_none_is_wrong_usage_and_no_finding(tmp_path):
    path = _write(tmp_path / "d.h5")
    with pytest.raises(InputError, match="--resample-to is 0"):
        check_path(path, resample_to=0.0)


def test_a_class_in_test_but_not_in_train_is_found(tmp_path):
    without = {video: np.where(LABELS == 2, 0, LABELS) for video in ("v0", "v1", "v2")}
    path = _write(tmp_path / "d.h5", labels=without)
    _only(check_path(path), "warning", "split 1", "classes in test but not in train: stir")


def test_background_nearly_everywhere_is_found(tmp_path):
    labels = np.repeat([0, 1, 0, 2, 0], [200, 2, 100, 2, 100])
    path = _write(tmp_path / "d.h5", labels=dict.fromkeys(("v0", "v1", "v2", "v3", "v4"), labels))
    _only(check_path(path), "warning", "d.h5", "99.0% of all frames are background")


def test_no_background_is_a_warning_only_where_a_class_is_called_so(tmp_path):
    path = _write(tmp_path / "d.h5", replace(INFO, background=[]))
    _only(check_path(path), "warning", "d.h5", "there is a class 'background'")
    path = _write(tmp_path / "e.h5", replace(INFO, background=[], class_names=["wait", "pour", "stir"]))
    findings = check_path(path)
    assert not _serious(findings)
    assert any("every frame counts as an action" in finding.what for finding in findings)


def test_feature_sets_tied_to_splits_must_fit_the_splits(tmp_path):
    path = _write(tmp_path / "d.h5", sets={"features_split9": FeatureSet(dim=4, split="9")})
    found = [finding.what for finding in _serious(check_path(path))]
    assert found == [
        "tied to split 9, which does not exist; there are 1",
        "no feature set may be used with it: all are tied to other splits",
    ]
    tied = check_path(_write(tmp_path / "e.h5", sets={"features_split1": FeatureSet(dim=4, split="1")}))
    assert not _serious(tied)
    assert any("for split 1 only" in finding.what for finding in tied)


def test_segments_that_vanish_at_a_lower_rate_are_counted_by_class(tmp_path):
    dataset = Dataset(_write(tmp_path / "d.h5"))
    assert not _serious(check_dataset(dataset, resample_to=10.0))
    _only(check_dataset(dataset, resample_to=5.0), "warning", "class background", "5 of 15 segments vanish at 5 fps")
    at_half = [(f.where, f.what) for f in _serious(check_dataset(dataset, resample_to=0.5))]
    # 30 frames at 10 fps: one frame at 0.5 fps shows the segment at 1 s, which is frame 10, pouring.
    assert at_half == [
        ("class background", "15 of 15 segments vanish at 0.5 fps"),
        ("class stir", "5 of 5 segments vanish at 0.5 fps"),
    ]


def test_truncated_and_foreign_files_are_one_finding(tmp_path):
    whole = _write(tmp_path / "d.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    _only(check_path(tmp_path / "cut.h5"), "error", "cut.h5", "is not a whole HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    _only(check_path(tmp_path / "other.h5"), "error", "other.h5", "not a protas_gtcc dataset")


def test_nothing_at_the_path_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        check_path(tmp_path / "nothing")


def _folder(path: Path, num_videos: int = 5) -> Path:
    """An MS-TCN folder with features `[D, T]`, D = 4, T = 30."""
    for name in ("groundTruth", "splits", "features"):
        (path / name).mkdir(parents=True)
    (path / "mapping.txt").write_text("0 background\n1 pour\n2 stir")
    names = [f"v{number}" for number in range(num_videos)]
    rng = np.random.default_rng(0)
    for name in names:
        (path / "groundTruth" / f"{name}.txt").write_text("\n".join(INFO.class_names[i] for i in LABELS))
        np.save(path / "features" / f"{name}.npy", rng.standard_normal((4, 30)).astype(np.float32))
    (path / "splits/train.split1.bundle").write_text("\n".join(f"{name}.txt" for name in names[:-1]))
    (path / "splits/test.split1.bundle").write_text(f"{names[-1]}.txt")
    return path


def test_a_healthy_folder_has_nothing_but_notes(tmp_path):
    assert not _serious(check_path(_folder(tmp_path / "data")))


def test_all_faults_of_a_folder_are_found_at_once(tmp_path):
    folder = _folder(tmp_path / "data", num_videos=8)
    labels, features = folder / "groundTruth", folder / "features"
    (labels / "v0.txt").write_text("background\npuor\n")
    np.save(features / "v1.npy", np.ones((4, 19)) * np.arange(19))
    np.save(features / "v2.npy", np.full((4, 30), np.nan))
    (features / "v3.npy").write_bytes((features / "v4.npy").read_bytes()[:200])
    (features / "v5.npy").unlink()
    (labels / "v6.txt").write_text("")
    np.save(features / "stranger.npy", np.zeros((4, 30)))
    errors = [f"{f.where}: {f.what}" for f in check_path(folder) if f.level == "error"]
    expected = ["unknown label 'puor'", "19 frames of features for 30 labels", "NaN or infinity in 30 of 30 frames"]
    expected += ["not a whole .npy file", "1 videos that need it lack it: v5", "v6.txt is empty"]
    assert all(any(what in error for error in errors) for what in expected), errors
    assert len(errors) == len(expected)
    assert any("no labels: stranger" in finding.what for finding in check_path(folder))


def test_an_array_lying_the_other_way_and_a_set_that_fits_no_way_are_found(tmp_path):
    folder = _folder(tmp_path / "data")
    np.save(folder / "features/v1.npy", np.zeros((30, 4)))
    _only([*check_path(folder)][:1], "error", "feature set features", "v1.npy is [T, D] but")
    for file in (folder / "features").iterdir():
        np.save(file, np.zeros((4, 99)))
    assert any("no array that can be read has an axis as long" in f.what for f in check_path(folder))


def test_what_keeps_a_folder_from_being_opened_is_a_finding(tmp_path):
    folder = _folder(tmp_path / "data")
    (folder / "mapping.txt").write_text("0 background\n0 pour\n")
    _only(check_path(folder), "error", "data", "class id 0 comes twice")
    (tmp_path / "empty").mkdir()
    _only(check_path(tmp_path / "empty"), "error", "empty", "no known layout")


def test_people_are_found_by_the_pattern_and_look_ahead_by_its_declaration(tmp_path):
    options = LayoutOptions(subject_pattern="^(v)", look_ahead_frames=("3",))
    found = [finding.what for finding in _serious(check_path(_folder(tmp_path / "data"), options))]
    assert found == ["in train and test: v", "frame t has seen up to 3 frames after t: results with it are not online"]


def test_resampling_needs_a_rate_to_come_from(tmp_path):
    with pytest.raises(InputError, match="give --fps"):
        check_path(_folder(tmp_path / "data"), resample_to=1.0)


def test_gtea_as_it_came_has_no_error(shared_folder):
    findings = check_path(shared_folder / "data/gtea", LayoutOptions(subject_pattern=r"^(S\d)_"), 15.0, 1.0)
    assert {finding.level for finding in findings} == {"warning", "note"}
    vanish = {finding.where: finding.what for finding in findings if "vanish" in finding.what}
    assert vanish["class background"].endswith("segments vanish at 1 fps")
    assert not any("subjects" in finding.where for finding in findings)


def test_egoprocels_annotations_without_features_are_an_error(shared_folder):
    findings = check_path(shared_folder / "data/egoprocel")
    assert [finding.what for finding in findings if finding.level == "error"] == ["no features*/ beside it"]


def test_egoprocel_with_features_is_checked_once_their_rate_is_known(shared_folder, tmp_path):
    for file in (shared_folder / "data/egoprocel").iterdir():
        (tmp_path / file.name).symlink_to(file)
    layout = open_layout(tmp_path)
    (tmp_path / "features").mkdir()
    rng = np.random.default_rng(0)
    for video in layout.video_names:
        features = rng.standard_normal((len(layout.labels(video)) // 10, 8))
        np.save(tmp_path / "features" / f"{video}.npy", features.astype(np.float32))
    assert not _serious(check_path(tmp_path, fps=1.0))
    _only(check_path(tmp_path), "warning", "egoprocel.json", "features are not checked")


def _run(*arguments: str) -> int:
    try:
        main(["check", *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command_exits_with_1_on_an_error_and_prints_json(tmp_path, capsys):
    path = _write(tmp_path / "d.h5")
    assert _run(str(path), "--json") == 0
    assert [finding["level"] for finding in json.loads(capsys.readouterr().out)] == ["note"]
    with h5py.File(path, "a") as file:
        _features(file, "v1", lambda x: _with(x, (7, 2), np.nan))
    assert _run(str(path), "--json") == 1
    first = json.loads(capsys.readouterr().out)[0]
    assert set(first) == {"level", "where", "what", "way_out"}
    assert first["level"] == "error"


def test_the_command_prints_a_table_and_a_count(tmp_path, capsys):
    assert _run(str(_write(tmp_path / "d.h5")), "--resample-to", "5") == 0
    shown = capsys.readouterr().out
    assert "warning" in shown
    assert "0 errors, 1 warning, 1 note" in shown


def test_the_command_says_what_is_missing_in_one_line(tmp_path, capsys):
    assert _run(str(tmp_path / "nothing")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, "no empty bar before it"
    assert lines[0].startswith("error: no such file or folder")
