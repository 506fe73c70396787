"""Preparing a dataset file: what was in the folder is in the file, and bad input leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.survey import Rates, parse_look_ahead, survey
from protas_gtcc.prepare.writing import Summary, prepare, read_videos
from tests.mstcn_folder import exit_code, write_mstcn

CLASSES = ["background", "take", "pour"]
VIDEOS = {"S1_tea": 20, "S1_jam": 26, "S2_tea": 34}
RATES = Rates(10.0, 10.0, 10.0)


def _labels(num_frames: int) -> np.ndarray:
    return np.sort(np.arange(num_frames) % 3)


def _features(num_frames: int, dim: int = 4) -> np.ndarray:
    return np.arange(num_frames * dim, dtype=np.float32).reshape(num_frames, dim)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three videos in the MS-TCN layout; frame t of the features [4, T] is 4 t, 4 t + 1, ..."""
    labels = {video: _labels(num_frames) for video, num_frames in VIDEOS.items()}
    split = {"train": ["S1_tea", "S1_jam"], "test": ["S2_tea"]}
    return write_mstcn(tmp_path / "kitchen", CLASSES, labels, split, lambda num_frames: _features(num_frames).T)


def _prepare(
    folder: Path, out: Path, options: LayoutOptions | None = None, resample_to: float | None = None
) -> Summary:
    options = options or LayoutOptions()
    return prepare(open_layout(folder, options), out, 10.0, options, resample_to)


# What goes in comes out


@pytest.mark.parametrize("axes", ["DT", "TD"])
def test_a_file_holds_what_the_folder_held(folder, tmp_path, axes):
    if axes == "TD":
        for video, num_frames in VIDEOS.items():
            np.save(folder / "features" / f"{video}.npy", _features(num_frames))
    options = LayoutOptions(subject_pattern=r"^(S\d)", task_pattern="_(.*)")
    summary = _prepare(folder, tmp_path / "out.h5", options)
    dataset = Dataset(tmp_path / "out.h5")
    assert dataset.num_frames == dict(sorted(VIDEOS.items()))
    for video, num_frames in VIDEOS.items():
        np.testing.assert_array_equal(dataset.labels(video), _labels(num_frames))
        np.testing.assert_array_equal(dataset.features(video, "features"), _features(num_frames))
        assert dataset.attribute(video, "subject") == video[:2]
        assert dataset.attribute(video, "task") == video[3:]
    assert dataset.part("1", "test") == ["S2_tea"]
    assert dataset.info.fps == 10.0
    assert (summary.num_videos, summary.num_frames, summary.trimmed_videos) == (3, 80, 0)
    assert summary.tasks == Counter(video[3:] for video in VIDEOS)
    assert f"{len(summary.tasks)} tasks: " in describe(summary)
    assert summary.feature_sets["features"]["axes"] == f"[{axes[0]}, {axes[1]}]"


def test_features_and_labels_are_resampled_together(folder, tmp_path):
    summary = _prepare(folder, tmp_path / "out.h5", resample_to=5.0)
    dataset = Dataset(tmp_path / "out.h5")
    assert dataset.info.fps == 5.0
    for video, num_frames in VIDEOS.items():
        frames = (dataset.features(video, "features")[:, 0] / 4).astype(int)
        assert len(frames) == num_frames // 2
        np.testing.assert_array_equal(dataset.labels(video), _labels(num_frames)[frames])
    assert summary.vanished_segments == {}


def test_segments_that_vanish_in_resampling_are_counted_by_class(folder, tmp_path):
    summary = _prepare(folder, tmp_path / "out.h5", resample_to=0.5)
    kept = sum(len(Dataset(tmp_path / "out.h5").segments(video)) for video in VIDEOS)
    assert sum(summary.vanished_segments.values()) == 3 * len(VIDEOS) - kept > 0


@pytest.mark.parametrize("extra", [-2, -1, 1, 2])
def test_a_few_frames_too_many_are_cut_at_the_end_and_counted(folder, tmp_path, extra):
    np.save(folder / "features" / "S2_tea.npy", _features(34 + extra).T)
    summary = _prepare(folder, tmp_path / "out.h5")
    dataset = Dataset(tmp_path / "out.h5")
    shorter = min(34, 34 + extra)
    np.testing.assert_array_equal(dataset.features("S2_tea", "features"), _features(shorter))
    np.testing.assert_array_equal(dataset.labels("S2_tea"), _labels(34)[:shorter])
    assert (summary.trimmed_videos, summary.trimmed_frames) == (1, abs(extra))


