"""Alarms keep to a budget of false ones: thresholds by hand, and the promise on new recordings."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.procedure.alarms import KEPT, LEAST, NEVER, FalseAlarms, false_alarms
from protas_gtcc.procedure.calibration import Followed, TrainingVideo, calibrate, uncalibrated
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.following import thresholds_of
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.procedure.tracker import Tracked
from tests.chained_procedures import (
    CLASSES,
    FPS,
    SETTINGS,
    chain_model,
    follow_labels,
    labels_of,
    learn_from,
    training_video,
)
from tests.tiny_procedures import learnt


def of_values(recordings: list[list[float]], hours: float) -> FalseAlarms:
    """The values in each recording, the same for each reason."""
    return false_alarms([np.repeat(np.array(one)[:, None], len(REASONS), axis=1) for one in recordings], hours)


def test_thresholds_are_those_worked_out_by_hand():
    # 4 recordings of half an hour: K false ones of a reason promise (K + 1) / 5 * 4 / 2 h = 0.4 (K + 1) an hour.
    alarms = of_values([[0.2], [0.9], [0.5], [0.7]], 2.0)
    for allowed, threshold in enumerate([0.9, 0.7, 0.5, 0.2, LEAST, LEAST]):
        for budget in (0.4 * (allowed + 1), 0.4 * (allowed + 1.99)):
            np.testing.assert_allclose(alarms.thresholds(budget, ["missing"]), [threshold, NEVER, NEVER, NEVER])
            np.testing.assert_allclose(alarms.thresholds(4 * budget), threshold)
    assert alarms.smallest_budget(1) == pytest.approx(0.4)
    assert alarms.smallest_budget() == pytest.approx(1.6)


def test_a_recording_with_several_false_alarms_asks_for_a_larger_budget():
    # 2 recordings of an hour: K of them, of which one has M, promise (K + M) / 3.
    alarms = of_values([[0.9, 0.8], [0.7]], 2.0)
    for total, threshold in ((1, 0.9), (2, 0.8), (3, 0.8), (4, 0.7), (5, LEAST)):
        assert alarms.thresholds((total + 0.01) / 3, ["missing"])[0] == pytest.approx(threshold)


def test_a_reason_that_is_given_twice_counts_once():
    alarms = of_values([[0.2], [0.9], [0.5], [0.7]], 2.0)
    np.testing.assert_array_equal(alarms.thresholds(0.8, ["missing"] * 2), alarms.thresholds(0.8, ["missing"]))


@pytest.mark.parametrize("seed", range(5))
def test_on_the_held_out_recordings_alarms_are_no_more_than_the_budget_allows(seed):
    random = np.random.default_rng(seed)
    number, hours = int(random.integers(1, 40)), float(random.uniform(0.5, 20))
    highest = random.random((number, 9, 4)).round(2)  # with ties
    alarms = false_alarms(list(highest), hours)
    for budget in alarms.smallest_budget() * np.geomspace(1, 50, 9):
        raised = (highest > alarms.thresholds(budget)).sum()
        assert raised <= budget * hours * (number + 1) / number - len(REASONS) + 1e-6


def test_more_budget_or_fewer_reasons_never_raise_a_threshold():
    alarms = of_values(np.random.default_rng(0).random((30, 10)).tolist(), 5.0)
    found = [alarms.thresholds(budget) for budget in np.geomspace(alarms.smallest_budget(), 1e9, 30)]
    assert (np.diff(found, axis=0) <= 0).all()
    assert (found[-1] == LEAST).all()
    few, every = alarms.thresholds(3.0, REASONS[:2]), alarms.thresholds(3.0)
    assert (few[:2] <= every[:2]).all()


def test_a_budget_that_allows_more_than_is_kept_takes_the_lowest_that_is_kept():
    values = np.linspace(0.5, 1, KEPT + 100)
    alarms = of_values(values.reshape(-1, 12).tolist(), 100.0)
    np.testing.assert_allclose(alarms.thresholds(1e9), values[100])


@pytest.mark.parametrize("budget", [1e-9, 0.0, -1.0, float("nan")])
def test_a_budget_that_is_too_small_is_one_line_which_names_one_that_can_be_kept(budget):
    alarms = of_values([[0.5]] * 7, 1.1)
    with pytest.raises(InputError, match="cannot be promised with 7 held-out recordings without mistakes") as error:
        alarms.thresholds(budget)
    named = re.search(r"give at least (\S+)$", str(error.value))
    assert named, error.value
    alarms.thresholds(float(named[1]))
    assert float(named[1]) == pytest.approx(alarms.smallest_budget(), abs=0.011)


def test_without_a_held_out_recording_no_budget_can_be_kept():
    alarms = uncalibrated().false_alarms
    assert alarms.smallest_budget() == np.inf
    for budget in (1.0, 1e9, np.inf):
        with pytest.raises(InputError, match=r"with 0 held-out recordings without mistakes, .*no alarm can be raised"):
            alarms.thresholds(budget)


def test_a_reason_that_is_none_and_no_reason_at_all_are_refused():
    thresholds = inspect.unwrap(FalseAlarms.thresholds)  # as users call it, whose types are not checked
    for reasons in (["lost", "missing"], [], "missing"):
        with pytest.raises(InputError, match="give one or more of missing, out of order, repeated, taking too long"):
            thresholds(of_values([[0.5]] * 7, 1.0), 10.0, reasons)


def test_on_new_recordings_false_alarms_keep_to_the_budget():
    # One step in each recording, with a value that is as likely to be high in old recordings as in new ones.
    random, budget, hours = np.random.default_rng(0), 0.9, 0.5
    old, new = random.beta(2, 5, (2, 4000, 20))
    rates = []
    for known, others in zip(old, new, strict=True):
        threshold = of_values([[one] for one in known], 20 * hours).thresholds(budget, ["missing"])[0]
        rates.append((others > threshold).mean() / hours)
    # 20 old recordings allow K false ones: (K + 1) / 21 <= 0.9 * 0.5, so K = 8, and 9 / 21 of an alarm in half an hour.
    assert np.mean(rates) == pytest.approx(9 / 21 / hours, rel=0.02)
    assert np.mean(rates) <= budget


def followed(video: TrainingVideo, tracked: Tracked) -> Followed:
    return Followed(video, tracked.left, tracked.upcoming, tracked.alarms.max(axis=0).T)


def test_on_new_people_who_do_as_others_did_a_procedure_keeps_to_its_budget():
    """Ten times 30 people to learn from and 50 new ones; some swap or repeat steps, which is nobody's mistake here."""
    orders, certain = [[1, 2, 3, 4], [1, 2, 4, 3], [2, 1, 3, 4], [1, 2, 1, 3, 4]], np.eye(CLASSES, dtype=np.float32)
    raised, allowed = np.zeros(4), 0.0
    for seed in range(10):
        chosen = np.random.default_rng(seed).choice(4, 80, p=[0.7, 0.1, 0.1, 0.1]).tolist()
        videos = [labels_of(orders[one], 1000 * seed + number, (4, 40)) for number, one in enumerate(chosen)]
        model, states = learn_from(videos[:30], [f"person {number}" for number in range(30)])
        alarms, decoder = model.calibrations[0].false_alarms, ProcedureDecoder(states, SETTINGS, [0], FPS, model)
        budget = 3 * alarms.smallest_budget(1)
        found = np.array([decoder.fresh().track(certain[labels]).alarms.max(axis=0) for labels in videos[30:]])
        raised += (found > alarms.thresholds(4 * budget)[:, None]).sum(axis=(0, 2))
        allowed += budget * sum(map(len, videos[30:])) / FPS / 3600
    # By chance: thresholds of 30 recordings, and 500 new ones, have a standard deviation of a fifth of it.
    assert (raised <= 1.4 * allowed).all()
    assert raised.sum() > 0


