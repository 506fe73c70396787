"""The duration filter: equal to brute force, to the look-ups where evidence says nothing else, and to itself online."""

import dataclasses
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.annotations.transcripts import check_tables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding import DurationDecoder, TranscriptTables, count_transcripts, duration_filter
from protas_gtcc.decoding.hypotheses import MAX_PHASES, NUM_BINS, OVERRUN, make_hypotheses
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.lookups import fit_lookups

SETTINGS = DecodingConfig(filter="durations", interruption=1e-9, network_share=0.0, hedge=False)
TINY = TranscriptTables(
    lengths=np.array([[1.0, 2.0], [2.0, 2.0], [1.0, 1.0]]),
    first=np.array([0.5, 0.3, 0.2]),
    following=np.array([[0.0, 0.7, 0.3], [0.6, 0.0, 0.4], [0.5, 0.5, 0.0]]),
)


def video(*segments: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.full(length, label) for label, length in segments])


TRAINING = [
    video((0, 3), (1, 10), (2, 40), (0, 5), (1, 14)),
    video((1, 12), (0, 2), (2, 30), (1, 25), (0, 4)),
    video((0, 1), (2, 55), (1, 9), (0, 3)),
]


def one_hot(labels: np.ndarray, num_classes: int = 3) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[labels]


def filtered(
    tables: TranscriptTables, probs: np.ndarray, interruption: float, evidence: float = 1.0
) -> duration_filter.Told:
    """What the filter alone believes, the first class being background."""
    rule = duration_filter.Rule(evidence, interruption, 0.0, False, 0.1, np.arange(len(tables.first)) > 0)
    hypotheses, told = make_hypotheses(tables), duration_filter.nothing_told(*probs.shape)
    state, who = duration_filter.start_state(hypotheses), np.zeros(len(probs), dtype=np.int64)
    given = probs.astype(np.float32)
    duration_filter.follow(hypotheses, rule, state, who, given, given, told)
    return told


def doubted(probs: np.ndarray) -> np.ndarray:
    """The evidence of the network's probabilities `[T, C]`."""
    return (1 - duration_filter.DOUBT) * probs + duration_filter.DOUBT / probs.shape[1]


class State(NamedTuple):
    """One state of the chain, from the tables as plainly as can be."""

    label: int
    weight: float
    rate: float
    end_rate: float
    phase: int
    num_phases: int

    @property
    def progress(self) -> float:
        """Of the middle of the frames that are spent here; where each has one frame, of its end."""
        return (self.phase + (1 + self.rate) / 2) / self.num_phases

    @property
    def remaining(self) -> float:
        """Frames after this one, in the mean."""
        return (self.num_phases - 1 - self.phase) / self.rate + 1 / self.end_rate - 1


def all_states(tables: TranscriptTables) -> list[State]:
    states = []
    for label, lengths in enumerate(tables.lengths):
        for length in sorted(set(lengths)):
            phases = min(int(length), MAX_PHASES)
            rate = phases / length
            is_longest = length == max(lengths)
            end_rate = 1 / (1 / rate + OVERRUN * length) if is_longest else rate
            weight = float(np.mean(lengths == length))
            states += [State(label, weight, rate, end_rate, phase, phases) for phase in range(phases)]
    return states


