"""Fitting the two models of a procedure on training recordings, each seen through tables of other people.

Tables that have counted a recording know its order. So the features of a recording are made with tables of the
recordings of other people, and the weights are those that suit a new person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.procedure.evidence import LATER, NEXT, compiled_tables, find_features
from protas_gtcc.procedure.model import Models
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures, visits_of

FOLDS = 10
"""Groups of people that are left out, at most."""
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
    others = [number for number in range(len(recordings)) if number not in set(fold)]
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
    """Fit the two models. With one person or one recording there is nothing to fit on, and all weights are 1."""
    found = [
        step_features(tables, [recordings[number] for number in fold], fps)
        for fold, tables in without_each_fold(recordings, people, states, background, fps, needs)
    ]
    found = [one for one in found if len(one.chosen)]
    if not found:
        return Models(np.ones(NEXT), np.ones(LATER))
    chosen, came = (np.concatenate([getattr(one, name) for one in found]) for name in ("chosen", "came"))
    following, later = (np.concatenate([getattr(one, name) for one in found]) for name in ("next", "later"))
    return Models(
        next_weights=_minimise(lambda weights: _next_loss(weights, following, chosen), NEXT),
        later_weights=_minimise(lambda weights: _later_loss(weights, later, came), LATER)
        if len(came)
        else np.ones(LATER),
    )


def step_features(tables: ProcedureTables, recordings: Sequence[Recording], fps: float) -> StepFeatures:
    """The features at each start of a step, by tables that do not know these recordings."""
    table, begin, width = compiled_tables(tables), tables.begin, tables.after.shape[1]
    following, chosen, later, came = [], [], [], []
    for steps, task in recordings:
        low, high = begin[task], begin[task + 1]
        places = {int(label): place for place, label in enumerate(tables.state_class[low:high])}
        sequence = [visit.place for visit in visits_of(steps, places, fps)]
        is_step = tables.is_step[low:high]
        done, last = np.zeros((2, width))
        for number, place in enumerate(sequence):
            features, after = np.full((width, NEXT), np.nan), np.empty((width, LATER))
            find_features(table, task, last, done, features, after)
            done[place], last = 1.0, np.eye(width)[place]
            find_features(table, task, last, done, np.empty((width, NEXT)), after)
            undone = np.flatnonzero(is_step & (done[: high - low] == 0))
            following.append(features)
            chosen.append(place)
            later.append(after[undone])
            came += [int(step) in sequence[number + 1 :] for step in undone]
    return StepFeatures(
        np.array(following).reshape(-1, width, NEXT),
        np.array(chosen, dtype=np.int64),
        np.concatenate([np.empty((0, LATER)), *later]),
        np.array(came, dtype=bool),
    )


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


def _later_loss(weights: np.ndarray, features: np.ndarray, came: np.ndarray) -> tuple[float, np.ndarray]:
    """The same of whether the steps came."""
    scores = features @ weights
    probable = np.exp(-np.logaddexp(0, -scores))
    return float(np.mean(np.logaddexp(0, scores) - came * scores)), features.T @ (probable - came) / len(came)
