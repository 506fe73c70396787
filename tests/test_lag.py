"""Frames that are reported later: smoothed as by the dense chain, the same for any chunking and after any pause."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding import lagged
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.lagged import LaggedDecoder
from protas_gtcc.decoding.rule import LAGGED
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.predictions import CHANNELS, Prediction
from tests.test_decoding import ALONE, FPS, SETTINGS, TABLES, chain, evidence, quantile
from tests.test_order_memory import random_probs, with_memory
from tests.tiny_models import BASE, make_model, make_task_model, video
from tests.tiny_procedures import assert_same_procedure, features_of, make_procedure_model

ROWS = ("labels", "reported", *CHANNELS)
PROBS = np.random.default_rng(1).uniform(0.05, 1, (60, 3)).astype(np.float32)


def whole(decoder: LaggedDecoder, probs: np.ndarray, size: int = 10**6) -> Prediction:
    """The prediction for one video that comes in chunks of this size."""
    parts = []
    for first in range(0, len(probs), size):
        chunk = probs[first : first + size]
        parts.append(decoder.decode(np.zeros(len(chunk), dtype=np.int64), chunk, None))
    return Prediction.joined([*parts, *decoder.flush(0)])


def assert_same(one: Prediction, other: Prediction) -> None:
    for name in ROWS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("lag", [0, 1, 7, 58, 59, 1000, None])
def test_the_belief_is_that_of_the_dense_chain_by_what_is_known_so_much_later(lag):
    begins, move, labels, low, high, _ = chain(TABLES)
    weights, forward = evidence(PROBS, TABLES)[:, labels], list[np.ndarray]()
    for t, now in enumerate(weights):
        mass = (forward[-1] @ move if t else begins) * now
        forward.append(mass / mass.sum())
    found = whole(LaggedDecoder(DurationDecoder(TABLES, ALONE, [0], FPS), lag), PROBS)
    is_action = labels > 0
    for t, mass in enumerate(forward):
        later = np.ones(len(labels))
        for v in range(min(t + (len(PROBS) if lag is None else lag), len(PROBS) - 1), t, -1):
            later = move @ (later * weights[v])
        known = mass * later / (mass @ later)
        assert found.probs is not None
        np.testing.assert_allclose(found.probs[:, t], np.bincount(labels, known), rtol=1e-4)
        assert found.reported[t] == pytest.approx(quantile(low * is_action, high * is_action, known, 0.5), abs=1e-3)


def test_without_lag_it_is_the_filter_itself():
    decoder = DurationDecoder(TABLES, SETTINGS, [0], FPS)
    expected = decoder.decode(np.zeros(len(PROBS), dtype=np.int64), PROBS, None)
    assert_same(whole(LaggedDecoder(decoder, 0), PROBS), expected)


def test_with_the_memory_of_what_is_done_the_last_frames_later_are_those_of_an_order_of_their_own():
    """Two steps back by hand, with the order that the filter had at each frame."""
    decoder, probs = with_memory(0.9), random_probs(40)
    trace = decoder.empty_trace(len(probs))
    decoder.fresh().decode(np.zeros(len(probs), dtype=np.int64), probs, None, trace)
    found = whole(LaggedDecoder(decoder, 2), probs)
    hypotheses, num_states, t = decoder._hypotheses, decoder.num_states, 20
    later = np.ones(trace.belief.shape[1:])
    of_state = np.repeat(np.arange(num_states), np.diff(hypotheses.begin))
    for v in (t + 2, t + 1):
        order = hypotheses.following.copy()
        for k, own in zip(trace.known[v], trace.order[v], strict=True):
            if k >= 0:
                order[k] = own[:num_states]
        later = step_back(hypotheses, order, of_state, trace.weights[v][of_state] * later)
    known = trace.belief[t] * later
    classes = np.bincount(hypotheses.state_class[of_state], known.sum(axis=0), len(found.probs)) / known.sum()
    assert decoder._rule.ahead > 0
    network = trace.network[t : t + 1 + min(2, decoder._rule.ahead)].mean(axis=0)
    share = LAGGED * decoder.settings[0].network_class_share
    np.testing.assert_allclose(found.probs[:, t], (1 - share) * classes + share * network, rtol=1e-5)
    assert (trace.known[t] >= 0).any()


def step_back(hypotheses, order: np.ndarray, of_state: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """What it is worth to be in each phase `[N, R]` of each length, one frame earlier."""
    phases, passes = len(weighted), hypotheses.passes
    from_start = sum(passes[k] * weighted[k] for k in range(len(passes)))
    from_start = from_start + (1 - passes.sum(axis=0)) * weighted[-1]
    entering = np.bincount(of_state, hypotheses.weight * from_start)
    ending = (order @ entering)[of_state]
    earlier = np.zeros_like(weighted)
    for i in range(phases):
        stays = range(min(len(passes), phases - i))
        earlier[i] = sum(passes[k] * weighted[i + k] for k in stays)
        earlier[i] += (1 - sum(passes[k] for k in stays)) * ending
    return earlier


@pytest.mark.parametrize("lag", [0.0, 0.2, 2.0, 1000.0])
@pytest.mark.parametrize("task", [None, "tea"])
def test_a_stream_reports_what_predict_does_for_any_chunking(lag, task):
    model, features = make_procedure_model(), features_of(np.repeat([0, 2, 1, 3, 2, 0], 13), seed=3)
    model.set_lag(lag)
    expected = model.predict(features, task=task)
    for size in (1, 5, 40):
        stream, parts = model.stream(task=task), []
        for first in range(0, len(features), size):
            parts.append(stream.step(features[first : first + size]))
            assert stream.num_waiting == min(stream.num_frames, round(lag * model.facts.fps))
        last = stream.flush()
        found = Prediction.joined([*parts, *([] if last is None else [last])])
        for name in ROWS:
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-4, err_msg=name)
        assert_same_procedure(found, expected)


def test_the_results_of_a_stream_do_not_depend_on_others():
    model, features = make_model(), video(50)
    model.set_lag(1.0)
    streams, alone = model.streams(2), model.stream()
    found = []
    for t in range(len(features)):
        both = [0, 1] if t >= 20 else [0]
        found.append(streams.step(np.repeat(features[t : t + 1], len(both), axis=0), both))
        if t >= 20:
            expected = alone.step(features[t])
            own = found[-1].labels[len(found[-1].labels) - len(expected.labels) :]
            np.testing.assert_array_equal(own, expected.labels)


def test_a_stream_goes_on_from_its_state_and_ends_with_flush(tmp_path):
    model, features = make_procedure_model(), features_of(np.repeat([0, 2, 1, 3, 2, 0], 13), seed=4)
    model.set_lag(2.0)
    whole_stream, first, second = model.stream(), model.stream(), model.stream()
    expected = Prediction.joined([whole_stream.step(features), whole_stream.flush()])
    parts = [first.step(features[:31])]
    first.save(tmp_path / "state.safetensors")
    second.load(tmp_path / "state.safetensors")
    assert second.num_waiting == 10
    found = Prediction.joined([*parts, second.step(features[31:]), second.flush()])
    assert_same(found, expected)
    assert found.procedure.events == expected.procedure.events == second.events
    with pytest.raises(InputError, match=r"^the video of this stream has ended; reset the stream for another one$"):
        second.step(features[0])
    assert second.num_frames == len(features), "a refused frame has moved the stream"
    second.reset()
    assert_same(Prediction.joined([second.step(features), second.flush()]), expected)


def test_damaged_frames_that_wait_are_refused():
    model = make_task_model()
    model.set_lag(1.0)
    stream = model.stream()
    stream.step(video(20))
    for name, value in (("place", -1), ("weights", -1.0), ("known", 99)):
        state = stream.state_dict()
        state[f"lag_{name}"][...] = value
        with pytest.raises(InputError, match="the frames that wait are impossible"):
            model.stream().load_state_dict(state)


def test_a_long_video_is_smoothed_in_parts_that_hardly_differ(monkeypatch):
    decoder, probs = with_memory(0.9), random_probs(400)
    expected = whole(LaggedDecoder(decoder, None), probs)
    monkeypatch.setattr(lagged, "WHOLE_BYTES", 150 * decoder.empty_trace(1).belief.nbytes)
    found = whole(LaggedDecoder(decoder, None), probs)
    assert len(found.labels) == 400
    np.testing.assert_allclose(found.probs, expected.probs, atol=1e-3)


def test_what_cannot_be_is_refused():
    model = make_model()
    for wrong in (-1.0, math.nan):
        with pytest.raises(InputError, match=r"lag-seconds is .*; it must be from 0 to inf"):
            model.set_lag(wrong)
    model.set_lag(math.inf)
    with pytest.raises(InputError, match=r"^a stream does not know when its video ends"):
        model.stream()
    decoding = DecodingConfig(filter="none")
    facts = dataclasses.replace(model.facts, config=dataclasses.replace(model.facts.config, decoding=decoding))
    with pytest.raises(InputError, match=r"^the model has no duration filter, which alone can report frames later"):
        TrainedModel(model.network, facts).set_lag(1.0)


@pytest.mark.parametrize("seconds", [1e6, 1e308])
def test_a_lag_whose_frames_do_not_fit_into_memory_is_refused_and_changes_nothing(seconds, monkeypatch):
    model = make_model()
    monkeypatch.setattr(lagged, "WHOLE_BYTES", 2**24)
    with pytest.raises(InputError, match=r"^the lag is too long: the frames of \d+ s fit into .* GiB; give a shorter"):
        model.set_lag(seconds)
    assert model.lag_seconds == 0


def test_a_state_of_another_lag_is_refused_by_its_lag():
    states, models = {}, {}
    for lag in (0.0, 1.0, 2.0):
        models[lag] = make_model()
        models[lag].set_lag(lag)
        stream = models[lag].stream()
        stream.step(video(20))
        states[lag] = stream.state_dict()
    for made, own in ((0.0, 1.0), (1.0, 0.0), (1.0, 2.0)):
        with pytest.raises(InputError, match=r"^this state was made with another lag; give that --lag-seconds"):
            models[own].stream().load_state_dict(states[made])


def test_an_acausal_model_is_refused_as_such_whatever_its_lag():
    model = make_model(dataclasses.replace(BASE, causal=False))
    model.set_lag(math.inf)
    with pytest.raises(InputError, match=r"^an acausal model cannot be streamed"):
        model.stream()