def test_feature_sets_of_a_split_need_only_its_videos_and_declare_their_look_ahead(folder, tmp_path):
    (folder / "splits" / "train.split2.bundle").write_text("S1_tea")
    (folder / "splits" / "test.split2.bundle").write_text("S1_jam")
    (folder / "features_split2").mkdir()
    for video in ("S1_tea", "S1_jam"):
        np.save(folder / "features_split2" / f"{video}.npy", np.ones((2, VIDEOS[video]), np.float16))
    summary = _prepare(folder, tmp_path / "out.h5", LayoutOptions(look_ahead_frames=("features_split2=8",)))
    dataset = Dataset(tmp_path / "out.h5")
    assert dataset.feature_sets["features_split2"].split == "2"
    assert dataset.feature_sets["features_split2"].look_ahead_frames == 8
    assert dataset.feature_sets["features"].look_ahead_frames == 0
    assert dataset.features("S1_tea", "features_split2").dtype == np.float16
    assert not dataset.has_features("S2_tea", "features_split2")
    assert summary.notices == ["1 video without features_split2: S2_tea"]


def test_only_one_video_is_in_memory(folder, monkeypatch):
    loaded = []
    load = FeatureFolder.load

    def spy(self, video, time_first, fps):
        loaded.append(video)
        return load(self, video, time_first, fps)

    monkeypatch.setattr(FeatureFolder, "load", spy)
    layout = open_layout(folder)
    plans = survey(layout, RATES, LayoutOptions())
    assert loaded == [], "the survey reads headers only"
    for count, video in enumerate(read_videos(layout, RATES, plans, LayoutOptions(), Summary("")), start=1):
        assert (len(loaded), loaded[-1]) == (count, video.name)


@pytest.mark.parametrize(("frames", "fps", "expected"), [(16, 5.0, 3), (16, 30.0, 16), (0, 5.0, 0), (6, 5.0, 1)])
def test_look_ahead_in_frames_of_the_source_is_stored_in_frames_of_the_dataset(folder, tmp_path, frames, fps, expected):
    options = LayoutOptions(look_ahead_frames=(str(frames),))
    summary = prepare(open_layout(folder, options), tmp_path / "out.h5", 30.0, options, resample_to=fps)
    assert Dataset(tmp_path / "out.h5").feature_sets["features"].look_ahead_frames == expected
    assert summary.feature_sets["features"]["look_ahead_frames"] == expected


def test_look_ahead_is_declared_for_all_or_by_name():
    assert parse_look_ahead(("10", "b=2"), ["a", "b"]) == {"a": 10, "b": 2}
    for wrong in ("x", "c=1", "a=-1", "=3", "²", "9" * 400, "9" * 5000):
        with pytest.raises(InputError, match="expected N or NAME=N"):
            parse_look_ahead((wrong,), ["a", "b"])


# Bad input


def _save(values: np.ndarray) -> Callable[[Path], object]:
    """Replace the features of S2_tea, which has 34 frames."""
    return lambda folder: np.save(folder / "features" / "S2_tea.npy", values)


