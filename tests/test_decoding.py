"""The duration filter: equal to brute force, to the look-ups where evidence says nothing else, and to itself online."""

import dataclasses
from itertools import product
from typing import NamedTuple

import numba
import numpy as np
import pytest

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.annotations.transcripts import TranscriptTables, check_tables, count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding import duration_filter
from protas_gtcc.decoding.compilation import report_compilation
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.predictions import Prediction

SETTINGS = DecodingConfig(filter="durations", interruption=1e-9, network_share=0.0, hedge=False)
NUM_BINS = SETTINGS.progress_bins
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
TABLES = count_transcripts(TRAINING, 3, SETTINGS)


def one_hot(labels: np.ndarray, num_classes: int = 3) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[labels]


def filtered(
    tables: TranscriptTables, probs: np.ndarray, interruption: float, evidence: float = 1.0
) -> duration_filter.FilterOutput:
    """The output of the filter alone; the first class is background."""
    settings = dataclasses.replace(SETTINGS, evidence=evidence, interruption=interruption, interval_tail=0.1)
    rule = duration_filter.make_rule(settings, np.arange(len(tables.first)) > 0)
    hypotheses, output = make_hypotheses(tables, settings), duration_filter.empty_output(*probs.shape)
    beliefs, streams = np.zeros((1, len(hypotheses.bins))), np.zeros(len(probs), dtype=np.int64)
    given = probs.astype(np.float32)
    duration_filter.filter_frames(hypotheses, rule, beliefs, streams, given, given, output)
    return output


def decoded(
    tables: TranscriptTables,
    settings: DecodingConfig,
    probs: np.ndarray,
    progress: np.ndarray | None = None,
    fps: float | None = 5.0,
) -> Prediction:
    """The prediction for one video; the first class is background."""
    decoder = DurationDecoder(tables, settings, [0], fps)
    return decoder.decode(np.zeros(len(probs), dtype=np.int64), probs, progress)


def doubted(probs: np.ndarray) -> np.ndarray:
    """The evidence of the network's probabilities `[T, C]`."""
    return (1 - SETTINGS.doubt) * probs + SETTINGS.doubt / probs.shape[1]


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
            phases = min(int(length), SETTINGS.max_phases)
            rate = phases / length
            is_longest = length == max(lengths)
            end_rate = 1 / (1 / rate + SETTINGS.overrun * length) if is_longest else rate
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
def test_the_output_is_that_of_the_dense_chain(interruption, evidence):
    probs = np.random.default_rng(1).uniform(0.05, 1, (60, 3))
    begins, move, labels = chain(TABLES, interruption)
    states = all_states(TABLES)
    left, progress = (np.array([getattr(state, name) for state in states]) for name in ("remaining", "progress"))
    found, mass = filtered(TABLES, probs, interruption, evidence), begins
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


def test_without_evidence_the_network_changes_nothing():
    random = np.random.default_rng(2)
    ignoring = dataclasses.replace(SETTINGS, evidence=0.0)
    one, other = (decoded(TABLES, ignoring, random.dirichlet(np.ones(3), 30)) for _ in range(2))
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.progress, other.progress)


