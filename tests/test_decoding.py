"""The duration filter: equal to brute force, independent of the frame rate, and to itself online."""

import dataclasses
import tracemalloc
from itertools import product
from typing import NamedTuple

import numba
import numpy as np
import pytest
from scipy.linalg import expm

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.annotations.transcripts import TranscriptTables, check_tables, count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding import belief, compilation
from protas_gtcc.decoding.compilation import report_compilation
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.errors import InputError
from protas_gtcc.metrics import segmentation_scores
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.predictions import Prediction

FPS = 5.0
SETTINGS = DecodingConfig(filter="durations", phases=4)
ALONE = dataclasses.replace(SETTINGS, network_class_share=0.0, network_progress_share=0.0, progress_doubt=0.0)
"""The filter without the network's own belief."""
BIN = 1 / (SETTINGS.phases * SETTINGS.bins_per_phase)
REPORT = compilation._Reporter.on_start  # before the session is silent
TINY = TranscriptTables(
    lengths=np.array([[0.2, 0.4], [0.4, 0.6], [0.2, 0.3]]),
    typical=np.array([0.4]),
    share=np.array([0.5, 0.3, 0.2]),
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
TABLES = count_transcripts(TRAINING, 3, SETTINGS, FPS)


def one_hot(labels: np.ndarray, num_classes: int = 3) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[labels]


def decoded(
    probs: np.ndarray,
    progress: np.ndarray | None = None,
    settings: DecodingConfig = ALONE,
    tables: TranscriptTables = TABLES,
    fps: float = FPS,
) -> Prediction:
    """The prediction for one video; the first class is background."""
    decoder = DurationDecoder(tables, settings, [0], fps)
    return decoder.decode(np.zeros(len(probs), dtype=np.int64), probs, progress)


def evidence(probs: np.ndarray, tables: TranscriptTables, settings: DecodingConfig = ALONE) -> np.ndarray:
    """What the network's probabilities `[T, C]` weight the hypotheses with."""
    freed = probs / tables.share**settings.prior_exponent
    freed /= freed.sum(axis=1, keepdims=True)
    doubted = (1 - settings.doubt) * freed + settings.doubt / probs.shape[1]
    return doubted ** min(settings.evidence / (tables.typical[0] * FPS), 1)


def state_weights(probs: np.ndarray, tables: TranscriptTables, settings: DecodingConfig = ALONE) -> np.ndarray:
    """What each state is weighted with at each frame, `[T, S]`, where class 0 is the background.

    Within a task, the odds of all its actions against background are those of all actions.
    """
    weighted, is_action = [], np.arange(probs.shape[1]) > 0
    for c, k in zip(tables.state_class, tables.state_task, strict=True):
        freed = probs / tables.share**settings.prior_exponent
        freed /= freed.sum(axis=1, keepdims=True)
        if c == 0:
            own = np.isin(np.arange(probs.shape[1]), tables.state_class[tables.state_task == k]) & is_action
            freed[:, c] *= freed[:, own].sum(axis=1) / freed[:, is_action].sum(axis=1)
        doubted = (1 - settings.doubt) * freed[:, c] + settings.doubt / probs.shape[1]
        weighted.append(doubted ** min(settings.evidence / (tables.typical[0] * FPS), 1))
    return np.stack(weighted, axis=1)


class Chain(NamedTuple):
    """The whole Markov chain, from the tables as plainly as can be: a generator in continuous time for each length."""

    begins: np.ndarray
    move: np.ndarray
    labels: np.ndarray
    low: np.ndarray
    """Progress where a state begins, `[S]`."""
    high: np.ndarray
    seconds: np.ndarray
    """Generator `[S, S]` of a segment's own states, per second; what a row lacks to 0 is the rate of its end."""


def chain(tables: TranscriptTables, settings: DecodingConfig = ALONE) -> Chain:
    phases = settings.phases
    rates = np.repeat(phases / tables.lengths.ravel(), phases)
    labels = np.repeat(np.arange(len(tables.lengths)), tables.lengths.shape[1] * phases)
    phase = np.tile(np.arange(phases), tables.lengths.size)
    seconds = np.diag(-rates) + np.diag((rates * (phase + 1 < phases))[:-1], 1)
    stays = expm(seconds / FPS)
    # A segment that starts has passed the first frame from phase 0 on; it does not end in it.
    starts = stays[phase == 0].sum(axis=0) / tables.lengths.shape[1]
    starts += (phase + 1 == phases) * np.repeat(1 - stays[phase == 0].sum(axis=1), phases) / tables.lengths.shape[1]
    ends = 1 - stays.sum(axis=1)
    move = stays + ends[:, None] * tables.following[labels][:, labels] * starts
    np.testing.assert_allclose(move.sum(axis=1), 1)
    return Chain(tables.first[labels] * starts, move, labels, phase / phases, (phase + 1) / phases, seconds)


def quantile(low: np.ndarray, high: np.ndarray, mass: np.ndarray, level: float) -> float:
    """Of values that are spread evenly from `low` to `high`; both 0 for a value that is 0. By halving where it lies."""
    share = mass / mass.sum()
    at_least, at_most = 0.0, 1.0
    while at_most - at_least > 1e-5:
        middle = (at_least + at_most) / 2
        below = np.clip((middle - low) / np.maximum(high - low, 1e-12), 0, 1) @ share
        at_least, at_most = (at_least, middle) if below >= level else (middle, at_most)
    return at_most


def test_the_posterior_is_that_of_every_path_enumerated():
    probs = np.random.default_rng(0).uniform(0.1, 1, (3, 3))
    settings = dataclasses.replace(ALONE, phases=2)
    weights, found = evidence(probs, TINY), decoded(probs, None, settings, TINY)
    begins, move, labels, *_ = chain(TINY, settings)
    for last in range(3):
        mass = np.zeros(len(labels))
        for path in product(range(len(labels)), repeat=last + 1):
            probability = begins[path[0]] * weights[0, labels[path[0]]]
            for t in range(1, last + 1):
                probability *= move[path[t - 1], path[t]] * weights[t, labels[path[t]]]
            mass[path[-1]] += probability
        expected = np.bincount(labels, mass, minlength=3) / mass.sum()
        np.testing.assert_allclose(found.probs[:, last], expected, rtol=1e-4)


@pytest.mark.parametrize("strength", [3.0, 12.0, 100.0])
def test_the_output_is_that_of_the_dense_chain(strength):
    settings = dataclasses.replace(ALONE, evidence=strength)
    probs = np.random.default_rng(1).uniform(0.05, 1, (60, 3))
    begins, move, labels, low, high, seconds = chain(TABLES)
    found, mass = decoded(probs, None, settings), begins
    for t, weights in enumerate(evidence(probs, TABLES, settings)):
        mass = (begins if t == 0 else mass @ move) * weights[labels]
        mass = mass / mass.sum()
        np.testing.assert_allclose(found.probs[:, t], np.bincount(labels, mass), rtol=1e-4)
        for label in range(3):
            own = labels == label
            assert found.progress[label, t] == pytest.approx(quantile(low[own], high[own], mass[own], 0.5), abs=1e-3)
        is_action = labels > 0
        for value, level in ((found.interval[0, t], 0.1), (found.reported[t], 0.5), (found.interval[1, t], 0.9)):
            assert value == pytest.approx(quantile(low * is_action, high * is_action, mass, level), abs=1e-3)
        if t % 20 == 19:
            own = mass * (labels == found.labels[t])
            left = own @ expm(seconds * float(found.remaining_seconds[t]))
            # Between the points in time at which the distribution is known, the median is interpolated.
            assert left.sum() / own.sum() == pytest.approx(0.5, abs=0.02)


def test_with_certain_segments_of_certain_lengths_it_is_the_median_look_up():
    lengths = np.array([9, 10, 12, 14, 25])
    settings = dataclasses.replace(ALONE, phases=200, bins_per_phase=1, evidence=1e3, doubt=1e-6)
    following = np.array([[0.0, 1.0], [1.0, 0.0]])
    tables = TranscriptTables(
        np.array([[0.6] * 5, lengths / FPS]), np.array([2.0]), np.full(2, 0.5), np.full(2, 0.5), following
    )
    truth = video((0, 3), (1, 14), (0, 3), (1, 25))
    found = decoded(one_hot(truth, 2), None, settings, tables).progress[1]
    training = [video(*[one for length in lengths for one in ((0, 3), (1, int(length)))])]
    lookups = fit_lookups(training, 2, [0])
    expected = lookups.report(truth)[list(lookups.names).index("median_index_class")]
    # Lengths vary a little here, and progress lies in the middle of the phase that is reached.
    index = np.concatenate([np.arange(end - start) for start, end, _ in segment_array(truth)])
    clear = (truth == 1) & (index < 8)
    np.testing.assert_allclose(found[clear], expected[clear], atol=0.03)


def toy_world(fps: float, num_videos: int = 6) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Labels, a noisy network's probabilities and progress of videos, three times a second, repeated to `fps`."""
    random, labels, probs, progress = np.random.default_rng(7), [], [], []
    for _ in range(num_videos):
        seconds = random.uniform([1, 3, 4, 6], [3, 8, 9, 14], (4, 4)).ravel()
        truth = np.repeat(np.tile(random.permutation(4), 4), (3 * seconds).astype(int))
        noisy = np.exp(1.5 * np.eye(4)[truth] + random.normal(size=(len(truth), 4)))
        times = int(fps / 3)
        labels.append(np.repeat(truth, times))
        probs.append(np.repeat(noisy / noisy.sum(axis=1, keepdims=True), times, axis=0))
        progress.append(np.repeat(random.random((len(truth), 4)), times, axis=0))
    return labels, probs, progress


def test_repeating_every_frame_at_a_higher_rate_changes_nothing_that_is_reported():
    """At the same moments: where a frame of the lowest rate ends."""
    edit, means = [], []
    for fps in (3.0, 15.0, 30.0):
        labels, probs, progress = toy_world(fps)
        settings = dataclasses.replace(SETTINGS, phases=16)
        tables, times = count_transcripts(labels, 4, settings, fps), int(fps / 3)
        found = [decoded(*one, settings, tables, fps) for one in zip(probs, progress, strict=True)]
        seen = [one.labels[times - 1 :: times] for one in found]
        edit.append(segmentation_scores(seen, [one[::times] for one in labels], [0])["edit"])
        fields = [np.stack([one.reported, one.remaining_seconds])[:, times - 1 :: times] for one in found]
        means.append(np.concatenate(fields, axis=1).mean(axis=1))
    assert max(edit) - min(edit) < 2
    assert (np.ptp(means, axis=0) < [0.01, 0.15]).all()


def test_without_evidence_the_network_changes_nothing():
    random = np.random.default_rng(2)
    ignoring = dataclasses.replace(ALONE, evidence=0.0)
    one, other = (decoded(random.dirichlet(np.ones(3), 30), None, ignoring) for _ in range(2))
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.progress, other.progress)


