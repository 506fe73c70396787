"""What the report counts: confusion, reliability and lengths, each against a plain loop and by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.progress_targets import progress_target
from protas_gtcc.metrics.confusion import confusion_counts
from protas_gtcc.metrics.reliability import by_tenths, tenths
from protas_gtcc.metrics.segment_lengths import BIN_NAMES, length_statistics
from tests.brute_force import segments_from_labels

NUM_CLASSES, BACKGROUND = 4, [0, 3]
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), min_size=1, max_size=12).map(
    lambda runs: np.repeat([label for label, _ in runs], [length for _, length in runs])
)


@given(LABELS, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_confusion_counts_every_frame_once(labels: np.ndarray, seed: int) -> None:
    estimate = np.random.default_rng(seed).integers(0, NUM_CLASSES, len(labels))
    slow = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    for true, predicted in zip(labels, estimate, strict=True):
        slow[true, predicted] += 1
    np.testing.assert_array_equal(confusion_counts(estimate, labels, NUM_CLASSES), slow)


def test_rows_of_the_confusion_are_true_classes() -> None:
    found = confusion_counts(np.array([1, 1, 2]), np.array([1, 2, 2]), 3)
    assert found.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 1]]


@given(LABELS)
@settings(max_examples=80, deadline=None)
def test_a_target_lies_in_the_tenth_that_whole_numbers_say(labels: np.ndarray) -> None:
    found = tenths(progress_target(labels, []))
    for segment in segments_from_labels(labels):
        for done in range(1, len(segment) + 1):
            exact = next(tenth for tenth in range(10) if 10 * done <= (tenth + 1) * len(segment))
            assert found[segment.start + done - 1] == exact


def test_the_ends_of_the_scale_lie_in_the_first_and_the_last_tenth() -> None:
    assert tenths(np.array([0.0, 0.1, 0.1001, 0.3, 1.0], dtype=np.float32)).tolist() == [0, 0, 1, 2, 9]


@given(st.integers(1, 300), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_means_and_quartiles_are_those_of_the_frames_in_each_tenth(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values, progress = random.random(count).astype(np.float32), random.random(count).astype(np.float32)
    found = by_tenths(values, progress)
    for tenth in range(10):
        own = [float(v) for v, p in zip(values, progress, strict=True) if max(int(np.ceil(p * 10)) - 1, 0) == tenth]
        assert found.num_frames[tenth] == len(own)
        if not own:
            assert np.isnan([found.mean[tenth], found.low[tenth], found.high[tenth]]).all()
            continue
        np.testing.assert_allclose(found.mean[tenth], sum(own) / len(own))
        np.testing.assert_allclose([found.low[tenth], found.high[tenth]], np.percentile(own, [25, 75]))


def test_a_perfect_report_lies_on_the_diagonal() -> None:
    target = progress_target(np.repeat([1, 2], 1000), [])
    np.testing.assert_allclose(by_tenths(target, target).mean, np.arange(10) / 10 + 0.05, atol=1e-3)


@given(LABELS, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_length_bins_equal_a_plain_loop(labels: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    estimate, reported = random.integers(0, NUM_CLASSES, len(labels)), random.random(len(labels)).astype(np.float32)
    slow = np.zeros((len(BIN_NAMES), 4))
    for segment in segments_from_labels(labels):
        if segment.label in BACKGROUND:
            continue
        for index, (shortest, longest) in enumerate([(1, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 10**9)]):
            if shortest <= len(segment) <= longest:
                slow[index, 0] += 1
                for t in range(segment.start, segment.end):
                    target = (t - segment.start + 1) / len(segment)
                    slow[index, 1:] += 1, estimate[t] == segment.label, abs(reported[t] - target)
    np.testing.assert_allclose(length_statistics(estimate, reported, labels, BACKGROUND), slow, atol=1e-4)


def test_lengths_of_a_case_worked_by_hand() -> None:
    labels, estimate = np.array([1, 1, 0, 2, 2, 2]), np.array([1, 2, 1, 2, 2, 2])
    reported = np.array([0.5, 0.0, 0.9, 1.0, 1.0, 1.0])  # targets 1/2, 1, none, 1/3, 2/3, 1
    found = length_statistics(estimate, reported, labels, [0])
    np.testing.assert_allclose(found[0], [1, 2, 1, 1.0], atol=1e-6)
    np.testing.assert_allclose(found[1], [1, 3, 3, 1.0], atol=1e-6)
    assert not found[2:].any()