def chain(tables: TranscriptTables, interruption: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First probabilities `[S]`, transitions `[S, S]` and classes `[S]` of the whole Markov chain."""
    states = all_states(tables)
    labels = np.array([state.label for state in states])
    starts = np.array([state.weight if state.phase == 0 else 0.0 for state in states])
    begins = starts * tables.first[labels]
    move = np.zeros((len(states), len(states)))
    for i, state in enumerate(states):
        begin_next = starts * tables.following[state.label][labels]
        is_last = state.phase + 1 == state.num_phases
        leaves = state.end_rate if is_last else state.rate
        move[i] += interruption * begin_next
        move[i, i] += (1 - interruption) * (1 - leaves)
        if is_last:
            move[i] += (1 - interruption) * leaves * begin_next
        else:
            move[i, i + 1] += (1 - interruption) * leaves
    np.testing.assert_allclose(move.sum(axis=1), 1)
    return begins, move, labels


def weighted_quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) >= level * weights.sum()
    return float(values[order][np.argmax(reached)])


def test_the_posterior_is_that_of_every_path_enumerated():
    probs = np.random.default_rng(0).uniform(0.1, 1, (4, 3))
    evidence, found = doubted(probs), filtered(TINY, probs, 0.05)
    begins, move, labels = chain(TINY, 0.05)
    for last in range(4):
        mass = np.zeros(len(labels))
        for path in product(range(len(labels)), repeat=last + 1):
            probability = begins[path[0]] * evidence[0, labels[path[0]]]
            for t in range(1, last + 1):
                probability *= move[path[t - 1], path[t]] * evidence[t, labels[path[t]]]
            mass[path[-1]] += probability
        expected = np.bincount(labels, mass, minlength=3) / mass.sum()
        np.testing.assert_allclose(found.probs[last], expected, rtol=1e-6)


@pytest.mark.parametrize("evidence", [0.7, 1.0])
@pytest.mark.parametrize("interruption", [1e-9, 0.1])
def test_what_is_told_is_that_of_the_dense_chain(interruption, evidence):
    tables = count_transcripts(TRAINING, 3, spread=0.3)
    probs = np.random.default_rng(1).uniform(0.05, 1, (60, 3))
    begins, move, labels = chain(tables, interruption)
    states = all_states(tables)
    left, progress = (np.array([getattr(state, name) for state in states]) for name in ("remaining", "progress"))
    found, mass = filtered(tables, probs, interruption, evidence), begins
    for t, weights in enumerate(doubted(probs) ** evidence):
        mass = (begins if t == 0 else mass @ move) * weights[labels]
        mass = mass / mass.sum()
        classes = np.bincount(labels, mass)
        np.testing.assert_allclose(found.probs[t], classes, rtol=1e-5)
        assert found.labels[t] == classes.argmax()
        remaining = np.bincount(labels, mass * left)[classes.argmax()] / classes.max()
        np.testing.assert_allclose(found.remaining[t], remaining, rtol=1e-5)
        # Quantiles are taken over bins: where belief has a gap they lie in it, so they are bounded from both sides.
        for label in range(3):
            own = labels == label
            bounded(found.progress[t, label], progress[own], mass[own], 0.5)
        if classes.argmax() > 0:
            for end, level in zip(found.interval[t], (0.1, 0.9), strict=True):
                bounded(end, progress[labels > 0], mass[labels > 0], level)


def bounded(value: float, progress: np.ndarray, mass: np.ndarray, level: float) -> None:
    low, high = (weighted_quantile(progress, mass, level + shift) for shift in (-1e-3, 1e-3))
    assert low - 1.01 / NUM_BINS <= value <= high + 1.01 / NUM_BINS


def test_with_certain_segments_it_is_the_median_look_up():
    lengths = np.array([9, 10, 12, 14, 25])
    tables = TranscriptTables(np.array([[3.0] * 5, lengths]), np.array([0.5, 0.5]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    training = [video(*[one for length in lengths for one in ((0, 3), (1, int(length)))])]
    truth = video((0, 3), (1, 14), (0, 3), (1, 25))
    found = filtered(tables, one_hot(truth, 2), 1e-9).progress[:, 1]
    lookups = fit_lookups(training, 2, [0])
    expected = lookups.report(truth)[list(lookups.names).index("median_index_class")]
    # While an odd number of lengths is left, the two medians are one length, and differ by the width of a bin.
    index = np.concatenate([np.arange(end - start) for start, end, _ in segment_array(truth)])
    odd = (truth == 1) & np.array([(lengths > k).sum() % 2 == 1 for k in index])
    np.testing.assert_allclose(found[odd], expected[odd], atol=1.01 / NUM_BINS)
    assert odd.sum() > 20


def test_without_evidence_the_network_is_not_heard():
    tables, random = count_transcripts(TRAINING, 3, spread=0.3), np.random.default_rng(2)
    deaf = dataclasses.replace(SETTINGS, evidence=0.0)
    who = np.zeros(30, dtype=np.int64)
    said = [
        DurationDecoder(tables, deaf, [0], 5.0).follow(who, random.dirichlet(np.ones(3), 30).astype(np.float32), None)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(said[0].probs, said[1].probs)
    np.testing.assert_array_equal(said[0].progress, said[1].progress)


def test_a_long_length_takes_its_frames_in_the_mean_with_few_phases():
    length = 300.0
    tables = TranscriptTables(np.array([[length], [5.0]]), np.array([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    hypotheses = make_hypotheses(tables)
    assert hypotheses.start[-1] == MAX_PHASES + 5
    found = filtered(tables, np.full((1, 2), 0.5), 1e-9)
    assert found.remaining[0] == pytest.approx(length * (1 + OVERRUN) - 1)
    # Progress grows evenly over the phases, and the last bin is reached.
    assert hypotheses.bins[0] == 0
    assert hypotheses.bins[MAX_PHASES - 1] == NUM_BINS - 1


def test_an_action_that_outlasts_all_that_was_seen_stays_at_its_end():
    tables = count_transcripts([video((0, 4), (1, 9)), video((0, 5), (1, 14))], 2, spread=0.3)
    told = filtered(tables, one_hot(np.ones(60, dtype=np.int64), 2), 0.01, 0.7)
    assert (told.labels == 1).all()
    assert (np.diff(told.progress[:, 1]) > -0.02).all()
    assert told.progress[40:, 1].min() > 0.9


def test_an_isolated_error_of_the_network_is_not_followed():
    truth = video((0, 3), (1, 12), (0, 3), (2, 40))
    seen = truth.copy()
    seen[[8, 30]] = 2, 1
    probs = 0.7 * one_hot(seen) + 0.1
    decoder = DurationDecoder(count_transcripts(TRAINING, 3, spread=0.3), SETTINGS, [0], 5.0)
    labels = decoder.follow(np.zeros(len(truth), dtype=np.int64), probs, None).labels
    assert labels[8] == 1
    assert labels[30] == 2


@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_reported_progress_is_the_predicted_classs_channel_and_lies_in_its_range(hedge, share):
    random, num_frames = np.random.default_rng(3), 80
    probs = random.dirichlet(np.full(3, 0.3), num_frames).astype(np.float32)
    progress = random.random((num_frames, 3)).astype(np.float32)
    settings = dataclasses.replace(SETTINGS, hedge=hedge, network_share=share)
    decoder = DurationDecoder(count_transcripts(TRAINING, 3, spread=0.3), settings, [0], 5.0)
    said = decoder.follow(np.zeros(num_frames, dtype=np.int64), probs, progress)
    own = said.progress[said.labels, np.arange(num_frames)]
    np.testing.assert_allclose(said.reported, np.where(said.labels == 0, 0, own), atol=1e-6)
    assert said.progress.min() >= 0
    assert said.progress.max() <= 1
    np.testing.assert_allclose(said.probs.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(said.labels, said.probs.argmax(axis=0))
    assert (said.interval[0] <= said.interval[1]).all()
    assert (said.remaining_seconds >= 0).all()
    if not hedge and share == 1.0:
        np.testing.assert_allclose(said.progress, progress.T, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_hedge_allows_for_the_other_actions(share):
    """One action is likelier than either of two others, but less likely than both, and these are less far."""
    one = np.array([0.4, 0.3, 0.3])
    following = np.array([[0.0, *one]] * 4)
    following[[1, 2, 3], 0], following[[1, 2, 3], [1, 2, 3]] = one, 0
    tables = TranscriptTables(np.array([[1.0], [4.0], [20.0], [20.0]]), np.array([0.0, *one]), following)
    probs = np.full((3, 4), 0.25, dtype=np.float32)
    progress = np.array([[0.0, 0.9, 0.2, 0.4]] * 3, dtype=np.float32)
    said = {}
    for hedge in (False, True):
        settings = dataclasses.replace(SETTINGS, hedge=hedge, network_share=share)
        decoder = DurationDecoder(tables, settings, [0], 5.0)
        said[hedge] = decoder.follow(np.zeros(3, dtype=np.int64), probs, progress)
    assert said[True].labels[2] == 1
    # Three frames into 4, or into 20; of all three actions together the median lies at 3/20.
    assert said[False].reported[2] == pytest.approx((1 - share) * 0.75 + share * 0.9, abs=0.02)
    assert said[True].reported[2] == pytest.approx((1 - share) * 0.15 + share * 0.5, abs=0.02)
    np.testing.assert_array_equal(said[True].progress[2:, 2], said[False].progress[2:, 2])


def test_remaining_time_is_in_seconds():
    who, probs = np.zeros(5, dtype=np.int64), one_hot(np.ones(5, dtype=np.int64), 3)
    tables = count_transcripts(TRAINING, 3, spread=0.3)
    slow, fast = (DurationDecoder(tables, SETTINGS, [0], fps).follow(who, probs, None) for fps in (5.0, 10.0))
    np.testing.assert_allclose(slow.remaining_seconds, 2 * fast.remaining_seconds, rtol=1e-6)
    frames = filtered(tables, probs, SETTINGS.interruption, SETTINGS.evidence).remaining
    np.testing.assert_allclose(slow.remaining_seconds, frames / 5, rtol=1e-5)
    assert DurationDecoder(tables, SETTINGS, [0], None).follow(who, probs, None).remaining_seconds is None


def test_streams_do_not_touch_each_other_and_go_on_from_a_saved_state():
    random, tables = np.random.default_rng(4), count_transcripts(TRAINING, 3, spread=0.3)
    probs = random.dirichlet(np.ones(3), (2, 40)).astype(np.float32)
    alone = [
        DurationDecoder(tables, SETTINGS, [0], 5.0).follow(np.zeros(40, dtype=np.int64), one, None) for one in probs
    ]
    both = DurationDecoder(tables, SETTINGS, [0], 5.0, num_streams=2)
    for t in range(20):
        said = both.follow(np.array([1, 0]), probs[::-1, t], None)
        np.testing.assert_array_equal(said.probs[:, ::-1], np.stack([one.probs[:, t] for one in alone], axis=1))
    elsewhere = DurationDecoder(tables, SETTINGS, [0], 5.0)
    elsewhere.load_state_dict(0, both.state_dict(1))
    rest = elsewhere.follow(np.zeros(20, dtype=np.int64), probs[1, 20:], None)
    np.testing.assert_array_equal(rest.probs, alone[1].probs[:, 20:])
    both.reset(0)
    again = both.follow(np.zeros(40, dtype=np.int64), probs[0], None)
    np.testing.assert_array_equal(again.probs, alone[0].probs)


def test_transcripts_are_counted():
    tables = count_transcripts([video((0, 2), (1, 8), (0, 2), (2, 4)), video((1, 8), (2, 4))], 3, 0.0, num_lengths=4)
    np.testing.assert_allclose(tables.lengths, [[2] * 4, [8] * 4, [4] * 4])
    share = np.array([3, 3, 3]) / 9
    np.testing.assert_allclose(tables.first, (np.array([1, 1, 0]) + share) / 3)
    # From 0: once to 1 and once to 2, and one more that is spread evenly, of which none stays.
    np.testing.assert_allclose(tables.following[0], [0, 0.5, 0.5])
    np.testing.assert_allclose(tables.following[1], np.array([1 + 1 / 3, 0, 1 + 1 / 3]) / (2 + 2 / 3))
    np.testing.assert_allclose(tables.following.sum(axis=1), 1)


def test_lengths_are_smoothed_and_a_class_that_was_never_seen_gets_those_of_all():
    sharp, smooth = (count_transcripts(TRAINING, 4, spread).lengths for spread in (0.0, 0.5))
    assert (np.diff(smooth, axis=1) >= 0).all()
    assert smooth[2].max() > 55 >= sharp[2].max()
    every = np.concatenate([np.diff(segment_array(labels)[:, :2]).ravel() for labels in TRAINING])
    assert sharp[3].min() == every.min()
    assert (smooth >= 1).all()


def test_a_single_class_follows_itself():
    tables = count_transcripts([video((0, 6))], 1, 0.3)
    posterior = filtered(tables, np.ones((50, 1)), 0.01)
    np.testing.assert_allclose(posterior.probs, 1)


def test_no_training_segment_is_refused():
    with pytest.raises(InputError, match="no training segment to learn durations from"):
        count_transcripts([], 3, 0.3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"first": np.ones(2)}, "the filter's first is"),
        ({"lengths": np.zeros((3, 4))}, "lengths are less than a frame"),
        ({"first": np.array([0.5, 0.2, np.nan])}, "or not finite"),
        ({"following": np.ones((3, 3))}, "do not sum to 1"),
    ],
)
def test_tables_that_cannot_be_are_refused(changed, message):
    check_tables(TINY, 3, "here")
    with pytest.raises(InputError, match=message):
        check_tables(dataclasses.replace(TINY, **changed), 3, "here")
