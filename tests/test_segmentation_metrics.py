"""Segmentation scores: golden figures, slow twins, and hand-worked cases."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.annotations.segments import transcript
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.segmentation import (
    STATISTICS,
    THRESHOLDS,
    levenshtein,
    score_segmentation,
    segmentation_statistics,
)
from tests.brute_force import Segment, segments_from_labels

label_pairs = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n).map(np.array)] * 2)
)


def score(estimate: list[int], reference: list[int], background: Collection[int] = (0,)) -> dict[str, float]:
    return score_segmentation([(np.array(estimate), np.array(reference))], background)


@pytest.mark.parametrize(
    ("authors", "edit"), [("reference_protas_eval", "edit_merged"), ("reference_mstcn_eval", "edit")]
)
def test_golden_scores_of_both_authors_hold(shared_folder: Path, authors: str, edit: str) -> None:
    golden = json.loads((shared_folder / "parity" / "segment_metrics.json").read_text())
    pairs = [(np.array(video["pred"]), np.array(video["gt"])) for video in golden["videos"]]
    expected, scores = golden[authors], score_segmentation(pairs, [0])
    found = [scores[name] for name in ("acc", "acc_no_background", edit, "f1@10", "f1@25", "f1@50")]
    np.testing.assert_allclose(
        found, [expected["acc"], expected["acc_bg"], expected["edit"], *expected["f1"]], rtol=0, atol=1e-9
    )
    for (estimate, reference), (edit_of_video, *counts) in zip(pairs, expected["per_video"], strict=True):
        row = dict(zip(STATISTICS, segmentation_statistics([(estimate, reference)], [0])[0], strict=True))
        assert row[edit] == pytest.approx(edit_of_video, abs=1e-9)
        assert [confusion(row, threshold) for threshold in THRESHOLDS] == counts


def confusion(row: dict[str, float], threshold: int) -> list[float]:
    hits = row[f"true_positives@{threshold}"]
    return [hits, row["estimated_segments"] - hits, row["reference_segments"] - hits]


@given(label_pairs)
@settings(max_examples=300, deadline=None)
def test_true_positives_equal_the_sequential_greedy_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    row = dict(zip(STATISTICS, segmentation_statistics([pair], [0])[0], strict=True))
    estimated, wanted = ([s for s in segments_from_labels(labels) if s.label != 0] for labels in pair)
    for threshold in THRESHOLDS:
        assert confusion(row, threshold) == greedy_counts(estimated, wanted, threshold / 100)


def greedy_counts(estimated: list[Segment], wanted: list[Segment], threshold: float) -> list[float]:
    taken: set[Segment] = set()
    for segment in estimated:
        same = [other for other in wanted if other.label == segment.label]
        best = max(same, key=lambda other: iou(segment, other), default=None)
        if best is not None and iou(segment, best) >= threshold:
            taken.add(best)
    # Each segment is taken by the first that wants it; all others that want it are wrong.
    return [len(taken), len(estimated) - len(taken), len(wanted) - len(taken)]


def iou(first: Segment, second: Segment) -> float:
    a, b = set(range(first.start, first.end)), set(range(second.start, second.end))
    return len(a & b) / len(a | b)


@given(st.lists(st.integers(0, 4), max_size=70), st.lists(st.integers(0, 4), max_size=70))
@settings(max_examples=300, deadline=None)
def test_bit_parallel_levenshtein_equals_the_table(first: list[int], second: list[int]) -> None:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        above, row = row, [i]
        for j, b in enumerate(second, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    assert levenshtein(first, second) == row[-1]


@given(label_pairs)
@settings(max_examples=100, deadline=None)
def test_edit_scores_compare_the_two_kinds_of_transcript(pair: tuple[np.ndarray, np.ndarray]) -> None:
    scores = score_segmentation([pair], [0])
    for name, merge in (("edit", False), ("edit_merged", True)):
        estimated, wanted = (transcript(labels, [0], merge) for labels in pair)
        longer = max(len(estimated), len(wanted))
        expected = 100 * (1 - levenshtein(estimated, wanted) / longer) if longer else 100
        assert scores[name] == pytest.approx(expected)


def test_a_perfect_estimate_scores_100_everywhere() -> None:
    assert set(score([0, 1, 1, 2, 0], [0, 1, 1, 2, 0]).values()) == {100.0}


def test_scores_of_a_case_worked_by_hand() -> None:
    # Segments 1 [1, 3) and 2 [3, 6) against 1 [1, 4) and 2 [4, 6): IoU 2/3 each; frame 3 is wrong.
    scores = score([0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 2])
    assert scores["acc"] == pytest.approx(500 / 6)
    assert scores["acc_no_background"] == pytest.approx(80)
    assert [scores[name] for name in ("edit", "f1@10", "f1@25", "f1@50")] == [100, 100, 100, 100]


def test_only_the_merged_edit_score_forgives_background_inside_an_action() -> None:
    scores = score([1, 0, 1, 2], [1, 1, 1, 2])
    assert scores["edit_merged"] == 100
    assert scores["edit"] == pytest.approx(100 * (1 - 1 / 3))


def test_background_may_be_several_classes_or_none() -> None:
    assert score([1, 2, 3, 3], [1, 2, 0, 3], background=[0, 3])["f1@10"] == 100
    assert score([0, 0, 1, 1], [0, 0, 1, 1], background=[])["acc_no_background"] == 100


def test_f1_pools_counts_over_videos_and_edit_averages_scores() -> None:
    good = (np.array([1, 2, 3, 1]), np.array([1, 2, 3, 1]))
    bad = (np.array([2, 2]), np.array([1, 1]))
    scores = score_segmentation([good, bad], [0])
    assert scores["f1@50"] == pytest.approx(100 * 2 * 4 / 10)
    assert scores["edit"] == 50


def test_empty_sides_have_defined_scores() -> None:
    neither = score([0, 0], [0, 0])
    assert (neither["edit"], neither["edit_merged"], neither["f1@10"]) == (100, 100, 100)
    assert np.isnan(neither["acc_no_background"])
    for one_side in (score([0, 0], [1, 1]), score([1, 1], [0, 0])):
        assert (one_side["edit"], one_side["edit_merged"], one_side["f1@10"]) == (0, 0, 0)


def test_unequal_lengths_and_empty_videos_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2,\), the reference \(3,\)"):
        score([0, 1], [0, 1, 1])
    with pytest.raises(InputError, match="without frames"):
        score([], [])
