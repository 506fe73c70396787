"""What the report counts: confusion, reliability and lengths, each against a plain loop and by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.metrics.breakdowns import by_tenths, correct_by_length, tenths
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import confusion_counts

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


@given(LABELS)
@settings(max_examples=80, deadline=None)
def test_a_target_lies_in_the_tenth_that_whole_numbers_say(labels: np.ndarray) -> None:
    found = tenths(progress_target(labels, []))
    for start, end, _ in segment_array(labels).tolist():
        for done in range(1, end - start + 1):
            exact = next(tenth for tenth in range(10) if 10 * done <= (tenth + 1) * (end - start))
            assert found[start + done - 1] == exact


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
        assert found["num_frames"][tenth] == len(own)
        if not own:
            assert np.isnan([found[name][tenth] for name in ("mean", "low", "high")]).all()
            continue
        np.testing.assert_allclose(found["mean"][tenth], sum(own) / len(own))
        np.testing.assert_allclose([found["low"][tenth], found["high"][tenth]], np.percentile(own, [25, 75]))


@given(LABELS, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_correct_frames_by_length_equal_a_plain_loop(labels: np.ndarray, seed: int) -> None:
    estimate = np.random.default_rng(seed).integers(0, NUM_CLASSES, len(labels))
    slow = [0] * 6
    for start, end, label in segment_array(labels).tolist():
        for index, (shortest, longest) in enumerate([(1, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 10**9)]):
            if label not in BACKGROUND and shortest <= end - start <= longest:
                slow[index] += sum(int(one) == label for one in estimate[start:end])
    video = ScoredVideo(labels, estimate, np.zeros((1, len(labels))), BACKGROUND)
    assert correct_by_length(video).tolist() == slow
