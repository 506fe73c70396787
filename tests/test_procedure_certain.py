"""What is reported of a procedure whose steps are seen as they are."""

from __future__ import annotations

import numpy as np
import pytest

from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.following import events_of
from protas_gtcc.procedure.result import DONE, REASONS, Event, Procedure
from protas_gtcc.procedure.tracker import Weights
from tests.chained_procedures import CLASSES, FPS, SETTINGS, chain_model, follow_labels, labels_of
from tests.procedure_twin import probabilities

MISSING, ORDER, REPEATED, LONG = range(len(REASONS))
ORDERS = [[1, 2, 3, 4], [3, 1, 4], [1, 2, 1, 3, 2], []]


def ended_before(labels: np.ndarray, t: int) -> set[int]:
    return set(labels[:t].tolist()) - {0, int(labels[t])}


@pytest.mark.parametrize("order", ORDERS)
def test_done_are_exactly_the_steps_that_have_ended_and_do_not_go_on(order):
    labels = labels_of(order)
    done = follow_labels(labels).done
    for t in range(len(labels)):
        assert set(np.flatnonzero(done[t] == 1).tolist()) == ended_before(labels, t)
        assert set(np.flatnonzero(done[t]).tolist()) == ended_before(labels, t)


@pytest.mark.parametrize("order", ORDERS)
def test_next_is_the_conditional_logit_given_the_steps_that_have_begun(order):
    labels = labels_of(order)
    model, found = chain_model()[0], follow_labels(labels)
    weights = Weights(model.models.next_weights, model.models.later_weights)
    np.testing.assert_allclose(found.next.sum(axis=1), 1, atol=1e-6)
    assert not found.next[:, 0].any()
    for t in range(len(labels)):
        begun = [step for step in labels[: t + 1].tolist() if step]
        done, last = np.zeros((2, CLASSES))
        done[begun] = 1
        last[begun[-1:]] = 1
        expected, _ = probabilities(model.tables, 0, weights, last, done)
        np.testing.assert_allclose(found.next[t], expected, atol=1e-6)


def test_time_elapsed_is_that_since_the_first_step_began():
    labels = labels_of([2, 1])
    since = np.arange(len(labels)) - np.flatnonzero(labels)[0] + 1
    np.testing.assert_allclose(follow_labels(labels).elapsed, np.maximum(since, 0) / FPS)
    assert not follow_labels(labels_of([])).elapsed.any()


def test_the_longer_a_step_takes_the_surer_it_takes_too_long():
    found = follow_labels(np.repeat([0, 1, 0], [3, 200, 2])).alarms[:, LONG]
    assert (np.diff(found[3:203, 1]) >= 0).all()
    assert found[8, 1] == 0
    assert found[202, 1] > 0.7
    assert not found[:, 2:].any()


def highest(order: list[int]) -> np.ndarray:
    """The highest value of each alarm in a recording, `[A, C]`."""
    return follow_labels(labels_of(order)).alarms.max(axis=0)


def test_of_a_usual_recording_nothing_is_wrong():
    assert highest([1, 2, 3, 4])[:, 1:].max() < 0.5


@pytest.mark.parametrize("absent", [1, 2])
def test_a_step_that_is_left_out_is_missing_and_no_other(absent):
    order = [step for step in range(1, 5) if step != absent]
    missing = follow_labels(labels_of(order)).alarms[-1, MISSING]
    assert missing[absent] > 0.8
    assert missing[order].max() < 1e-6


def test_a_step_that_some_people_do_after_the_last_one_is_not_yet_missing():
    assert follow_labels(labels_of([1, 2, 4])).alarms[-1, MISSING, 3] < 0.5


def test_a_step_that_comes_before_others_is_out_of_order_and_not_repeated():
    found = highest([4, 1, 2, 3])
    assert found[ORDER, 4] > 0.9
    assert found[ORDER, 4] > found[ORDER, 1:4].max()
    assert found[REPEATED].max() == 0


def test_a_step_that_is_done_again_is_repeated_and_not_out_of_order():
    found = highest([1, 2, 1, 3, 4])
    assert found[REPEATED, 1] > 0.9
    assert found[ORDER, 1] < 0.5
    assert found[REPEATED, 2:].max() == 0


def test_a_step_that_is_believed_for_a_moment_and_taken_back_is_not_done():
    model, states = chain_model()
    labels = np.repeat([0, 1, 0, 2, 0], [3, 14, 3, 14, 3])
    probs = np.eye(CLASSES, dtype=np.float32)[labels] * 0.98 + 0.004
    probs[9:11] = [0.01, 0.15, 0.01, 0.82, 0.01]
    decoder = ProcedureDecoder(states, SETTINGS, [0], FPS, model)
    prediction = decoder.decode(np.zeros(len(labels), dtype=np.int64), probs, None)
    assert prediction.probs[3, 9:11].max() > 0.1, "the step was not believed"
    done = prediction.procedure.done
    assert done[3, 20:].max() < 0.02
    assert done[1, 19] > 0.95
    assert [event.label for event in prediction.procedure.events if event.kind == DONE] == [1, 2]


def test_each_event_is_at_the_first_frame_above_its_threshold():
    found = follow_labels(labels_of([1, 2, 1, 3]))
    thresholds = np.array([0.3, 0.2, 0.4, 0.1])
    values = {DONE: found.done, **dict(zip(REASONS, found.alarms.transpose(1, 0, 2), strict=True))}
    above = {DONE: 0.5, **dict(zip(REASONS, thresholds, strict=True))}
    expected = set()
    for kind, value in values.items():
        for label in np.flatnonzero((value > above[kind]).any(axis=0)).tolist():
            frame = int(np.argmax(value[:, label] > above[kind]))
            expected.add(Event(kind, label, frame, frame, float(value[frame, label])))
    events = events_of(found, thresholds)
    assert set(events) == expected
    assert len(events) == len(expected)
    assert [one.frame for one in events] == sorted(one.frame for one in events)


def test_one_frame_of_a_procedure_has_its_own_values_and_events():
    times, probs = np.arange(4, dtype=np.float32), np.arange(12, dtype=np.float32).reshape(3, 4)
    events = (Event(DONE, 1, 12, 2, 0.7), Event("missing", 2, 13, 3, 0.9), Event(DONE, 2, 12, 2, 0.8))
    one = Procedure(times, probs[:2], times, probs, times, probs[:2], probs, events).at(2)
    assert one.left_seconds.tolist() == [2]
    assert one.next_probs.tolist() == [[2], [6], [10]]
    assert one.left_interval.tolist() == [[2], [6]]
    assert one.events == (Event(DONE, 1, 12, 0, 0.7), Event(DONE, 2, 12, 0, 0.8))