def test_a_long_length_has_its_expected_duration_with_few_phases():
    length = 300.0
    tables = TranscriptTables(np.array([[length], [5.0]]), np.array([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    hypotheses = make_hypotheses(tables, SETTINGS)
    assert hypotheses.start[-1] == SETTINGS.max_phases + 5
    found = filtered(tables, np.full((1, 2), 0.5), 1e-9)
    assert found.remaining[0] == pytest.approx(length * (1 + SETTINGS.overrun) - 1)
    # Progress grows evenly over the phases, and the last bin is reached.
    assert hypotheses.bins[0] == 0
    assert hypotheses.bins[SETTINGS.max_phases - 1] == NUM_BINS - 1


def test_an_action_that_lasts_longer_than_in_training_stays_at_its_end():
    tables = count_transcripts([video((0, 4), (1, 9)), video((0, 5), (1, 14))], 2, SETTINGS)
    output = filtered(tables, one_hot(np.ones(60, dtype=np.int64), 2), 0.01, 0.7)
    assert (output.labels == 1).all()
    assert (np.diff(output.progress[:, 1]) > -0.02).all()
    assert output.progress[40:, 1].min() > 0.9


def test_an_isolated_error_of_the_network_changes_no_label():
    truth = video((0, 3), (1, 12), (0, 3), (2, 40))
    seen = truth.copy()
    seen[[8, 30]] = 2, 1
    labels = decoded(TABLES, SETTINGS, 0.7 * one_hot(seen) + 0.1).labels
    assert labels[8] == 1
    assert labels[30] == 2


@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_reported_progress_is_the_predicted_class_channel_and_lies_in_its_range(hedge, share):
    random, num_frames = np.random.default_rng(3), 80
    probs = random.dirichlet(np.full(3, 0.3), num_frames).astype(np.float32)
    progress = random.random((num_frames, 3)).astype(np.float32)
    settings = dataclasses.replace(SETTINGS, hedge=hedge, network_share=share)
    output = decoded(TABLES, settings, probs, progress)
    own = output.progress[output.labels, np.arange(num_frames)]
    np.testing.assert_allclose(output.reported, np.where(output.labels == 0, 0, own), atol=1e-6)
    assert output.progress.min() >= 0
    assert output.progress.max() <= 1
    np.testing.assert_allclose(output.probs.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(output.labels, output.probs.argmax(axis=0))
    assert (output.interval[0] <= output.interval[1]).all()
    assert (output.remaining_seconds >= 0).all()
    if not hedge and share == 1.0:
        np.testing.assert_allclose(output.progress, progress.T, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_hedge_allows_for_the_other_actions(share):
    """One action is likelier than each of two others, less likely than both together, and further advanced."""
    one = np.array([0.4, 0.3, 0.3])
    following = np.array([[0.0, *one]] * 4)
    following[[1, 2, 3], 0], following[[1, 2, 3], [1, 2, 3]] = one, 0
    tables = TranscriptTables(np.array([[1.0], [4.0], [20.0], [20.0]]), np.array([0.0, *one]), following)
    probs = np.full((3, 4), 0.25, dtype=np.float32)
    progress = np.array([[0.0, 0.9, 0.2, 0.4]] * 3, dtype=np.float32)
    output = {}
    for hedge in (False, True):
        settings = dataclasses.replace(SETTINGS, hedge=hedge, network_share=share)
        output[hedge] = decoded(tables, settings, probs, progress)
    assert output[True].labels[2] == 1
    # Three frames into 4, or into 20; of all three actions together the median lies at 3/20.
    assert output[False].reported[2] == pytest.approx((1 - share) * 0.75 + share * 0.9, abs=0.02)
    assert output[True].reported[2] == pytest.approx((1 - share) * 0.15 + share * 0.5, abs=0.02)
    np.testing.assert_array_equal(output[True].progress[2:, 2], output[False].progress[2:, 2])


def test_remaining_time_is_in_seconds():
    probs = one_hot(np.ones(5, dtype=np.int64))
    slow, fast, unknown = (decoded(TABLES, SETTINGS, probs, fps=fps).remaining_seconds for fps in (5.0, 10.0, None))
    np.testing.assert_allclose(slow, 2 * fast, rtol=1e-6)
    frames = filtered(TABLES, probs, SETTINGS.interruption, SETTINGS.evidence).remaining
    np.testing.assert_allclose(slow, frames / 5, rtol=1e-5)
    assert unknown is None


def test_streams_do_not_affect_each_other_and_resume_from_a_saved_state():
    probs = np.random.default_rng(4).dirichlet(np.ones(3), (2, 40)).astype(np.float32)
    alone = [decoded(TABLES, SETTINGS, one) for one in probs]
    both = DurationDecoder(TABLES, SETTINGS, [0], 5.0, num_streams=2)
    for t in range(20):
        output = both.decode(np.array([1, 0]), probs[::-1, t], None)
        np.testing.assert_array_equal(output.probs[:, ::-1], np.stack([one.probs[:, t] for one in alone], axis=1))
    elsewhere = DurationDecoder(TABLES, SETTINGS, [0], 5.0)
    elsewhere.state(0)["belief"].copy_(both.state(1)["belief"])
    rest = elsewhere.decode(np.zeros(20, dtype=np.int64), probs[1, 20:], None)
    np.testing.assert_array_equal(rest.probs, alone[1].probs[:, 20:])
    both.state(0)["belief"].zero_()
    again = both.decode(np.zeros(40, dtype=np.int64), probs[0], None)
    np.testing.assert_array_equal(again.probs, alone[0].probs)


def test_transcripts_are_counted():
    tables = count_transcripts(
        [video((0, 2), (1, 8), (0, 2), (2, 4)), video((1, 8), (2, 4))], 3, DecodingConfig(spread=0.0, num_lengths=4)
    )
    np.testing.assert_allclose(tables.lengths, [[2] * 4, [8] * 4, [4] * 4])
    share = np.array([3, 3, 3]) / 9
    np.testing.assert_allclose(tables.first, (np.array([1, 1, 0]) + share) / 3)
    # From 0: once to 1 and once to 2, and one more that is spread evenly, of which none stays.
    np.testing.assert_allclose(tables.following[0], [0, 0.5, 0.5])
    np.testing.assert_allclose(tables.following[1], np.array([1 + 1 / 3, 0, 1 + 1 / 3]) / (2 + 2 / 3))
    np.testing.assert_allclose(tables.following.sum(axis=1), 1)


def test_lengths_are_smoothed_and_a_class_without_segments_gets_those_of_all():
    sharp, smooth = (count_transcripts(TRAINING, 4, DecodingConfig(spread=spread)).lengths for spread in (0.0, 0.5))
    assert (np.diff(smooth, axis=1) >= 0).all()
    assert smooth[2].max() > 55 >= sharp[2].max()
    every = np.concatenate([np.diff(segment_array(labels)[:, :2]).ravel() for labels in TRAINING])
    assert sharp[3].min() == every.min()
    assert (smooth >= 1).all()


def test_a_single_class_follows_itself():
    tables = count_transcripts([video((0, 6))], 1, SETTINGS)
    posterior = filtered(tables, np.ones((50, 1)), 0.01)
    np.testing.assert_allclose(posterior.probs, 1)


def test_no_training_segment_is_refused():
    with pytest.raises(InputError, match="no training segment to learn durations from"):
        count_transcripts([], 3, SETTINGS)


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


def test_the_size_of_the_filter_follows_its_settings():
    settings = DecodingConfig(num_lengths=3, max_phases=5, progress_bins=10)
    tables = count_transcripts(TRAINING, 3, settings)
    assert tables.lengths.shape == (3, 3)
    hypotheses = make_hypotheses(tables, settings)
    assert np.diff(hypotheses.start).max() == 5
    assert hypotheses.bins.max() == 9


def test_the_length_limit_bounds_the_longest_length():
    longest = {
        limit: count_transcripts(TRAINING, 3, DecodingConfig(spread=2.0, length_limit=limit)).lengths.max()
        for limit in (1.0, 2.0)
    }
    assert longest == pytest.approx({1.0: 55, 2.0: 110}, rel=0.02)


def test_doubt_is_the_least_share_of_evidence_for_a_class():
    """The network excludes the true class at one frame; only doubt lets the filter keep it."""
    probs = one_hot(np.array([1, 1, 1, 2, 1, 1]))
    kept, lost = (decoded(TABLES, DecodingConfig(doubt=doubt), probs).labels for doubt in (0.9, 1e-6))
    assert kept[3] == 1
    assert lost[3] == 2


def test_a_setting_out_of_its_range_is_refused():
    with pytest.raises(InputError, match="--max-phases is 0; it must be from 1 to 10000"):
        DecodingConfig(max_phases=0)


def test_compilation_is_reported_once_and_only_where_it_happens(capsys):
    @numba.njit
    def add_one(x):
        return x + 1

    for _ in range(2):
        with report_compilation("a test"):
            add_one(1)
            add_one(1.0)
    assert capsys.readouterr().err.count("compiling a test, once on this machine") == 1
