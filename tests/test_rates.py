"""Rates that differ: between recordings, and between the labels and the features of all recordings."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.checks.path import check_path
from protas_gtcc.config import read_number
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.lengths import ExpectedLengths
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import read_rates
from tests.mstcn_folder import exit_code, write_mstcn

CLASSES = ["background", "take", "pour"]
SECONDS = {"v0": 8, "v1": 12, "v2": 20}
RATES = {"v0": 30.0, "v1": 15.0, "v2": 30000 / 1001}
TABLE = "video,fps,camera\nv0,30,left\nv2,30000/1001,left\nv1,15,right\nother,60,left\n"


def truth(video: str, fps: float) -> np.ndarray:
    """The class at the middle of every frame; it changes every 2 seconds."""
    num_frames = round(SECONDS[video] * fps)
    return ((np.arange(num_frames) + 0.5) / fps / 2).astype(int) % 3


def write_folder(folder: Path, label_rates: dict[str, float], feature_rates: dict[str, float]) -> Path:
    """Features are the time of the middle of each frame."""
    labels = {video: truth(video, fps) for video, fps in label_rates.items()}
    write_mstcn(folder, CLASSES, labels, {"train": ["v0", "v1"], "test": ["v2"]})
    (folder / "features").mkdir()
    for video, fps in feature_rates.items():
        times = (np.arange(len(truth(video, fps))) + 0.5) / fps
        np.save(folder / "features" / f"{video}.npy", np.stack([times, times, times]).astype(np.float32))
    return folder


def alike(fps: float) -> dict[str, float]:
    return dict.fromkeys(SECONDS, fps)


# A rate for each video


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "rates.csv").write_text(TABLE)
    return tmp_path / "rates.csv"


def test_a_rate_for_each_video_brings_all_to_one_rate(tmp_path, table):
    folder, out = write_folder(tmp_path / "data", RATES, RATES), tmp_path / "out.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", table, "--resample-to", 10) == 0
    dataset = Dataset(out)
    assert dataset.info.fps == 10
    for video, seconds in SECONDS.items():
        assert dataset.num_frames[video] == 10 * seconds
        times = dataset.features(video, "features")[:, 0]
        np.testing.assert_allclose(times, (np.arange(10 * seconds) + 0.5) / 10, atol=0.5 / 15 + 1e-6)
        np.testing.assert_array_equal(dataset.labels(video), truth(video, 10.0))


def test_labels_of_their_own_rate_go_with_features_of_many(tmp_path, table):
    folder, out = write_folder(tmp_path / "data", alike(5.0), RATES), tmp_path / "out.h5"
    command = ("prepare", folder, "--out", out, "--fps", table, "--annotation-fps", 5, "--resample-to", 5)
    assert exit_code(*command) == 0
    for video in SECONDS:
        np.testing.assert_array_equal(Dataset(out).labels(video), truth(video, 5.0))


def test_check_and_labels_take_the_table_too(tmp_path, table):
    folder = write_folder(tmp_path / "data", alike(5.0), RATES)
    options = LayoutOptions(annotation_fps=5.0)
    assert not [one for one in check_path(folder, options, table) if one.level == "error"]
    folder = write_folder(tmp_path / "other", RATES, RATES)
    assert not [one for one in check_path(folder, None, table, 10.0) if one.level == "error"]
    assert exit_code("labels", folder, "--out", tmp_path / "out", "--fps", table, "--resample-to", 10) == 0
    assert np.load(tmp_path / "out" / "progress" / "v2.npy").shape == (3, 200)
    out = tmp_path / "out.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", table, "--resample-to", 10) == 0
    assert exit_code("labels", folder, "--into", out, "--fps", table) == 0
    np.testing.assert_array_equal(Dataset(out).labels("v2"), truth("v2", 10.0))


def test_different_rates_need_one_to_resample_to(tmp_path, table, capsys):
    folder = write_folder(tmp_path / "data", RATES, RATES)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", table) == 1
    assert "videos come at 15, 29.97002997002997, 30 frames per second" in capsys.readouterr().err
    table.write_text("video,fps\nv0,15\nv1,15\nv2,15\n")
    folder = write_folder(tmp_path / "alike", alike(15.0), alike(15.0))
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", table) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,fps\nv0,30\n", "has no rate of 2 videos: v1, v2; add their rows"),
        ("name,rate\nv0,30\n", "has no column video; it has name, rate: add the column"),
        ("video,fps\nv0,fast\n", "row 1: expected frames per second, came 'fast'"),
        ("video,fps\nv0,1/0\n", "row 1: expected frames per second, came '1/0'"),
        ("video,fps\nv0,-3\n", "row 1: frames per second must be positive"),
        ("video,fps\nv0,1e999999\n", "row 1: frames per second must be from 0.0001 to 100000, came inf"),
        (f"video,fps\nv0,{'9' * 400}/1\n", "row 1: frames per second must be from 0.0001 to 100000, came inf"),
        ("video,fps\nv0,30\nv0,30\n", "row 2: video v0 comes a second time"),
        ("video,fps\nv0\n", "line 2: 1 cell where the first row has 2"),
    ],
)
def test_a_wrong_table_is_named_with_its_row(tmp_path, text, message):
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_rates(tmp_path / "rates.csv", list(SECONDS))
    assert message in str(error.value)
    assert "rates.csv" in str(error.value)


@pytest.mark.parametrize("rate", ["9" * 400, "9" * 400 + "/1", "1e99999999", "1e99999999/1", "1/1e99999999"])
def test_a_rate_of_any_size_is_one_line_at_once(tmp_path, capsys, rate):
    folder = write_folder(tmp_path / "data", alike(15.0), alike(15.0))
    assert exit_code("check", folder, "--fps", rate) == 1
    assert "frames per second must be" in capsys.readouterr().err


def test_a_fraction_is_the_nearest_float():
    assert read_number("30000/1001") == float(Fraction(30000, 1001))
    for text in ("", "/", "1/", "/2", "1/2/3", "fast"):
        with pytest.raises(ValueError, match="could not convert"):
            read_number(text)


def test_a_mistyped_rate_is_one_line(tmp_path, capsys):
    folder = write_folder(tmp_path / "data", alike(15.0), alike(15.0))
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", "3O") == 1
    assert "no file 3O; give frames per second, or a CSV file" in capsys.readouterr().err


# Labels at another rate than features


@pytest.mark.parametrize(
    ("label_fps", "feature_fps", "options", "advice"),
    [
        (30.0, 15.0, {}, "labels are 2 times as many as frames of features in all 3 videos: give their own rate, "
         "--annotation-fps 30, or correct --fps"),
        (10.0, 25.0, {}, "labels are 0.4 times as many as frames of features in all 3 videos: give their own rate, "
         "--annotation-fps 10, or correct --fps"),
        (10.0, 15.0, {"annotation_fps": 5.0}, "2 times as many as frames of features in all 3 videos: give --fps 7.5"),
    ],
)  # fmt: skip
def test_one_ratio_in_all_videos_names_the_right_rate(tmp_path, capsys, label_fps, feature_fps, options, advice):
    folder, out = write_folder(tmp_path / "data", alike(label_fps), alike(feature_fps)), tmp_path / "out.h5"
    flags = [one for name, value in options.items() for one in (f"--{name.replace('_', '-')}", value)]
    assert exit_code("prepare", folder, "--out", out, "--fps", feature_fps, *flags) == 1
    assert advice in capsys.readouterr().err
    found = [one for one in check_path(folder, LayoutOptions(**options), feature_fps) if one.level == "error"]
    assert any(advice in f"{one.what}; {one.way_out}" for one in found)


NTSC = 30000 / 1001
USUAL = (5.0, 10.0, 12.5, 15.0, 24.0, 25.0, 30.0, NTSC, 60.0)


@pytest.mark.parametrize("time_first", [True, False])
@pytest.mark.parametrize("dim", [64, 512, 1024, 2048])
@pytest.mark.parametrize("seconds", [20, 97, 300])
def test_videos_of_one_length_name_the_right_rate_or_none(dim, seconds, time_first):
    named = 0
    for label_fps, feature_fps in itertools.permutations(USUAL, 2):
        num_labels, num_frames = round(label_fps * seconds), round(feature_fps * seconds)
        expected = ExpectedLengths({"v0": float(num_labels), "v1": float(num_labels)}, fps=feature_fps)
        if expected.fits("v0", num_frames) or expected.fits("v0", dim):
            continue
        shape = (num_frames, dim) if time_first else (dim, num_frames)
        message = expected.explain(Path("v0.npy"), "v0", {"v0": shape, "v1": shape})
        found = re.search(r"in all 2 videos: give their own rate, --annotation-fps (\S+), or correct --fps", message)
        assert found or message.endswith("; correct --fps, or extract the features again")
        if found:
            assert float(found[1]) == pytest.approx(label_fps, rel=2e-3)
            named += 1
    assert named >= 50


def test_the_rate_that_is_advised_has_all_its_digits_and_works(tmp_path, capsys):
    labels = {video: np.repeat([0, 1, 2], 280) for video in ("v0", "v1")}
    folder = write_mstcn(
        tmp_path / "data", CLASSES, labels, {"train": ["v0"], "test": ["v1"]}, lambda t: np.ones((t // 2, 2048))
    )
    command = ("prepare", folder, "--out", tmp_path / "out.h5", "--fps", "15000/1001")
    assert exit_code(*command) == 1
    advice = re.search(r"labels are 2 times .* give their own rate, (--annotation-fps) (\S+),", capsys.readouterr().err)
    assert advice
    assert float(advice[2]) == NTSC
    assert exit_code(*command, advice[1], advice[2]) == 0
    assert Dataset(tmp_path / "out.h5").num_frames == {"v0": 420, "v1": 420}


def test_the_tolerance_is_advised_only_where_it_can_help():
    expected = ExpectedLengths({"v0": 300.0, "v1": 400.0}, fps=15.0)
    for off, helps in ((10, True), (15, True), (16, False), (130, False)):
        message = expected.explain(Path("v0.npy"), "v0", {"v0": (300 - off, 64), "v1": (400, 64)})
        assert ("--tolerance-frames" in message) == helps, message


def test_the_advice_works(tmp_path):
    folder, out = write_folder(tmp_path / "data", alike(30.0), alike(15.0)), tmp_path / "out.h5"
    assert exit_code("prepare", folder, "--out", out, "--fps", 15, "--annotation-fps", 30) == 0
    for video in SECONDS:
        np.testing.assert_array_equal(Dataset(out).labels(video), truth(video, 15.0))


def test_one_video_that_differs_has_no_ratio(tmp_path, capsys):
    rates = {**alike(15.0), "v2": 7.5}
    folder = write_folder(tmp_path / "data", alike(15.0), rates)
    assert exit_code("prepare", folder, "--out", tmp_path / "out.h5", "--fps", 15) == 1
    assert "and the tolerance is 2; correct --fps, or extract the features again\n" in capsys.readouterr().err
