"""Fitting the two models of a procedure on training recordings, each seen through tables of other people.

Tables that have counted a recording know its order. So the features of a recording are made with tables of the
recordings of other people, and the weights are those that suit a new person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.procedure.evidence import LATER, NEXT, Tables, compiled_tables, find_features
from protas_gtcc.procedure.model import Models
from protas_gtcc.procedure.tables import HALF, ProcedureTables, Recording, count_procedures, drawn, visits_of

FOLDS = 10
"""Groups of people that are left out, at most."""
MOST_FITTED = 2000
"""Recordings that the two models are fitted on: some twenty weights need no more, and each is seen ten times."""
PENALTY = 0.001
"""Of the squared weights, in units of the mean log-likelihood."""


@dataclass(frozen=True, eq=False)
class StepFeatures:
    """The features at the starts of all steps of some recordings."""

    next: np.ndarray
    """`[E, W, NEXT]`, before each start; NaN for what is no step."""
    chosen: np.ndarray
    """int64 `[E]`: place of the step that started."""
    later: np.ndarray
    """`[M, LATER]`, after each start, of the steps that are not done."""
    came: np.ndarray
    """bool `[M]`: whether the step came."""
    weight: np.ndarray
    """float64 `[M]`: how often that counts: `HALF` for a step that was left out in thought."""


def fold_people(people: Sequence[str], num_folds: int = FOLDS) -> list[list[int]]:
    """Numbers of the recordings in each fold: those of a person stay together, an unknown one, "", is alone."""
    groups: dict[str, list[int]] = {}
    for number, person in enumerate(people):
        groups.setdefault(person or f"\0{number}", []).append(number)
    folds: list[list[int]] = [[] for _ in range(min(num_folds, len(groups)))]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(folds, key=len).extend(group)
    return folds


def without(
    recordings: Sequence[Recording], people: Sequence[str], fold: Collection[int]
) -> tuple[list[Recording], list[str]]:
    """All recordings but those of a fold, and their people."""
    others = sorted({*range(len(recordings))}.difference(fold))
    return [recordings[number] for number in others], [people[number] for number in others]


def without_each_fold(
    recordings: Sequence[Recording],
    people: Sequence[str],
    states: TranscriptTables,
    background: Collection[int],
    fps: float,
    needs: np.ndarray | None = None,
) -> Iterator[tuple[list[int], ProcedureTables]]:
    """Yield the recordings of each fold of people with the tables of all others, unless these have no step."""
    for fold in fold_people(people):
        others, _ = without(recordings, people, fold)
        if any(len(one.steps) for one in others):
            yield fold, count_procedures(others, states, background, fps, needs)


def fit_models(
    recordings: Sequence[Recording],
    people: Sequence[str],
    states: TranscriptTables,
    background: Collection[int],
    fps: float,
    needs: np.ndarray | None = None,
) -> Models:
    """Fit the two models. With one person or one recording there is nothing to fit on, and all weights are 1.

    Of more than `MOST_FITTED` recordings, so many are drawn, always the same.
    """
    numbers = drawn(np.arange(len(recordings)), MOST_FITTED)
    recordings, people = [recordings[one] for one in numbers], [people[one] for one in numbers]
    found = []
    for fold, tables in without_each_fold(recordings, people, states, background, fps, needs):
        gaps = _left_out(tables, recordings, fps)
        found.append(step_features(tables, [recordings[one] for one in fold], fps, [gaps[one] for one in fold]))
    found = [one for one in found if len(one.chosen)]
    if not found:
        return Models(np.ones(NEXT), np.ones(LATER))
    following, chosen, *later = (np.concatenate(parts) for parts in zip(*map(astuple, found), strict=True))
    return Models(
        next_weights=_minimise(lambda weights: _next_loss(weights, following, chosen), NEXT),
        later_weights=_minimise(lambda weights: _later_loss(weights, *later), LATER)
        if len(later[0])
        else np.ones(LATER),
    )


def step_features(
    tables: ProcedureTables, recordings: Sequence[Recording], fps: float, left_out: Sequence[Collection[int]] = ()
) -> StepFeatures:
    """The features at each start of a step, by tables that do not know these recordings.

    `left_out` are places of steps in each recording. It counts `HALF` as if each of them had been left out there.
    """
    table, width = compiled_tables(tables), tables.after.shape[1]
    following, chosen, later, came, weight = [], [], [], [], []
    for recording, gaps in zip(recordings, left_out or [()] * len(recordings), strict=True):
        sequence = _sequence(tables, recording, fps)
        is_step = tables.is_step[tables.begin[recording.task] : tables.begin[recording.task + 1]]
        for number, (before, after, done) in enumerate(_seen(table, recording.task, sequence, width)):
            undone = np.flatnonzero(is_step & (done[: len(is_step)] == 0))
            following.append(before)
            chosen.append(sequence[number])
            later.append(after[undone])
            came += [int(step) in sequence[number + 1 :] for step in undone]
            weight += [1.0] * len(undone)
        for gap in gaps:
            without_it = [place for place in sequence if place != gap]
            rows = [after[gap] for _, after, _ in _seen(table, recording.task, without_it, width)]
            later.append(np.reshape(rows, (-1, LATER)))
            came += [False] * len(rows)
            weight += [HALF] * len(rows)
    return StepFeatures(
        np.array(following).reshape(-1, width, NEXT),
        np.array(chosen, dtype=np.int64),
        np.concatenate([np.empty((0, LATER)), *later]),
        np.array(came, dtype=bool),
        np.array(weight),
    )


def _sequence(tables: ProcedureTables, recording: Recording, fps: float) -> list[int]:
    """Places of a recording's steps, in their order."""
    low, high = tables.begin[recording.task : recording.task + 2]
    places = {int(label): place for place, label in enumerate(tables.state_class[low:high])}
    return [visit.place for visit in visits_of(recording.steps, places, fps)]


