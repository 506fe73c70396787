"""Scores of what is reported of procedures: time left, next step, done list and alarms, with intervals over people.

    scores = score_procedures(videos, fps, lookups)
    scores["time_left"]["error_minutes"], scores["intervals"]["time_left"]["error_minutes"]

`videos` are pairs of a `Procedure`, as a model reports it, and its `ProcedureTruth`. `DEFINITIONS` defines each figure.
Figures are nested as in `metrics.json`: plain numbers, None where undefined; `intervals` repeats the structure.

An evaluation keeps a `ProcedureRow` of each recording, and makes the figures of them all at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

Figures = dict[str, Any]
COVERAGE = "interval_coverage"
"""The figure that look-ups lack: they report no intervals."""
DEFINITIONS = {
    **procedure_times.DEFINITIONS,
    **procedure_done.DEFINITIONS,
    **procedure_alarms.DEFINITIONS,
}
"""Unit and meaning of each figure, by its path; those of look-ups are below `lookups.<name>`."""
IN_METRICS = {
    "procedure.num_videos": ("videos", "Test videos whose procedure is scored."),
    "procedure.num_left_out": ("videos", "Test videos whose task no training video in the dataset has."),
    "procedure.budget_per_hour": ("per hour", "The budget of false alarms that the alarms were raised with."),
    **{f"procedure.{path}": definition for path, definition in DEFINITIONS.items()},
    **{
        f"procedure.lookups.*.{path}": definition
        for path, definition in DEFINITIONS.items()
        if path.startswith(("time_left", "next_step", "alarms.")) and not path.endswith(COVERAGE)
    },
}
"""The same of `procedure` in metrics.json."""


class _Row(NamedTuple):
    """What one report of a recording adds to every figure."""

    time_left: np.ndarray
    next_step: np.ndarray
    done: DoneRow
    alarms: AlarmRow


class ProcedureRow(NamedTuple):
    """What one recording adds to the figures of a model and of look-ups; it does not grow with the recording."""

    model: _Row
    lookups: Mapping[str, _Row]
    """By name; empty where none are fitted."""
    budget: float | None
    """False alarms an hour that the model's alarms keep to; None if it raises none."""


def score_procedures(
    videos: Iterable[tuple[Procedure, ProcedureTruth]], fps: float, lookups: ProcedureLookUps | None = None
) -> Figures:
    """All figures over recordings, each visited once, and their 95 % intervals.

    With `lookups`, what they are worth on the same recordings, given the true steps, is under `lookups`. Intervals are
    over people where all are known, else over recordings. Raises `InputError`, naming the recording, if report and
    truth do not fit each other, or if there is no recording.
    """
    rows, truths = [], []
    for procedure, truth in videos:
        rows.append(procedure_row(procedure, truth, fps, lookups))
        truths.append(truth)

    def figures(weights: np.ndarray) -> Figures:
        found = _figures([row.model for row in rows], weights, fps)
        return found | ({"lookups": _of_lookups(rows, weights, fps)} if lookups else {})

    return _scored(figures, truths)


def procedure_row(
    procedure: Procedure,
    truth: ProcedureTruth,
    fps: float,
    lookups: ProcedureLookUps | None = None,
    budget: float | None = None,
) -> ProcedureRow:
    """The row of one recording. Raises `InputError` as `score_procedures` does."""
    reported = lookups.report(truth) if lookups else {}
    return ProcedureRow(
        _row(procedure, truth, fps), {name: _row(one, truth, fps) for name, one in reported.items()}, budget
    )


def weighted_procedures(rows: Sequence[ProcedureRow | None], weights: np.ndarray, fps: float) -> Figures | None:
    """`procedure` of metrics.json: figures `[R]` of R samples of recordings, when recording v counts `weights[r, v]`.

    A recording without a row is left out and counted; None if all are. Without a budget there are no figures of alarms.
    """
    is_scored = np.array([row is not None for row in rows])
    kept, own = [row for row in rows if row is not None], weights[:, is_scored]
    if not kept:
        return None
    budgets = {row.budget for row in kept}
    found = _figures([row.model for row in kept], own, fps)
    if None in budgets or len(budgets) > 1:
        found |= {"alarms": None, "alarms_by_tag": None}
    return {
        "num_videos": own.sum(axis=1),
        "num_left_out": weights[:, ~is_scored].sum(axis=1),
        "budget_per_hour": np.full(len(weights), budgets.pop()) if found["alarms"] else None,
        **found,
        "lookups": _of_lookups(kept, own, fps) or None,
    }


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


def _of_lookups(rows: Sequence[ProcedureRow], weights: np.ndarray, fps: float) -> Figures:
    """By name, those figures that a look-up has; empty where a row lacks look-ups."""
    names = [TOTAL, AFTER_LAST] if all(row.lookups for row in rows) else []
    return {name: _of_lookup(name, [row.lookups[name] for row in rows], weights, fps) for name in names}


def _of_lookup(name: str, rows: Sequence[_Row], weights: np.ndarray, fps: float) -> Figures:
    """Those figures that a look-up has."""
    found = _figures(rows, weights, fps)
    for family in ("time_left", "next_step"):
        del found[family][COVERAGE]
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
