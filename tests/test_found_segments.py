"""How the segments of a class are found: by hand, and as a loop over frames counts them."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.metrics.found_segments import ClassSegments, found_by_class, match_segments
from protas_gtcc.metrics.online import online_figures, online_statistics
from protas_gtcc.metrics.scored_video import ScoredVideo

NUM_CLASSES, BACKGROUND, FPS = 5, [0, 3], 4.0
LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=1, max_size=10).map(
    lambda runs: np.repeat([label for label, _ in runs], [length for _, length in runs])
)


def scored(labels: np.ndarray, estimate: np.ndarray) -> ScoredVideo:
    return ScoredVideo(labels, estimate, np.zeros((1, len(labels))), BACKGROUND, FPS)


def found(labels: list[int], estimate: list[int]) -> list[ClassSegments | None]:
    video = scored(np.array(labels), np.array(estimate))
    return found_by_class([match_segments(video)], NUM_CLASSES, FPS)


def alike(labels: np.ndarray, seed: int) -> np.ndarray:
    """Predictions that are often right: the labels a little later, with some stretches replaced."""
    random = np.random.default_rng(seed)
    estimate = np.roll(labels, random.integers(-5, 6))
    for _ in range(random.integers(0, 4)):
        start = random.integers(0, len(labels))
        estimate[start : start + random.integers(1, 12)] = random.integers(0, NUM_CLASSES)
    return estimate


def slowly(labels: np.ndarray, estimate: np.ndarray) -> list[list[int]]:
    """The rows of `match_segments`, one true segment and one predicted one after the other."""
    rows = []
    for start, end, label in segment_array(labels).tolist():
        if label in BACKGROUND:
            continue
        predicted = segment_array(estimate).tolist()
        pieces = [(a, b) for a, b, other in predicted if other == label and any(start <= t < end for t in range(a, b))]
        taken = [int(one) for one in estimate[start:end]]
        taken_for = min(set(taken), key=lambda one: (-taken.count(one), one))
        times = [0, 0, 0]
        if pieces:
            length = sum(b - a for a, b in pieces)
            times = [pieces[0][0] - start, pieces[-1][1] - end, length - (end - start)]
        rows.append([label, len(pieces), *times, taken_for])
    return rows


@given(LABELS, st.integers(0, 999))
@settings(max_examples=200, deadline=None)
def test_matches_are_those_of_a_plain_loop(labels: np.ndarray, seed: int) -> None:
    estimate = alike(labels, seed)
    assert match_segments(scored(labels, estimate)).tolist() == slowly(labels, estimate)


@given(st.lists(LABELS, min_size=1, max_size=3), st.integers(0, 999))
@settings(max_examples=100, deadline=None)
def test_classes_are_counted_as_a_plain_loop_counts_them(videos: list[np.ndarray], seed: int) -> None:
    pairs = [(labels, alike(labels, seed + number)) for number, labels in enumerate(videos)]
    rows = [row for pair in pairs for row in slowly(*pair)]
    for label, one in enumerate(found_by_class([match_segments(scored(*pair)) for pair in pairs], NUM_CLASSES, FPS)):
        own = [row[1:] for row in rows if row[0] == label]
        if not own:
            assert one is None
            continue
        assert one is not None
        hits, missed = [row for row in own if row[0]], [row for row in own if not row[0]]
        assert (one.num, one.num_missed, one.num_in_pieces) == (len(own), len(missed), sum(row[0] > 1 for row in own))
        for quartiles, values in (
            (one.start, [row[1] for row in hits]),
            (one.end, [row[2] for row in hits]),
            (one.length, [row[3] for row in hits]),
        ):
            assert quartiles == (pytest.approx(np.percentile(values, [25, 50, 75]) / FPS) if hits else None)
        taken = [row[4] for row in missed]
        most = max(sorted(set(taken)), key=taken.count) if taken else None
        assert one.taken_for == (None if most is None else [most, taken.count(most)])


@given(LABELS, st.integers(0, 999))
@settings(max_examples=100, deadline=None)
def test_missed_segments_and_late_starts_are_those_of_the_online_figures(labels: np.ndarray, seed: int) -> None:
    video = scored(labels, alike(labels, seed))
    rows = match_segments(video)
    if not len(rows):
        return
    pieces, start = rows[:, 1], rows[:, 2]
    figures = online_figures(online_statistics(video)[None], FPS)
    assert np.mean(pieces == 0) == pytest.approx(figures["never_found"][0])
    if pieces.any():
        assert np.maximum(start[pieces > 0], 0).mean() / FPS == pytest.approx(figures["first_delay_seconds"][0])


def test_late_starts_and_early_ends_are_too_short() -> None:
    one = found([0, 0, 1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 0, 0, 0])[1]
    assert one is not None
    assert astuple(one) == (1, 0, 0, [0.5] * 3, [-0.25] * 3, [-0.75] * 3, None)


def test_early_starts_and_late_ends_are_too_long() -> None:
    one = found([0, 0, 1, 1, 1, 1, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 1, 0])[1]
    assert one is not None
    assert (one.start, one.end, one.length) == ([-0.25] * 3, [0.75] * 3, [1.0] * 3)


def test_in_pieces_the_first_starts_the_last_ends_and_all_together_have_the_length() -> None:
    one = found([0, 1, 1, 1, 1, 1, 1, 1, 0], [0, 0, 1, 2, 1, 2, 1, 1, 1])[1]
    assert one is not None
    assert (one.num_missed, one.num_in_pieces) == (0, 1)
    assert (one.start, one.end, one.length) == ([0.25] * 3, [0.25] * 3, [-0.5] * 3)


def test_a_missed_segment_is_taken_for_what_is_predicted_in_most_of_its_frames() -> None:
    labels = [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 2]
    one = found(labels, [2, 4, 4, 0, 4, 4, 2, 0, 0, 0, 1, 1])[1]
    assert one is not None
    assert (one.num, one.num_missed, one.start, one.taken_for) == (3, 3, None, [4, 2])
    other = found(labels, [2, 4, 4, 0, 4, 4, 2, 0, 0, 0, 1, 1])[2]
    assert other is not None
    assert other.taken_for == [1, 1]


def test_one_prediction_may_be_a_piece_of_several_true_segments() -> None:
    one = found([1, 1, 1, 0, 0, 1], [1] * 6)[1]
    assert one is not None
    assert (one.num_missed, one.num_in_pieces) == (0, 0)
    assert one.start == pytest.approx([-0.9375, -0.625, -0.3125])
    assert one.end == pytest.approx([0.1875, 0.375, 0.5625])


def test_without_actions_no_class_has_segments() -> None:
    assert found([0, 0, 3], [1, 1, 1]) == [None] * NUM_CLASSES
    assert found_by_class([], 2, FPS) == [None, None]