def held_labels(probs: np.ndarray, margin: float) -> list[int]:
    """The likeliest class of each frame, or the label before unless another is likelier by more than the margin."""
    labels: list[int] = []
    for frame in probs.T:
        likeliest = int(frame.argmax())
        keep = bool(labels) and frame[likeliest] - frame[labels[-1]] <= margin
        labels.append(labels[-1] if keep else likeliest)
    return labels


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_a_label_is_kept_until_another_class_is_likelier_by_the_margin(margin):
    probs = np.random.default_rng(5).dirichlet(np.ones(3), 200).astype(np.float32)
    found = decoded(probs, None, dataclasses.replace(SETTINGS, label_margin=margin))
    np.testing.assert_array_equal(found.labels, held_labels(found.probs, margin))


def test_shares_of_1_are_the_network_alone():
    random = np.random.default_rng(3)
    probs, progress = random.dirichlet(np.ones(3), 40), random.random((40, 3))
    settings = dataclasses.replace(
        SETTINGS,
        network_class_share=1.0,
        network_progress_share=1.0,
        progress_doubt=0.0,
        temperature=1.0,
        prior_exponent=0.0,
    )
    found = decoded(probs, progress, settings)
    np.testing.assert_allclose(found.probs.T, probs, atol=1e-5)
    np.testing.assert_array_equal(found.labels, held_labels(probs.T, settings.label_margin))
    np.testing.assert_allclose(found.progress.T, progress, atol=BIN)


