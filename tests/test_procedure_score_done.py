"""Scores of the done list: by hand, against plain loops, and the distance of orders against all edits."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.metrics.procedure import score_procedures
from protas_gtcc.metrics.procedure_done import order_distance, order_similarity
from tests.scored_procedures import (
    NAN,
    assert_equals,
    done,
    mean,
    random_videos,
    report_of,
    scores_of,
    truth_of,
)


def test_the_done_list_of_a_case_worked_by_hand() -> None:
    # 1 comes again and is completed at 30; 2 at 20; 3 at 40; 4 ends with the recording, so it cannot be reported.
    truth = truth_of([(0, 10, 1), (10, 20, 2), (20, 30, 1), (30, 40, 3), (40, 50, 4)], 50)
    # 2 is at once, 1 is 4 frames late, 3 is too early, 5 never happened.
    events = (done(2, 20), done(5, 25), done(1, 34), done(3, 39))
    scores = scores_of((report_of(50, events=events), truth), fps=2.0)["done"]
    assert_equals(scores["f1"], 2 * 2 / (2 * 2 + 2 + 0))
    assert_equals(scores["precision"], 2 / 4)
    assert_equals(scores["recall"], 1)
    assert_equals(scores["delay_seconds"], (0 + 4) / 2 / 2)
    # Reported 2, 5, 1, 3; true 2, 1, 3: one is inserted.
    assert_equals(scores["pos"], 1 - 1 / 3)
    assert [scores[name] for name in ("num_completions", "num_false", "num_never_reported")] == [3, 2, 0]


def test_the_median_delay_is_that_of_all_true_positives() -> None:
    steps = [(0, 10, 1), (10, 20, 2), (20, 30, 3)]
    one = report_of(99, events=(done(1, 10), done(2, 21), done(3, 90))), truth_of(steps, 99)
    other = report_of(99, events=(done(1, 15),)), truth_of(steps, 99, name="other")
    # 0, 1, 60 and 5 frames.
    scores = scores_of(one, other)
    assert_equals(scores["done"]["median_delay_seconds"], 3)
    assert scores["intervals"]["done"]["median_delay_seconds"] is None


@pytest.mark.parametrize(
    ("reported", "true", "distance"),
    [
        ([], [], 0),
        ([1, 2, 3], [1, 2, 3], 0),
        ([2, 1, 3], [1, 2, 3], 1),  # neighbours are swapped
        ([1, 4, 3], [1, 2, 3], 2),  # replaced
        ([1, 3], [1, 2, 3], 1),
        ([3, 1], [1, 2, 3], 2),  # swapped, and one inserted between them
        ([3, 2, 1], [1, 2, 3], 3),
    ],
)
def test_the_distance_of_orders_by_hand(reported: list[int], true: list[int], distance: int) -> None:
    assert order_distance(reported, true) == distance


def test_the_similarity_of_orders_is_at_least_0() -> None:
    assert order_similarity([4, 5, 6], [1, 2]) == 0
    assert order_similarity([1], []) is None


def cheapest_edits(first: Sequence[int], second: Sequence[int]) -> int:
    """Least cost of edits of any kind in any order, by trying all."""
    symbols, goal, longest = sorted({*first, *second}), tuple(second), max(len(first), len(second)) + 1
    waiting, seen = [(0, tuple(first))], set()
    while True:
        cost, now = heapq.heappop(waiting)
        if now == goal:
            return cost
        if now in seen:
            continue
        seen.add(now)
        edits = [(1, now[:i] + now[i + 1 :]) for i in range(len(now))]
        edits += [(1, (*now[:i], now[i + 1], now[i], *now[i + 2 :])) for i in range(len(now) - 1)]
        edits += [(2, (*now[:i], one, *now[i + 1 :])) for i in range(len(now)) for one in symbols]
        edits += [(1, (*now[:i], one, *now[i:])) for i in range(len(now) + 1) for one in symbols if len(now) < longest]
        for extra, then in edits:
            heapq.heappush(waiting, (cost + extra, then))


SEQUENCES = st.lists(st.integers(0, 2), max_size=4)


@given(SEQUENCES, SEQUENCES)
@settings(max_examples=60, deadline=None)
def test_the_distance_of_orders_is_the_cost_of_the_cheapest_edits(first: list[int], second: list[int]) -> None:
    assert order_distance(first, second) == cheapest_edits(first, second)


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_the_done_list_equals_its_plain_twin(seed: int) -> None:
    videos = random_videos(seed)
    scores = score_procedures(videos, 1.0)["done"]
    f1, pos, delays = [], [], []
    for report, truth in videos:
        ends: dict[int, int] = {}
        for _, end, label in truth.steps.tolist():
            ends[label] = max(ends.get(label, 0), end)
        ends = {label: end for label, end in ends.items() if end < truth.num_frames}
        reported = {event.label: event.frame for event in report.events if event.kind == "done"}
        right = [label for label, frame in reported.items() if label in ends and frame >= ends[label]]
        delays += [reported[label] - ends[label] for label in right]
        never = [label for label in ends if label not in reported]
        if reported or ends:
            precision = len(right) / len(reported) if reported else 0
            recall = len(right) / (len(right) + len(never)) if right or never else 0
            f1.append(2 * precision * recall / (precision + recall) if precision and recall else 0)
        if ends:
            order = [label for _, label in truth.completions()]
            assert sorted(order) == sorted(ends)
            assert [ends[label] for label in order] == sorted(ends.values())
            # The other way round: it is a distance.
            pos.append(max(1 - order_distance(order, list(reported)) / len(order), 0))
    assert_equals(scores["f1"], mean(f1))
    assert_equals(scores["pos"], mean(pos))
    assert_equals(scores["delay_seconds"], mean(delays))
    assert_equals(scores["median_delay_seconds"], float(np.median(delays)) if delays else NAN)