def _seen(
    table: Tables, task: int, sequence: Sequence[int], width: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """At each start of a step: `[W, NEXT]` before it, NaN for what is no step; `[W, LATER]` and what is done after."""
    done, last = np.zeros((2, width))
    for place in sequence:
        before, after = np.full((width, NEXT), np.nan), np.empty((width, LATER))
        find_features(table, task, last, done, before, after)
        done[place], last = 1.0, np.eye(width)[place]
        find_features(table, task, last, done, np.empty((width, NEXT)), after)
        yield before, after, done


def _left_out(tables: ProcedureTables, recordings: Sequence[Recording], fps: float) -> list[set[int]]:
    """Places of steps to leave out of each recording in thought: each step of a task in one of its recordings.

    Where all recordings are complete, nothing else shows what it is like when a step is missing.
    """
    by_task: dict[int, list[int]] = {}
    for number, recording in enumerate(recordings):
        by_task.setdefault(recording.task, []).append(number)
    found: list[set[int]] = [set() for _ in recordings]
    for numbers in by_task.values():
        has = {number: set(_sequence(tables, recordings[number], fps)) for number in numbers}
        for turn, place in enumerate(sorted(set().union(*has.values()))):
            with_it = [number for number in numbers if place in has[number]]
            found[with_it[turn % len(with_it)]].add(place)
    return found


def _minimise(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], num_weights: int) -> np.ndarray:
    # Here, because a prediction needs the weights alone, and the import takes time.
    from scipy.optimize import minimize

    def penalised(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(weights)
        return value + PENALTY * float(weights @ weights), gradient + 2 * PENALTY * weights

    return np.asarray(minimize(penalised, np.zeros(num_weights), jac=True, method="L-BFGS-B").x)


def _next_loss(weights: np.ndarray, features: np.ndarray, chosen: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood of the steps that were chosen, and its gradient."""
    events = np.arange(len(chosen))
    is_step = np.isfinite(features[..., 0])
    known = np.where(is_step[..., None], features, 0)
    scores = np.where(is_step, known @ weights, -np.inf)
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    total = shares.sum(axis=1, keepdims=True)
    value = float(np.mean(np.log(total[:, 0]) - scores[events, chosen]))
    expected = ((shares / total)[..., None] * known).sum(axis=1)
    return value, (expected - known[events, chosen]).mean(axis=0)


def _later_loss(
    weights: np.ndarray, features: np.ndarray, came: np.ndarray, counts: np.ndarray
) -> tuple[float, np.ndarray]:
    """The same of whether the steps came, each as often as it counts."""
    scores, shares = features @ weights, counts / counts.sum()
    probable = np.exp(-np.logaddexp(0, -scores))
    return float(shares @ (np.logaddexp(0, scores) - came * scores)), features.T @ (shares * (probable - came))