def test_a_temperature_softens_the_network_and_the_prior_is_divided_out():
    probs = np.array([[0.8, 0.1, 0.1]])
    settings = dataclasses.replace(SETTINGS, network_class_share=1.0, temperature=2.0, prior_exponent=1.0)
    expected = np.sqrt(probs / TABLES.share)
    np.testing.assert_allclose(decoded(probs, None, settings).probs.T, expected / expected.sum(), rtol=1e-5)


def test_a_bias_against_background_lowers_its_log_probability_in_the_filter_and_beside_it():
    random = np.random.default_rng(5)
    probs = random.dirichlet(np.ones(3), 40).astype(np.float32)
    progress = random.random((40, 3)).astype(np.float32)
    lowered = probs * np.array([np.exp(-1.5), 1, 1])
    lowered /= lowered.sum(axis=1, keepdims=True)
    biased = decoded(probs, progress, dataclasses.replace(SETTINGS, background_bias=1.5))
    expected = decoded(lowered, progress, SETTINGS)
    np.testing.assert_array_equal(biased.labels, expected.labels)
    for name in ("probs", "progress", "reported", "interval", "remaining_seconds"):
        np.testing.assert_allclose(getattr(biased, name), getattr(expected, name), atol=1e-5)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_a_quantile_has_its_share_below_it_and_the_median_the_least_expected_error(level):
    random = np.random.default_rng(4)
    for _ in range(20):
        at_zero, histogram = random.random() * random.integers(0, 2), random.dirichlet(np.full(8, 0.3))
        found = belief._quantile(at_zero, histogram, level)
        low = np.append(np.arange(8) / 8, 0)
        high = np.append((np.arange(8) + 1) / 8, 0)
        mass = np.append(histogram, at_zero)
        assert found == pytest.approx(quantile(low, high, mass, level), abs=1e-3)
        values = np.append((low + high)[:8, None] / 2 + np.linspace(-1, 1, 41) / 16, np.zeros((1, 41)), axis=0)
        errors = [(np.abs(values - one).mean(axis=1) * mass).sum() for one in np.linspace(0, 1, 201)]
        if level == 0.5:
            assert (np.abs(values - found).mean(axis=1) * mass).sum() <= min(errors) + 1e-3


