"""Scores of what is reported of procedures: time left, next step, done list and alarms, with intervals over people.

    scores = score_procedures(videos, fps, lookups)
    scores["time_left"]["error_minutes"], scores["intervals"]["time_left"]["error_minutes"]

`videos` are pairs of a `Procedure`, as a model reports it, and its `ProcedureTruth`. `DEFINITIONS` defines each figure.
Figures are nested as in `metrics.json`: plain numbers, None where undefined; `intervals` repeats the structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics import procedure_alarms, procedure_done, procedure_times
from protas_gtcc.metrics.intervals import map_figures, with_intervals
from protas_gtcc.metrics.left_out import leave_out, one_test_each
from protas_gtcc.metrics.limits import is_count, limits_of
from protas_gtcc.metrics.procedure_alarms import MISSING, AlarmRow, alarm_figures, alarm_row
from protas_gtcc.metrics.procedure_done import DoneRow, done_figures, done_row
from protas_gtcc.metrics.procedure_lookups import AFTER_LAST, TOTAL, ProcedureLookUps
from protas_gtcc.metrics.procedure_times import (
    next_step_figures,
    next_step_statistics,
    time_left_figures,
    time_left_statistics,
)
from protas_gtcc.metrics.procedure_truth import ProcedureTruth, check_procedure
from protas_gtcc.procedure.result import Event, Procedure

DEFINITIONS = {
    **procedure_times.DEFINITIONS,
    **procedure_done.DEFINITIONS,
    **procedure_alarms.DEFINITIONS,
}
"""Unit and meaning of each figure, by its path; those of look-ups are below `lookups.<name>`."""
Figures = dict[str, Any]


class _Row(NamedTuple):
    """What one recording adds to every figure."""

    time_left: np.ndarray
    next_step: np.ndarray
    done: DoneRow
    alarms: AlarmRow


def score_procedures(
    videos: Iterable[tuple[Procedure, ProcedureTruth]], fps: float, lookups: ProcedureLookUps | None = None
) -> Figures:
    """All figures over recordings, each visited once, and their 95 % intervals.

    With `lookups`, what they are worth on the same recordings, given the true steps, is under `lookups`. Intervals are
    over people where all are known, else over recordings. Raises `InputError`, naming the recording, if report and
    truth do not fit each other, or if there is no recording.
    """
    rows: list[_Row] = []
    by_lookup: dict[str, list[_Row]] = {}
    truths = []
    for procedure, truth in videos:
        rows.append(_row(procedure, truth, fps))
        truths.append(truth)
        for name, reported in (lookups.report(truth) if lookups else {}).items():
            by_lookup.setdefault(name, []).append(_row(reported, truth, fps))

    def figures(weights: np.ndarray) -> Figures:
        found = _figures(rows, weights, fps)
        of_lookups = {name: _of_lookup(name, own, weights, fps) for name, own in by_lookup.items()}
        return found | ({"lookups": of_lookups} if lookups else {})

    return _scored(figures, truths)


def score_alarms(videos: Iterable[tuple[Sequence[Event], ProcedureTruth]], fps: float) -> Figures:
    """`alarms` and `alarms_by_tag` alone, from events: for one budget after the other. Errors as above."""
    rows, truths = [], []
    for events, truth in videos:
        rows.append(alarm_row(events, truth))
        truths.append(truth)
    return _scored(lambda weights: alarm_figures(rows, weights, fps), truths)


def _row(procedure: Procedure, truth: ProcedureTruth, fps: float) -> _Row:
    check_procedure(procedure, truth)
    return _Row(
        time_left_statistics(procedure, truth, fps),
        next_step_statistics(procedure, truth, fps),
        done_row(procedure.events, truth),
        alarm_row(procedure.events, truth),
    )


def _figures(rows: Sequence[_Row], weights: np.ndarray, fps: float) -> Figures:
    """All figures `[R]` of R samples of recordings, when recording v counts `weights[r, v]` times."""
    return {
        "time_left": time_left_figures(weights @ np.stack([row.time_left for row in rows])),
        "next_step": next_step_figures(weights @ np.stack([row.next_step for row in rows])),
        "done": done_figures([row.done for row in rows], weights, fps),
        **alarm_figures([row.alarms for row in rows], weights, fps),
    }


def _of_lookup(name: str, rows: Sequence[_Row], weights: np.ndarray, fps: float) -> Figures:
    """Those figures that a look-up has."""
    found = _figures(rows, weights, fps)
    if name == TOTAL:
        return {"time_left": found["time_left"]}
    assert name == AFTER_LAST
    return {
        "time_left": found["time_left"],
        "next_step": found["next_step"],
        "alarms": {MISSING: found["alarms"][MISSING]},
    }


def _scored(figures: Callable[[np.ndarray], Figures], truths: Sequence[ProcedureTruth]) -> Figures:
    """The figures as plain numbers, with intervals over people (or recordings)."""
    if not truths:
        raise InputError("there is no recording to score; choose a split that has some")
    people = [truth.person for truth in truths]
    has_people = all(people)
    clusters = people if has_people else [truth.name for truth in truths]
    (weights,), groups = leave_out(one_test_each(clusters))
    scores = with_intervals(figures(weights), groups, limits_of)
    intervals = scores.pop("intervals")
    numbers = map_figures(lambda path, value: int(value) if is_count(path) else value, scores)
    sizes = {"num_videos": len(truths), "num_people": len(set(people)) if has_people else None}
    return {**sizes, **numbers, "intervals": intervals}
