"""What is done already acts on the filter: steps come next that are not done and that others do not wait for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.decoding.belief import LEAST
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.duration_filter import FilterCall, filter_frames
from protas_gtcc.decoding.filter_output import MOST, StateBeliefs, empty_output
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.calibration import learn_procedure
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.procedure.memory import find_order
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.tracker import Weights
from tests.chained_procedures import CLASSES, FPS, SETTINGS, chain_model, rules_of, training_video
from tests.procedure_twin import Memory, probabilities, remembered, remembered_order


def with_memory(weight: float) -> ProcedureDecoder:
    """Of the chain, for one stream."""
    model, states = chain_model()
    settings = dataclasses.replace(SETTINGS, order_memory=weight, evidence=3.0)  # doubtful: no state is ruled out
    return ProcedureDecoder(states, settings, [0], FPS, model)


def random_probs(num_frames: int) -> np.ndarray:
    """Of segments of 20 frames, some of them doubtful."""
    random = np.random.default_rng(1)
    favoured = np.eye(CLASSES)[random.integers(0, CLASSES, num_frames // 20).repeat(20)]
    noise = random.dirichlet(np.ones(CLASSES), num_frames)
    return (0.4 * favoured + 0.6 * noise).astype(np.float32)


def frame_by_frame(model: ProcedureModel, decoder: ProcedureDecoder, probs: np.ndarray, weight: float) -> np.ndarray:
    """Probabilities `[T, C]`: a filter of one frame at a time, whose order is that of the slow twin's memory."""
    settings, _, fps = decoder.settings
    tables, states = model.tables, decoder.tables
    weights = Weights(model.models.next_weights, model.models.later_weights)
    hypotheses, num_states = make_hypotheses(states, settings, fps), len(states.state_class)
    memories = [Memory(num_states) for _ in range(num_states)]
    known = np.zeros(num_states, dtype=bool)
    belief, label = np.zeros((1, settings.phases, len(hypotheses.weight))), np.zeros(1, dtype=np.int64)
    stream, found = np.zeros(1, dtype=np.int64), []
    for frame in probs[:, None]:
        order = remembered_order(tables, states.following, weight, memories)
        order[~known] = states.following[~known]
        now = hypotheses._replace(following=order)
        output = empty_output(1, CLASSES, 1, num_states)
        rule = decoder._rule._replace(network_progress_share=0.0)
        filter_frames(FilterCall(now, rule, belief, label, stream, stream, frame, frame, output))
        found.append(output.probs[0])
        beliefs = StateBeliefs(*(np.array(one) for one in output.states))
        beliefs.entered[0, ~known], beliefs.ended[0, ~known] = 1, 0
        memories = [remembered(tables, memories, s, order, beliefs, 0, 1 / fps) for s in range(num_states)]
        likely = np.sort(beliefs.now[0])[-MOST:].min()
        known = (beliefs.now[0] >= LEAST) & (beliefs.now[0] >= likely)
        for s, memory in enumerate(memories):
            done, last = memory.after(tables.is_step[s], s)
            memory.next = probabilities(tables, 0, weights, last, done)[0]
    return np.array(found)


@pytest.mark.parametrize("weight", [0.5, 0.9, 1.0])
def test_the_filter_with_memory_is_that_of_its_twin(weight):
    model, _ = chain_model()
    decoder, probs = with_memory(weight), random_probs(400)
    found = decoder.decode(np.zeros(400, dtype=np.int64), probs, None)
    assert found.probs is not None
    np.testing.assert_allclose(found.probs.T, frame_by_frame(model, decoder, probs, weight), atol=1e-5)


def test_without_its_weight_the_filter_is_the_plain_one():
    probs, streams = random_probs(400), np.zeros(400, dtype=np.int64)
    plain = DurationDecoder(chain_model()[1], with_memory(0.0).settings[0], [0], FPS).decode(streams, probs, None)
    found = with_memory(0.0).decode(streams, probs, None)
    assert plain.probs is not None
    assert found.probs is not None
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_allclose(found.probs, plain.probs, atol=1e-6)
    assert (with_memory(0.9).decode(streams, probs, None).labels != plain.labels).any()


def test_of_two_steps_that_look_alike_the_one_that_is_not_done_is_going_on():
    # All steps are between pauses, after which the step before is no help: only what is done separates them.
    random = np.random.default_rng(0)
    videos = [np.repeat([0, 1, 0, 2, 0, 3, 0, 4, 0], random.integers(8, 15, 9)) for _ in range(12)]
    states = count_transcripts(videos, CLASSES, SETTINGS, FPS)
    lessons = [training_video(labels, f"person {number}") for number, labels in enumerate(videos)]
    model = learn_procedure(lessons, states, SETTINGS, [0], FPS)
    labels = np.repeat([0, 1, 0, 2, 0, 3], 11)
    probs = np.eye(CLASSES, dtype=np.float32)[labels]
    probs[labels == 3, 1] = probs[labels == 3, 3] = 0.5

    def found(**changes: Any) -> Prediction:
        settings = dataclasses.replace(SETTINGS, **changes)
        return ProcedureDecoder(states, settings, [0], FPS, model).decode(np.zeros(66, dtype=np.int64), probs, None)

    means = {}
    for weight in (0.0, 0.9):  # in the filter's own belief: to the network both are equally likely
        alone = found(order_memory=weight, network_class_share=0.0)
        assert alone.probs is not None
        means[weight] = alone.probs[[1, 3]][:, labels == 3].mean(axis=1)
    assert means[0.0][0] == pytest.approx(means[0.0][1], abs=0.1)
    assert means[0.9][1] > 10 * means[0.9][0]
    assert (found(order_memory=0.9).labels[labels == 3] == 3).all(), "and that is what is reported"


def test_what_is_remembered_leaves_the_share_of_pauses_as_it_was_learnt():
    model, states = chain_model()
    rules, is_step = rules_of(model, states, 0.9), model.tables.is_step
    for k in range(len(is_step)):
        order = np.empty(len(is_step))
        find_order(rules, k, np.random.default_rng(k).dirichlet(np.ones(len(is_step))) * is_step, order)
        assert order.sum() == pytest.approx(states.following[k].sum())
        assert order[k] == states.following[k, k]
        np.testing.assert_array_equal(order[~is_step], states.following[k, ~is_step])
