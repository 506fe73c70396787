"""Scores of procedures together: intervals, definitions, what must not change them, and bad input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.intervals import jackknife_intervals, leaves
from protas_gtcc.metrics.limits import is_count, limits_of
from protas_gtcc.metrics.procedure import DEFINITIONS, score_procedures
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import REASONS, Event, Procedure
from tests.scored_procedures import (
    NAN,
    NUM_CLASSES,
    Video,
    alarm,
    done,
    random_truth,
    random_videos,
    report_of,
    scores_of,
    truth_of,
)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_perfect_report_has_perfect_scores(seed: int) -> None:
    truth = random_truth(seed)
    starts, _, labels = truth.steps.T
    frames = np.arange(truth.num_frames)
    following = np.searchsorted(starts, frames, side="right")
    probs = np.zeros((NUM_CLASSES, truth.num_frames), dtype=np.float32)
    for frame in frames[: truth.last_start]:
        upcoming = starts == starts[following[frame]]  # several may start together
        probs[labels[upcoming], frame] = 1
    events: list[Event] = [done(label, frame) for frame, label in truth.completions()]
    for reason in REASONS:
        for label in truth.wrong_in(reason):
            is_before = reason == "missing" and label in labels  # it comes too late
            frame = int(starts[labels == label][0]) if is_before else truth.num_frames
            events.append(alarm(reason, label, frame - 1))
    left = np.maximum(truth.end - frames - 1, 0).astype(np.float32)
    next_seconds = (np.append(starts, 0)[following] - frames - 1).astype(np.float32)
    report = report_of(
        truth.num_frames,
        left_seconds=left,
        left_interval=np.stack([left, left]),
        next_probs=probs,
        next_seconds=next_seconds,
        events=tuple(events),
    )
    scores = scores_of((report, truth))
    for path, best in (
        (("time_left", "error_minutes"), 0),
        (("time_left", "interval_coverage"), 1),
        (("next_step", "at_starts", "top_3"), 1),
        (("next_step", "error_seconds"), 0),
        (("done", "f1"), 1),
        (("done", "pos"), 1),
        (("done", "delay_seconds"), 0),
        (("alarms", "all", "recall"), 1),
        (("alarms", "all", "precision"), 1),
        (("alarms", "all", "num_false"), 0),
    ):
        found: Any = scores
        for name in path:
            found = found[name]
        crowded = len(starts) and np.unique(starts, return_counts=True)[1].max() > 3
        assert found in (None, best) or (crowded and path[-1] == "top_3"), path


@pytest.mark.parametrize("steps", [[], [(3, 3, 1)], [(0, 9, 1)], [(3, 6, 1)], [(0, 1, 1)]])
def test_recordings_with_few_steps_or_none_leave_figures_undefined(steps: list[tuple[int, int, int]]) -> None:
    scores = scores_of((report_of(9), truth_of(steps, 9)))
    assert scores["alarms"]["missing"]["recall"] is None
    assert scores["alarms"]["all"]["false_per_hour"] == 0
    if not steps:
        assert scores["time_left"]["error_minutes"] is None
        assert scores["done"]["f1"] is None


def test_a_recording_without_steps_changes_no_mean() -> None:
    videos = random_videos(1)
    with_empty = score_procedures([*videos, (report_of(20), truth_of([], 20))], 1.0)
    alone = score_procedures(videos, 1.0)
    for family in ("time_left", "next_step", "done"):
        assert with_empty[family] == alone[family]


def test_the_order_of_recordings_and_the_numbers_of_classes_do_not_matter() -> None:
    videos, order = random_videos(5, 4), np.array([0, 3, 1, 6, 2, 5, 4])
    inverse = np.argsort(order)

    def renamed(report: Procedure, truth: ProcedureTruth) -> Video:
        events = tuple(dataclasses.replace(one, label=int(order[one.label])) for one in report.events)
        steps = np.column_stack([truth.steps[:, :2], order[truth.steps[:, 2]]])
        wrong = {reason: {int(order[label]) for label in labels} for reason, labels in truth.wrong.items()}
        changed = dataclasses.replace(
            truth,
            steps=steps,
            missing=order[list(truth.missing)].tolist(),
            wrong=wrong,
            tags=[(int(order[label]), tag) for label, tag in truth.tags],
        )
        return dataclasses.replace(report, next_probs=report.next_probs[inverse], events=events), changed

    expected = dict(leaves(score_procedures(videos, 1.0)))
    found = dict(leaves(score_procedures([renamed(*one) for one in videos[::-1]], 1.0)))
    assert found.keys() == expected.keys()
    for path, value in found.items():
        assert value == (None if expected[path] is None else pytest.approx(expected[path], rel=1e-9)), path


def test_an_interval_is_that_of_the_scores_without_each_person() -> None:
    videos = random_videos(7, 8)
    people = sorted({truth.person for _, truth in videos})
    scores = score_procedures(videos, 1.0)
    without = [
        dict(leaves(score_procedures([one for one in videos if one[1].person != person], 1.0))) for person in people
    ]
    intervals = dict(leaves(scores.pop("intervals")))
    assert sum(interval is not None for interval in intervals.values()) > 20
    for path, value in leaves(scores):
        if path[0] in ("num_videos", "num_people") or limits_of(path) is None:
            continue
        values = [NAN if one is None else float(one) for one in (value, *(other.get(path) for other in without))]
        (ends,) = jackknife_intervals(np.array([values]), (slice(1, None),), np.array([limits_of(path)]))
        if np.isfinite(ends).all():
            assert intervals[path] == pytest.approx(ends), path
        else:
            assert intervals[path] is None, path


def test_every_figure_has_a_definition_and_counts_are_whole() -> None:
    scores = score_procedures(random_videos(7, 8), 1.0)
    assert [scores.pop(name) for name in ("num_videos", "num_people")] == [8, 4]
    scores.pop("intervals")
    used = set()
    for path, value in leaves(scores):
        definition = definition_of(path, DEFINITIONS)
        assert definition is not None, path
        used.add(definition)
        assert is_count(path) == path[-1].startswith("num_")
        assert isinstance(value, int) or not is_count(path)
    assert used == set(DEFINITIONS.values())


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": np.array([[5, 8, 1], [2, 4, 2]])}, "sort them"),
        ({"steps": np.array([[5, 11, 1]])}, "frame 11 of 10"),
        ({"missing": {1}}, "class 1 is missing, but it happens"),
        ({"missing": {9}}, "missing class 9 is no step of its task"),
    ],
)
def test_a_truth_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(truth_of([(1, 3, 1)], 10), **change)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (report_of(9), "9 frames, the truth 10"),
        (report_of(10, left_seconds=np.full(10, np.nan)), "left_seconds is not finite"),
        (report_of(10, next_probs=np.zeros((1, 10))), "not one of 1"),
        (report_of(10, events=(done(1, 3), done(1, 4))), "reported twice as done"),
    ],
)
def test_a_report_that_does_not_fit_is_refused(report: Procedure, message: str) -> None:
    with pytest.raises(InputError, match=f"recording video: .*{message}"):
        scores_of((report, truth_of([(1, 3, 1)], 10)))


def test_no_recording_is_refused() -> None:
    with pytest.raises(InputError, match="there is no recording to score"):
        scores_of()