def test_reported_progress_lies_in_its_interval_and_every_field_in_its_range():
    random, num_frames = np.random.default_rng(3), 80
    probs = random.dirichlet(np.full(3, 0.3), num_frames).astype(np.float32)
    output = decoded(probs, random.random((num_frames, 3)).astype(np.float32), SETTINGS)
    assert (output.interval[0] <= output.reported).all()
    assert (output.reported <= output.interval[1]).all()
    assert output.progress.min() >= 0
    assert output.progress.max() <= 1
    np.testing.assert_allclose(output.probs.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(output.labels, held_labels(output.probs, SETTINGS.label_margin))
    assert (output.remaining_interval[0] >= 0).all()
    assert (output.remaining_interval[0] <= output.remaining_seconds).all()
    assert (output.remaining_seconds <= output.remaining_interval[1]).all()


def test_an_action_that_lasts_longer_than_in_training_stays_at_its_end():
    tables = count_transcripts([video((0, 4), (1, 9)), video((0, 5), (1, 14))], 2, SETTINGS, FPS)
    output = decoded(one_hot(np.ones(60, dtype=np.int64), 2), None, ALONE, tables)
    assert (output.labels == 1).all()
    assert output.progress[1, 3] < 0.5
    assert output.progress[1, 12:].min() > 0.6


def test_an_isolated_error_of_the_network_changes_no_label():
    truth = video((0, 3), (1, 12), (0, 3), (2, 40))
    seen = truth.copy()
    seen[[8, 30]] = 2, 1
    labels = decoded(0.7 * one_hot(seen) + 0.1).labels
    assert labels[8] == 1
    assert labels[30] == 2


def test_streams_do_not_affect_each_other_and_resume_from_a_saved_state():
    probs = np.random.default_rng(4).dirichlet(np.ones(3), (2, 40)).astype(np.float32)
    alone = [decoded(one) for one in probs]
    both = DurationDecoder(TABLES, ALONE, [0], FPS, num_streams=2)
    for t in range(20):
        output = both.decode(np.array([1, 0]), probs[::-1, t], None)
        np.testing.assert_array_equal(output.probs[:, ::-1], np.stack([one.probs[:, t] for one in alone], axis=1))
    elsewhere = DurationDecoder(TABLES, ALONE, [0], FPS)
    elsewhere.state(0)["belief"].copy_(both.state(1)["belief"])
    rest = elsewhere.decode(np.zeros(20, dtype=np.int64), probs[1, 20:], None)
    np.testing.assert_array_equal(rest.probs, alone[1].probs[:, 20:])
    both.state(0)["belief"].zero_()
    for decoder in (both, both.fresh()):
        again = decoder.decode(np.zeros(40, dtype=np.int64), probs[0], None)
        np.testing.assert_array_equal(again.probs, alone[0].probs)


def test_what_is_counted_does_not_depend_on_the_frame_rate():
    """Nor for class 3, which has no segment."""
    labels = [video((0, 2), (1, 8), (0, 2), (2, 4)), video((1, 8), (2, 4))]
    slow, fast = (
        count_transcripts([np.repeat(one, times) for one in labels], 4, SETTINGS, 2.0 * times) for times in (1, 10)
    )
    for name, values in vars(slow).items():
        np.testing.assert_allclose(getattr(fast, name), values, err_msg=name)


def test_transcripts_are_counted():
    labels = [video((0, 2), (1, 8), (0, 2), (2, 4)), video((1, 8), (2, 4))]
    tables = count_transcripts(labels, 3, DecodingConfig(spread=0.0, num_lengths=4), 2.0)
    np.testing.assert_allclose(tables.lengths, [[1] * 4, [4] * 4, [2] * 4])
    np.testing.assert_allclose(tables.typical, [2])
    np.testing.assert_allclose(
        tables.share, np.array([4 + 4, 16 + 4, 8 + 4]) / 40
    )  # and a segment of median length for each
    share = np.array([3, 3, 3]) / 9
    np.testing.assert_allclose(tables.first, (np.array([1, 1, 0]) + share) / 3)
    # From 0: once to 1 and once to 2, and one more that is spread evenly, of which none stays.
    np.testing.assert_allclose(tables.following[0], [0, 0.5, 0.5])
    np.testing.assert_allclose(tables.following[1], np.array([1 + 1 / 3, 0, 1 + 1 / 3]) / (2 + 2 / 3))
    np.testing.assert_allclose(tables.following.sum(axis=1), 1)


def test_lengths_are_smoothed_and_a_class_without_segments_gets_those_of_all():
    sharp, smooth = (
        count_transcripts(TRAINING, 4, DecodingConfig(spread=spread), FPS).lengths for spread in (0.0, 0.5)
    )
    assert (np.diff(smooth, axis=1) >= 0).all()
    assert smooth[2].max() > 55 / FPS >= sharp[2].max()
    every = np.concatenate([np.diff(segment_array(labels)[:, :2]).ravel() for labels in TRAINING])
    assert sharp[3].min() == every.min() / FPS
    assert smooth.min() > 0


def test_lengths_of_many_videos_are_smoothed_in_memory_for_their_different_ones():
    tracemalloc.start()
    many = count_transcripts(TRAINING * 3000, 3, SETTINGS, FPS)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(many.lengths, TABLES.lengths)
    assert most < 30e6  # for each of 1000 points, 18,000 segments of a class would be 144 MB


def test_a_single_class_follows_itself():
    tables = count_transcripts([video((0, 6))], 1, SETTINGS, FPS)
    np.testing.assert_allclose(decoded(np.ones((50, 1)), None, ALONE, tables).probs, 1)


def test_no_training_segment_is_refused():
    with pytest.raises(InputError, match="no training segment to learn durations from"):
        count_transcripts([], 3, SETTINGS, FPS)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"first": np.ones(2)}, "the filter's first is"),
        ({"lengths": np.zeros((3, 4))}, "lengths or shares are not positive"),
        ({"share": np.zeros(3)}, "lengths or shares are not positive"),
        ({"typical": np.zeros(1)}, "lengths or shares are not positive"),
        ({"first": np.array([0.5, 0.2, np.nan])}, "or not finite"),
        ({"following": np.ones((3, 3))}, "do not sum to 1"),
    ],
)
def test_tables_that_cannot_be_are_refused(changed, message):
    check_tables(TINY, 3, "here")
    with pytest.raises(InputError, match=message):
        check_tables(dataclasses.replace(TINY, **changed), 3, "here")


