"""Following a procedure: compiled code equals its slow twin, whatever the tables and beliefs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.belief import LEAST
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.duration_filter import FilterCall, filter_frames
from protas_gtcc.decoding.filter_output import MOST, StateBeliefs
from protas_gtcc.procedure.evidence import LATER, NEXT, compiled_tables, find_features, score_later, score_next
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures, steps_of
from protas_gtcc.procedure.tracker import TrackingRules, Weights
from tests.chained_procedures import track_frames
from tests.procedure_twin import features, probabilities, track
from tests.test_decoding import chain, state_weights

FPS = 5.0
SETTINGS = DecodingConfig(filter="durations", phases=4)
CASES = [(1, 5, False), (1, 5, True), (1, 12, True), (2, 3, False), (2, 3, True), (3, 7, False)]
"""Number of tasks, classes of each, and whether there is a drawn graph."""


def random_tables(seed: int, num_tasks: int, num_classes: int, drawn: bool) -> tuple[ProcedureTables, TranscriptTables]:
    """Tables of random recordings; class 0 is background, and in every task; the others are of one task each."""
    random = np.random.default_rng(seed)
    labels, tasks = [], []
    for task in range(num_tasks):
        own = np.arange(1, num_classes) + task * (num_classes - 1)
        for _ in range(6):
            order = np.concatenate([random.permutation(np.append(own, 0)), random.choice(own, 2)])
            labels.append(np.repeat(order, random.integers(1, 30, len(order))))
            tasks.append(task)
    names = [f"task {task}" for task in tasks]
    states = count_transcripts(labels, 1 + num_tasks * (num_classes - 1), SETTINGS, FPS, names)
    recordings = [Recording(steps_of(one, [0])[:-1], task) for one, task in zip(labels, tasks, strict=True)]
    needs = None
    if drawn:
        needs = np.zeros((len(states.state_class), num_classes))
        for s in range(len(needs)):
            place = s % num_classes
            needs[s, 1:place] = random.random(max(place - 1, 0)) < 0.4
    return count_procedures(recordings, states, [0], FPS, needs), states


def random_weights(seed: int) -> Weights:
    random = np.random.default_rng(seed)
    return Weights(random.normal(size=NEXT), random.normal(size=LATER))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("certain", [True, False])
def test_features_and_scores_are_those_of_the_twin(case, certain):
    tables, _ = random_tables(0, *case)
    random, weights, compiled = np.random.default_rng(1), random_weights(2), compiled_tables(tables)
    width = tables.after.shape[1]
    for task in list(range(tables.num_tasks)) * 5:
        low, high = tables.begin[task : task + 2]
        done, last = np.zeros((2, width))
        done[: high - low] = tables.is_step[low:high] * random.random(high - low)
        last[: high - low] = random.dirichlet(np.ones(high - low)) * tables.is_step[low:high] * random.random()
        if certain:
            done, last = done.round(), np.eye(width)[1]
        upcoming, later, scores = np.full((width, NEXT), np.nan), np.full((width, LATER), np.nan), np.empty((2, width))
        find_features(compiled, task, last, done, upcoming, later)
        places, *expected = features(tables, task, last[: high - low], done[: high - low])
        for found, wanted in zip((upcoming, later), expected, strict=True):
            np.testing.assert_allclose(found[places], wanted, atol=1e-9)
            assert np.isnan(np.delete(found, places, axis=0)).all(), "rows of what is no step were written"
        score_next(compiled, task, weights.next, upcoming, scores[0])
        score_later(compiled, task, weights.later, later, scores[1])
        both = probabilities(tables, task, weights, last[: high - low], done[: high - low])
        np.testing.assert_allclose(scores[:, : high - low], both, atol=1e-9)


def random_beliefs(seed: int, states: TranscriptTables, num_frames: int) -> StateBeliefs:
    """Those of a filter of which at most `MOST` states are possible at a frame, none of them improbable."""
    random, num_states = np.random.default_rng(seed), len(states.state_class)
    now, entered, ended = np.zeros((3, num_frames, num_states))
    before = np.zeros(num_states)
    for t in range(num_frames):
        if t % 7 == 0:
            possible = random.permutation(num_states)[:MOST]
        ended[t] = before * random.uniform(0.1, 0.6, num_states)
        starts = ended[t] @ states.following if t else states.first
        mass = before - ended[t] + starts
        entered[t] = starts / np.maximum(mass, 1e-300)
        weights = np.zeros(num_states)
        weights[possible] = random.uniform(0.5, 1, len(possible))
        if not (mass * weights).any():
            weights = np.where(np.argsort(-mass) < MOST, 1.0, 0.0)
        now[t] = mass * weights / (mass * weights).sum()
        now[t] = np.where(now[t] > 0, now[t] + 0.02, 0)  # above what is looked at
        now[t] /= now[t].sum()
        before = now[t]
    return StateBeliefs(now, entered, ended, random.uniform(1, 40, (num_frames, num_states, 2)))


@pytest.mark.parametrize("order_memory", [0.0, 0.9])
@pytest.mark.parametrize("case", CASES)
def test_the_tracker_is_its_twin(case, order_memory):
    tables, states = random_tables(3, *case)
    weights, beliefs = random_weights(4), random_beliefs(5, states, 80)
    assert ((beliefs.now > 0).sum(axis=1) <= MOST).all()
    rules = TrackingRules(compiled_tables(tables), tables.state_task, weights, states.following, order_memory, 0.2)
    found = track_frames(rules, beliefs)
    expected = track(tables, weights, states.following, order_memory, beliefs, 0.2)
    for name, values in expected._asdict().items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_beliefs_in_states_are_those_of_the_dense_chain(task):
    _, states = random_tables(6, 2, 3, False)
    probs = np.random.default_rng(7).dirichlet(np.ones(5), 60).astype(np.float32)
    decoder = DurationDecoder(states, SETTINGS, [0], FPS).fresh(task=task)
    rows = np.zeros(len(probs), dtype=np.int64)
    found: StateBeliefs

    def run(call: FilterCall) -> None:
        nonlocal found
        filter_frames(call)
        found = call.output.states

    decoder._decode(rows, probs, None, None, run, len(states.state_class))
    begins, move, of_state, low, _, rates = chain(states, SETTINGS)
    num_states, stays = len(states.state_class), expm(rates / FPS)
    begins = begins * (states.state_task[of_state] == task - 1) if task else begins
    lengths = np.repeat(states.lengths.ravel(), SETTINGS.phases)
    to_go = lengths * (1 - low)
    mass = np.zeros(len(begins))
    for t, weights in enumerate(state_weights(probs, states, SETTINGS)):
        ended = np.bincount(of_state, mass * (1 - stays.sum(axis=1)), num_states)
        moved, together = mass @ stays, mass @ move if t else begins
        new = 1 - np.bincount(of_state, moved, num_states) / np.maximum(np.bincount(of_state, together), 1e-300)
        mass = together * weights[of_state]
        mass /= mass.sum()
        now = np.bincount(of_state, mass, num_states)
        own = now > 0
        mean = np.bincount(of_state, mass * to_go, num_states)[own] / now[own]
        square = (
            np.bincount(of_state, mass * (to_go**2 + to_go * lengths / SETTINGS.phases), num_states)[own] / now[own]
        )
        np.testing.assert_allclose(found.now[t], now, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.ended[t], ended, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.entered[t][own], new[own], rtol=1e-4, atol=1e-6)
        known = (now[own] > 2 * LEAST) & (now[own] >= np.sort(now)[-MOST:].min())
        rest = np.stack([mean, square - mean**2], axis=1)
        np.testing.assert_allclose(found.rest[t][own][known], rest[known], rtol=1e-3)


def test_a_task_that_is_doubted_for_a_while_keeps_what_was_done():
    tables, states = random_tables(8, 2, 3, False)
    num_frames, num_states = 12, len(tables.after)
    now, entered, ended = np.zeros((3, num_frames, num_states))
    step, other = (int(np.flatnonzero(tables.is_step & (tables.state_task == task))[0]) for task in (0, 1))
    pause = int(np.flatnonzero(~tables.is_step & (tables.state_task == 0))[0])
    now[:3, step], now[3:6, pause], now[6:9, other], now[9:, pause] = 1, 1, 1, 1
    entered[[0, 3, 6], [step, pause, other]] = 1
    ended[3, step] = 1
    beliefs = StateBeliefs(now, entered, ended, np.ones((num_frames, num_states, 2)))
    weights = random_weights(9)
    rules = TrackingRules(compiled_tables(tables), tables.state_task, weights, states.following, 0.0, 1.0)
    found = track_frames(rules, beliefs)
    label = tables.state_class[step]
    assert found.done[3:6, label].tolist() == [1, 1, 1]
    assert found.done[6:9, label].tolist() == [0, 0, 0], "of another task, nothing is done"
    assert found.done[9:, label].tolist() == [1, 1, 1]