def test_values_of_held_out_recordings_are_the_highest_of_each_step_that_is_right():
    labels = labels_of([1, 2, 1, 3])
    found = follow_labels(labels)
    one = followed(training_video(labels, "a"), found)
    values = calibrate([one], FPS).false_alarms
    np.testing.assert_allclose(values.values[:, :4], -np.sort(-found.alarms.max(axis=0)[:, 1:]), atol=1e-7)
    np.testing.assert_allclose(values.size, [1, len(labels) / FPS / 3600])


def test_recordings_with_mistakes_or_missing_steps_do_not_count():
    labels = labels_of([1, 2])
    normal = training_video(labels, "a")
    missing = normal._replace(truth=truth_with_missing(normal.truth))
    values = calibrate([followed(missing, follow_labels(labels))], FPS).false_alarms
    assert values.size.tolist() == [0, 0]
    assert not values.values.any()


def truth_with_missing(truth):
    return type(truth)(truth.steps, {**truth.wrong, "missing": frozenset([3])})


def test_thresholds_are_those_of_the_given_and_the_inferred_task():
    model = learnt()
    found = thresholds_of(model, 1e4)
    for row, calibration in zip(found, model.calibrations, strict=True):
        np.testing.assert_array_equal(row, calibration.false_alarms.thresholds(1e4))
    assert (thresholds_of(model, None) == NEVER).all()


def test_of_one_task_it_is_the_same_whether_it_is_given():
    assert chain_model()[0].calibrations[0] is chain_model()[0].calibrations[1]
    assert learnt().calibrations[0] is not learnt().calibrations[1]
