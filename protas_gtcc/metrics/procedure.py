"""Scores of what is reported of procedures: time left, next step, done list and alarms, with intervals over people.

    scores = score_procedures(videos, fps, lookups)
    scores["time_left"]["error_minutes"], scores["intervals"]["time_left"]["error_minutes"]

`videos` are pairs of a `Procedure`, as a model reports it, and its `ProcedureTruth`. `DEFINITIONS` defines each figure.
Figures are nested as in `metrics.json`: plain numbers, None where undefined; `intervals` repeats the structure.

An evaluation keeps a `ProcedureRow` of each recording, or of many together, and makes the figures of all at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

    def added(self, other: _Row) -> _Row:
        sums = self.time_left + other.time_left, self.next_step + other.next_step
        return _Row(*sums, self.done.added(other.done), self.alarms.added(other.alarms))


@dataclass(frozen=True, eq=False)
class ProcedureRow:
    """What recordings add to the figures of a model and of look-ups; of one, it does not grow with the recording."""

    num_videos: int = 0
    """Recordings that are scored."""
    left_out: tuple[str, ...] = ()
    """Names of those that are not."""
    model: _Row | None = None
    """None without a recording that is scored."""
    lookups: Mapping[str, _Row] = field(default_factory=dict)
    """By name; empty where none are fitted."""
    budgets: frozenset[float | None] = frozenset()
    """False alarms an hour that the model's alarms keep to; None if it raises none."""

    def __add__(self, other: ProcedureRow) -> ProcedureRow:
        """What the recordings of both add."""
        one, more = (self, other) if self.model else (other, self)
        if one.model is None or more.model is None:
            return replace(one, left_out=self.left_out + other.left_out)
        names = one.lookups.keys() & more.lookups.keys()
        return ProcedureRow(
            one.num_videos + more.num_videos,
            one.left_out + more.left_out,
            one.model.added(more.model),
            {name: one.lookups[name].added(more.lookups[name]) for name in names},
            one.budgets | more.budgets,
        )


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
        found = _figures([row.model for row in rows if row.model], weights, fps)
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
    by_lookup = {name: _row(one, truth, fps) for name, one in reported.items()}
    return ProcedureRow(1, (), _row(procedure, truth, fps), by_lookup, frozenset([budget]))


def weighted_procedures(rows: Sequence[ProcedureRow], weights: np.ndarray, fps: float) -> Figures | None:
    """`procedure` of metrics.json: figures `[R]` of R samples of recordings, when those of row v count `weights[r, v]`.

    None if all recordings are left out. Without a budget there are no figures of alarms.
    """
    kept, own = [row for row in rows if row.model], weights[:, [row.model is not None for row in rows]]
    if not kept:
        return None
    (budget, *others) = frozenset[float | None]().union(*(row.budgets for row in kept))
    found = _figures([row.model for row in kept if row.model], own, fps)
    if budget is None or others:
        found |= {"alarms": None, "alarms_by_tag": None}
    return {
        "num_videos": weights @ [row.num_videos for row in rows],
        "num_left_out": weights @ [len(row.left_out) for row in rows],
        "budget_per_hour": np.full(len(weights), budget) if found["alarms"] else None,
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