def test_the_size_of_the_filter_follows_its_settings():
    settings = DecodingConfig(num_lengths=3, phases=5)
    tables = count_transcripts(TRAINING, 3, settings, FPS)
    assert tables.lengths.shape == (3, 3)
    assert make_hypotheses(tables, settings, FPS).ended.shape[:2] == (9, 5)


def test_the_length_limit_bounds_the_longest_length():
    longest = {
        limit: count_transcripts(TRAINING, 3, DecodingConfig(spread=2.0, length_limit=limit), FPS).lengths.max()
        for limit in (1.0, 2.0)
    }
    assert longest == pytest.approx({1.0: 11, 2.0: 22}, rel=0.03)


def test_doubt_is_the_least_share_of_evidence_for_a_class():
    """The network excludes the true class at one frame; only doubt lets the filter keep it."""
    probs = one_hot(np.array([1, 1, 1, 2, 1, 1]))
    kept, lost = (
        decoded(probs, None, dataclasses.replace(ALONE, doubt=doubt, evidence=1e3)).labels for doubt in (0.9, 1e-9)
    )
    assert kept[3] == 1
    assert lost[3] == 2


def test_a_setting_out_of_its_range_is_refused():
    with pytest.raises(InputError, match="--phases is 0; it must be from 1 to 1000"):
        DecodingConfig(phases=0)


def test_compilation_is_reported_once_and_only_where_it_happens(capsys, monkeypatch):
    monkeypatch.setattr(compilation._Reporter, "on_start", REPORT)

    @numba.njit
    def add_one(x):
        return x + 1

    for _ in range(2):
        with report_compilation("a test"):
            add_one(1)
            add_one(1.0)
    assert capsys.readouterr().err.count("compiling a test, once on this machine") == 1