def _write(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(text)


def _cut_short(folder: Path) -> None:
    file = folder / "features" / "S2_tea.npy"
    file.write_bytes(file.read_bytes()[:-40])


NOT_A_NUMBER = _features(34).T.copy()
NOT_A_NUMBER[2, 7] = np.nan
BAD = {
    "lengths": (_save(_features(50).T), "S2_tea.npy is [4, 50], but its labels make 34 frames"),
    "orientation": (_save(_features(34)), "S2_tea.npy is [T, D] but"),
    "dims": (_save(_features(34, 5).T), "S2_tea.npy has 5 features a frame"),
    "nan": (_save(NOT_A_NUMBER), "video S2_tea, features: NaN, infinity or a value above 1e12 at frame 7"),
    "missing": (lambda folder: (folder / "features" / "S2_tea.npy").unlink(), "1 video without features, such as"),
    "truncated": (_cut_short, "S2_tea.npy is not a whole .npy file"),
    "foreign": (_write("features/S2_tea.npy", "not numpy"), "S2_tea.npy is not a whole .npy file"),
    "axes": (_save(np.zeros((34, 4, 2))), "expected [D, T] or [T, D] of real numbers, came [34, 4, 2]"),
    "empty": (_write("groundTruth/S2_tea.txt", "\n"), "S2_tea.txt is empty"),
    "label": (_write("groundTruth/S2_tea.txt", "take\nstir\n"), "S2_tea.txt, line 2: unknown label 'stir'"),
    "id": (_write("mapping.txt", "0 background\n1 take\n1 pour\n"), "mapping.txt, line 3: class id 1 comes twice"),
    "split": (_write("splits/test.split1.bundle", "S3_tea.txt\n"), "test.split1.bundle names video S3_tea"),
    "tied": (lambda folder: (folder / "features").rename(folder / "features_split7"), "features_split7 is for split 7"),
    "no features": (lambda folder: (folder / "features").rename(folder / "elsewhere"), "--features FOLDER"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_and_exit_code_1_and_leaves_the_old_file(folder, tmp_path, capsys, what):
    break_it, message = BAD[what]
    break_it(folder)
    out = tmp_path / "out" / "kitchen.h5"
    out.parent.mkdir()
    out.write_bytes(b"old")
    assert exit_code("prepare", folder, "--out", out, "--fps", 10, "--overwrite") == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == ["kitchen.h5"]


def test_labels_alone_are_prepared_on_demand_where_they_know_their_lengths(folder, tmp_path, capsys):
    out = tmp_path / "labels.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", 10, "--no-features") == 0
    dataset, layout = Dataset(out), open_layout(folder)
    assert dataset.feature_sets == {}
    for video in layout.video_names:
        assert dataset.labels(video).tolist() == layout.labels(video).tolist()
    capsys.readouterr()
    (tmp_path / "segments.csv").write_text("video,start_seconds,end_seconds,name\na,0,2,cut\n")
    for words, message in (
        ((tmp_path / "segments.csv",), "segments in seconds need features, which give the length of a video"),
        ((folder, "--features", folder / "features"), "--features and --no-features contradict each other; give one"),
        ((folder, "--videos", folder), "--videos and --no-features contradict each other; give one"),
    ):
        assert exit_code("prepare", *words, "--no-features", "--out", tmp_path / "x.h5", "--fps", 10) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "x.h5").exists()


def test_an_older_file_is_replaced_only_on_demand(folder, tmp_path, capsys):
    out = tmp_path / "out.h5"
    out.write_bytes(b"old")
    assert exit_code("prepare", folder, "--out", out, "--fps", 10) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"old"
    assert exit_code("prepare", folder, "--out", out, "--fps", 10, "--overwrite") == 0
    assert Dataset(out).video_names == sorted(VIDEOS)


@pytest.mark.parametrize("what", ["id", "lengths", "nowhere"])
def test_a_command_that_fails_before_it_starts_prints_one_line_and_no_empty_bar(folder, tmp_path, capsys, what):
    # "lengths" comes up in the survey, after its bar is through; the bar of the writing never shows.
    source = folder / "nowhere" if what == "nowhere" else folder
    if what in BAD:
        BAD[what][0](folder)
    assert exit_code("prepare", source, "--out", tmp_path / "out.h5", "--fps", 10) == 1
    printed = capsys.readouterr().err
    assert "writing" not in printed
    if what != "lengths":
        assert len(printed.splitlines()) == 1


@pytest.mark.parametrize("rate", [0, -1])
@pytest.mark.parametrize("verb", ["prepare", "labels", "check"])
def test_a_rate_to_resample_to_must_be_positive(folder, tmp_path, capsys, verb, rate):
    out = () if verb == "check" else ("--out", tmp_path / "out.h5")
    assert exit_code(verb, folder, *out, "--fps", 10, "--resample-to", rate) == 1
    assert f"frames per second must be positive, came {rate}" in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


def test_a_subject_pattern_must_find_everyone(folder, tmp_path):
    with pytest.raises(InputError, match="finds no subject in the video name 'S2_tea'"):
        _prepare(folder, tmp_path / "out.h5", LayoutOptions(subject_pattern="S1"))
    with pytest.raises(InputError, match="not a regular expression"):
        _prepare(folder, tmp_path / "out.h5", LayoutOptions(subject_pattern="("))
    with pytest.raises(InputError, match="--task-pattern 'cake' finds no task in the video name"):
        _prepare(folder, tmp_path / "out.h5", LayoutOptions(task_pattern="cake"))


def test_more_difference_in_length_is_taken_only_on_demand(folder, tmp_path):
    np.save(folder / "features" / "S2_tea.npy", _features(44).T)
    summary = _prepare(folder, tmp_path / "out.h5", LayoutOptions(tolerance_frames=10))
    assert summary.trimmed_frames == 10
    with pytest.raises(InputError, match="--tolerance-frames 11 is more than a second at 10 frames per second"):
        _prepare(folder, tmp_path / "out.h5", LayoutOptions(tolerance_frames=11))


def test_an_interruption_leaves_nothing(folder, tmp_path):
    def interrupt(what: str, done: int, total: int) -> None:
        if (what, done) == ("writing", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(open_layout(folder), tmp_path / "to" / "out.h5", 10.0, LayoutOptions(), on_progress=interrupt)
    assert not (tmp_path / "to").exists()


def test_an_unwritable_target_keeps_the_old_file(folder, tmp_path, monkeypatch):
    (tmp_path / "out.h5").write_bytes(b"old")

    def refuse(source: object, target: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(InputError, match=r"cannot write .*out\.h5: Read-only file system"):
        _prepare(folder, tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == b"old"


def test_a_full_disk_is_one_line_and_keeps_the_old_file(folder, tmp_path):
    # A limit on the size of files stands in for a full disk: the kernel refuses the write just so.
    out = tmp_path / "to" / "out.h5"
    out.parent.mkdir()
    out.write_bytes(b"old")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        "from protas_gtcc.cli.main import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "prepare", str(folder), "--out", str(out), "--fps", "10", "--overwrite"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == ["out.h5"]


# Real recordings


def test_gtea_is_prepared_by_the_documented_command(shared_folder, tmp_path, capsys):
    gtea, out = shared_folder / "data" / "gtea", tmp_path / "gtea.h5"
    assert exit_code("prepare", gtea, "--out", out, "--fps", 15, "--json", "--subject-pattern", r"^(S\d)") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["num_videos"], summary["num_frames"], summary["num_classes"]) == (28, 29822, 11)
    dataset = Dataset(out)
    assert dataset.choose_feature_set("2") == "features_split2"
    stored = np.load(gtea / "features_split2" / "S1_Tea_C1.npy")
    np.testing.assert_array_equal(dataset.features("S1_Tea_C1", "features_split2"), stored.T)
    lines = (gtea / "groundTruth" / "S1_Tea_C1.txt").read_text().split()
    assert [dataset.info.class_names[label] for label in dataset.labels("S1_Tea_C1")] == lines
    with h5py.File(out) as file:
        assert file["videos/S1_Tea_C1/features/features_split2"].chunks is None, "a window is one read"


@pytest.mark.slow
def test_egoprocel_with_features_at_another_rate_is_resampled_by_time(shared_folder, tmp_path):
    source = shared_folder / "data" / "egoprocel"
    layout = open_layout(source)
    features = tmp_path / "features_noise"
    features.mkdir()
    rng = np.random.default_rng(0)
    for video in layout.video_names:
        np.save(features / f"{video}.npy", rng.normal(size=(round(len(layout.labels(video)) * 3 / 10), 2)))
    options = LayoutOptions(features=(features,))
    summary = prepare(open_layout(source, options), tmp_path / "out.h5", 3.0, options, resample_to=1.0)
    dataset = Dataset(tmp_path / "out.h5")
    assert (summary.num_videos, summary.num_classes) == (325, 116)
    assert dataset.attribute("Head_10", "task") == "pc_disassembly"
    np.testing.assert_array_equal(dataset.labels("Head_10")[:100], layout.labels("Head_10")[5:1000:10])
    assert "paired in order" in " ".join(summary.notices)
