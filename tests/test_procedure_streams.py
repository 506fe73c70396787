"""A stream reports the procedure that `predict` does, whatever the chunks, the other streams, and the pauses."""

from __future__ import annotations

import numpy as np
import pytest

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.result import CHANNELS
from tests.tiny_models import TASKS, video
from tests.tiny_procedures import MIXED_UP, assert_same_procedure, features_of, make_procedure_model

FEATURES = features_of(MIXED_UP)
UNCLEAR = FEATURES + 0.7 * video(len(FEATURES))
"""So noisy that several states are believed at once."""


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    made = make_procedure_model()
    made.set_alarms(1000.0)
    return made


@pytest.mark.parametrize("task", [None, *TASKS])
@pytest.mark.parametrize("features", [FEATURES, UNCLEAR])
def test_any_chunks_give_what_predict_gives(model, task, features):
    random, whole = np.random.default_rng(0), model.predict(features, task=task)
    for _ in range(4):
        cuts = np.sort(random.choice(np.arange(1, len(features)), random.integers(1, 20), replace=False))
        stream = model.stream(task=task)
        assert_same_procedure(Prediction.joined([stream.step(chunk) for chunk in np.split(features, cuts)]), whole)


def test_later_frames_change_nothing(model):
    cut = 30
    whole, part = model.predict(UNCLEAR), model.predict(UNCLEAR[:cut])
    for name in CHANNELS:
        earlier = getattr(whole.procedure, name)[..., :cut]
        np.testing.assert_allclose(getattr(part.procedure, name), earlier, rtol=1e-4, atol=1e-5, err_msg=name)
    events = [(one.kind, one.label) for one in whole.procedure.events if one.frame < cut]
    assert events == [(one.kind, one.label) for one in part.procedure.events]


def test_streams_that_start_and_pause_on_their_own_are_each_alone(model):
    """Three streams of other features and tasks; at each step some of them get no frame."""
    features, tasks = [FEATURES, UNCLEAR, UNCLEAR[::-1].copy()], [None, "cake", "tea"]
    streams = model.streams(3, tasks=tasks)
    parts: list[list[Prediction]] = [[], [], []]
    random, taken = np.random.default_rng(1), np.zeros(3, dtype=np.int64)
    while (taken < 40).all():
        chosen = np.flatnonzero(random.random(3) < 0.6)
        if not len(chosen):
            continue
        frames = np.stack([features[one][taken[one]] for one in chosen])
        result = streams.step(frames, chosen)
        for place, one in enumerate(chosen.tolist()):
            parts[one].append(result.at(place))
        taken[chosen] += 1
    for one in range(3):
        expected = model.predict(features[one][: taken[one]], task=tasks[one])
        assert_same_procedure(Prediction.joined(parts[one]), expected)


def test_given_the_task_only_its_steps_are_next_or_done(model):
    for task, absent in (("cake", 3), ("tea", 1)):
        found = model.predict(UNCLEAR, task=task).procedure
        assert not found.next_probs[absent].any()
        assert not found.done[absent].any()
        np.testing.assert_allclose(found.next_probs.sum(axis=0), 1, atol=1e-5)
        assert all(event.label != absent for event in found.events)


def test_what_is_reported_are_probabilities_and_times_in_order(model):
    for task in (None, *TASKS):
        found = model.predict(UNCLEAR, task=task).procedure
        for name in ("next_probs", "done", "progress"):
            values = getattr(found, name)
            assert 0 <= values.min() <= values.max() <= 1 + 1e-6, name
        for median, (low, high) in (
            (found.left_seconds, found.left_interval),
            (found.next_seconds, found.next_interval),
        ):
            assert (low >= 0).all()
            assert (low <= median).all()
            assert (median <= high).all()
        assert (found.next_seconds <= found.left_seconds * 1.5 + 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("name", ["done", "last", "next", "surprise", "seconds", "elapsed", "known"])
def test_a_state_of_impossible_numbers_is_refused_and_changes_nothing(model, name, value):
    stream = model.stream()
    stream.step(FEATURES[:10])
    state = {key: values.clone() for key, values in stream.state_dict().items()}
    before = {key: values.clone() for key, values in state.items()}
    state[f"procedure_{name}"].view(-1)[0] = value
    with pytest.raises(InputError):
        stream.load_state_dict(state)
    for key, values in stream.state_dict().items():
        np.testing.assert_array_equal(values, before[key], err_msg=key)
