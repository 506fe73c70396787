"""Figures of progress during one step, on made-up curves, and wrong steps compared with right ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

from step_curves import at_elapsed, compare, counted_progress, curve_figures, longest_stall, true_progress

EQUAL_WEIGHTS = np.ones((1, 8))


def test_true_progress_of_a_usual_step_has_no_error_and_never_stalls_or_falls() -> None:
    figures = curve_figures(true_progress(40), 40)
    assert (figures["at the end"], figures["error"], figures["bias"], figures["fallen"]) == (1, 0, 0, 0)
    assert figures["gain, first half"] == pytest.approx(0.5 - 1 / 40)  # from the first frame on
    assert figures["gain, second half"] == pytest.approx(0.5)
    assert figures["longest stall"] == pytest.approx(3 / 40)  # its values grow by .05 in 2 frames


def test_counting_gains_the_same_in_long_steps_and_runs_on_in_them() -> None:
    usual, long = (curve_figures(counted_progress(length, 40), 40) for length in (40, 80))
    for name in ("gain, first half", "gain, second half"):
        assert long[name] == pytest.approx(usual[name])
    assert usual["runs on"] == pytest.approx(2 / 40)
    assert long["runs on"] == pytest.approx(42 / 80)
    assert long["bias"] > 0.2 > usual["bias"]


def test_progress_that_sees_a_slow_step_gains_less_in_the_usual_time() -> None:
    figures = curve_figures(true_progress(80), 40)
    assert figures["gain, second half"] == pytest.approx(0.25)
    assert figures["runs on"] == pytest.approx(4 / 80)


def test_a_gain_over_a_time_that_the_step_does_not_last_is_undefined() -> None:
    figures = curve_figures(true_progress(30), 40)
    assert np.isfinite(figures["gain, first half"])
    assert np.isnan(figures["gain, second half"])
    assert np.isnan(curve_figures(true_progress(15), 40)["gain, first half"])


def test_a_stall_is_a_plateau_below_finished_and_a_fall_ends_it() -> None:
    plateau = np.concatenate([np.linspace(0, 0.5, 20), np.full(15, 0.51), np.linspace(0.6, 0.9, 5)])
    assert longest_stall(plateau) == 15 + 2  # two frames before are within .05
    assert longest_stall(np.full(30, 0.99)) == 0
    assert longest_stall(np.array([0.5] * 6 + [0.3] * 9)) == 9


def test_progress_has_fallen_while_it_is_far_below_its_highest_value() -> None:
    assert curve_figures(np.array([0.2, 0.6, 0.45, 0.55, 0.7]), 5)["fallen"] == pytest.approx(1 / 5)


def test_elapsed_time_counts_from_the_start_of_the_step_and_ends_with_it() -> None:
    values = at_elapsed(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0.125, 0.25, 0.5, 0.75]), 8)
    np.testing.assert_allclose(values, [0.1, 0.1, 0.2, 0.4, np.nan])


def test_differences_are_within_classes_and_a_class_of_one_kind_does_not_count() -> None:
    wrong = np.array([True, False, False, True, True, False, True, True])
    classes = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    values = np.array([0.2, 0.4, 0.6, 10, 12, 10, 99, 99])
    found = compare(values, wrong, classes, np.ones(8), EQUAL_WEIGHTS)
    np.testing.assert_allclose(found.difference, [(-0.3 + 1) / 2])  # both classes have weight 1 * 2 / 3
    np.testing.assert_allclose(found.right, [(0.5 + 10) / 2])
    assert (found.num_wrong, found.num_right) == (3, 3)


def test_the_difference_is_that_of_least_squares_with_a_constant_for_each_class() -> None:
    rng = np.random.default_rng(0)
    classes, wrong = rng.integers(0, 3, 40), rng.random(40) < 0.4
    values = rng.random(40) + classes + wrong
    columns = np.column_stack([wrong, *(classes == one for one in range(3))]).astype(float)
    slopes, *_ = np.linalg.lstsq(columns, values)
    found = compare(values, wrong, classes, np.ones(40), np.ones((1, 40)))
    assert found.difference[0] == pytest.approx(slopes[0])


def test_what_comes_from_length_alone_is_no_difference_at_equal_length() -> None:
    rng = np.random.default_rng(0)
    classes, wrong = np.repeat([0, 1], 20), np.tile([True, False], 20)
    lengths = rng.uniform(0.5, 1.5, 40) * np.where(wrong, 3, 1)
    found = compare(0.4 * np.log(lengths) + classes, wrong, classes, lengths, np.ones((1, 40)))
    assert found.difference[0] > 0.3
    assert found.at_equal_length[0] == pytest.approx(0)
    also_lower = compare(0.4 * np.log(lengths) - 0.2 * wrong, wrong, classes, lengths, np.ones((1, 40)))
    assert also_lower.at_equal_length[0] == pytest.approx(-0.2)


def test_steps_without_the_figure_do_not_count_and_without_any_it_is_undefined() -> None:
    wrong, classes = np.array([True, False] * 4), np.repeat([0, 1], 4)
    values = np.array([1, 2, np.nan, 4, np.nan, 7, np.nan, 7])
    found = compare(values, wrong, classes, np.ones(8), EQUAL_WEIGHTS)
    assert (found.difference[0], found.num_wrong, found.num_right) == (-2, 1, 2)
    none = compare(np.full(8, np.nan), wrong, classes, np.ones(8), EQUAL_WEIGHTS)
    assert np.isnan([none.right[0], none.difference[0], none.at_equal_length[0]]).all()


def test_a_step_that_is_left_out_does_not_count() -> None:
    wrong, classes, values = np.array([True, False] * 4), np.repeat([0, 1], 4), np.arange(8.0) ** 2
    weights = np.ones((2, 8))
    weights[1, :2] = 0
    found = compare(values, wrong, classes, np.ones(8), weights)
    without = compare(values[2:], wrong[2:], classes[2:], np.ones(6), np.ones((1, 6)))
    assert found.difference[1] == pytest.approx(without.difference[0])
