"""Look-up predictors: against plain loops, by hand, and on real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.lookups import (
    LOOKUPS,
    UNFITTED,
    average_index,
    best_constant,
    fit_lookups,
    mean_duration,
    median_index,
)
from protas_gtcc.metrics.progress import progress_averages, progress_statistics


def look_up(training: list[list[int]], labels: list[int], num_classes: int = 4) -> dict[str, np.ndarray]:
    lookups = fit_lookups([np.array(one) for one in training], num_classes, [0])
    return dict(zip(lookups.names, lookups.report(np.array(labels), "video"), strict=True))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_tables_equal_a_loop_over_segments_and_frames(lengths: list[int]) -> None:
    for k in range(15):
        targets = [(k + 1) / length for length in lengths if length > k]
        mean, median = (np.mean(targets), np.median(targets)) if targets else (1.0, 1.0)
        assert average_index(np.array(lengths), 15)[k] == pytest.approx(mean)
        assert median_index(np.array(lengths), 15)[k] == pytest.approx(median)
        assert mean_duration(np.array(lengths), 15)[k] == pytest.approx(min((k + 1) / np.mean(lengths), 1))


def test_tables_of_a_case_worked_by_hand() -> None:
    # Class 1 took 2 and 4 frames, class 2 took 1.
    reports = look_up([[1, 1, 0, 2, 1, 1, 1, 1]], [1, 1, 1, 1, 1, 2, 2, 0])
    np.testing.assert_allclose(reports["half"], [0.5] * 8)
    np.testing.assert_allclose(reports["best_constant"], [0.625] * 8)  # targets: 0, .25, .5, .5, .75, 1, 1, 1
    np.testing.assert_allclose(reports["constant"], [0.5] * 7 + [0])
    shared = [(1 / 2 + 1 / 4 + 1) / 3, (2 / 2 + 2 / 4) / 2, 3 / 4, 1, 1]
    np.testing.assert_allclose(reports["average_index"], [*shared, shared[0], shared[1], 0])
    np.testing.assert_allclose(reports["average_index_class"], [3 / 8, 3 / 4, 3 / 4, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(reports["mean_duration_class"], [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 0])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 30))
@settings(max_examples=80, deadline=None)
def test_no_number_has_less_error_over_training_frames_than_the_best_constant(lengths: list[int], idle: int) -> None:
    targets = np.array([k / length for length in lengths for k in range(1, length + 1)] + [0.0] * idle)
    found = np.abs(targets - best_constant(np.array(lengths), idle)).mean()
    others = np.abs(targets[:, None] - np.linspace(0, 1, 201)).mean(axis=0)
    assert found <= others.min() + 1e-12


def test_constants_report_in_the_background_and_do_not_depend_on_the_segments() -> None:
    training = [[1, 1, 0, 2, 1, 1, 1, 1]]
    one, other = look_up(training, [0, 0, 1, 1]), look_up(training, [2, 1, 0, 0])
    for name in ("half", "best_constant"):
        np.testing.assert_array_equal(one[name], other[name])
        assert (one[name] > 0).all()
    for name in one.keys() - {"half", "best_constant"}:
        assert (one[name][:2] == 0).all(), name


def test_a_class_without_training_segments_gets_the_class_agnostic_table() -> None:
    reports = look_up([[1, 1, 2, 2, 2, 2]], [3, 3, 3])
    np.testing.assert_allclose(reports["average_index_class"], reports["average_index"])
    np.testing.assert_allclose(reports["mean_duration_class"], [1 / 3, 2 / 3, 1])


def test_random_depends_on_seed_and_video_but_not_on_order() -> None:
    labels = np.ones(20, dtype=int)
    lookups, others = (fit_lookups([labels], 2, [0], seed) for seed in (0, 1))
    row = lookups.names.index("random")
    first = lookups.report(labels, "a")[row]
    lookups.report(labels, "b")
    assert (lookups.report(labels, "a")[row] == first).all()
    assert (lookups.report(labels, "b")[row] != first).any()
    assert (others.report(labels, "a")[row] != first).any()


def test_without_training_videos_only_what_learns_nothing_is_left() -> None:
    assert fit_lookups([], 3, [0]).names == UNFITTED
    assert fit_lookups([np.array([0, 1])], 3, [0]).names == LOOKUPS


def test_training_videos_without_any_action_are_refused() -> None:
    with pytest.raises(InputError, match="none of 2 training videos has an action"):
        fit_lookups([np.zeros(3, dtype=int)] * 2, 3, [0])


@pytest.mark.parametrize(
    ("dataset", "split", "expected"), [("gtea", 1, 0.176), ("gtea", 2, 0.152), ("50salads_mid", 1, 0.130)]
)
def test_errors_on_real_recordings_equal_the_known_ones(
    shared_folder: Path, dataset: str, split: int, expected: float
) -> None:
    folder = shared_folder / "data" / dataset
    train, test, num_classes = (
        *(read_part(folder, part, split) for part in ("train", "test")),
        read_classes(folder),
    )
    lookups = fit_lookups(train, len(num_classes), [0])
    totals = sum(progress_statistics(lookups.report(video), video, len(num_classes), [0]) for video in test)
    frame = dict(zip(lookups.names, progress_averages(np.asarray(totals), len(num_classes))["frame"], strict=True))
    assert frame["average_index_class"] == pytest.approx(expected, abs=5e-4)
    assert frame["constant"] == pytest.approx(0.250, abs=5e-4)


def read_classes(folder: Path) -> dict[str, int]:
    lines = (folder / "mapping.txt").read_text().split("\n")
    return {line.split()[1]: int(line.split()[0]) for line in lines if line.strip()}


def read_part(folder: Path, part: str, split: int) -> list[np.ndarray]:
    ids = read_classes(folder)
    videos = (folder / "splits" / f"{part}.split{split}.bundle").read_text().split()
    names = [(folder / "groundTruth" / Path(video).with_suffix(".txt")).read_text().split() for video in videos]
    return [np.array([ids[name] for name in one]) for one in names]
