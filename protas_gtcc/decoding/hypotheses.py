"""Hypotheses about the current segment: its state, its length, and how far it is. Time is in seconds.

A state is a class within a task. A segment of a state and of length L goes through N phases, one after the other, and
spends L / N in each in the mean:

    first ──> phase 0 ──> phase 1 ──> … ──> phase N - 1 ──> the next segment

In continuous time the number of phases that are passed in a frame of d seconds is Poisson with mean N d / L. So
belief depends on the seconds that have passed, not on the number of frames that they were cut into.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.errors import InputError, plural

MOST_PHASES = 600_000
"""Of all lengths of all states: their tables take about 700 MB while they are made."""
NEGLIGIBLE = 1e-7
"""Phases that are passed in a frame with less probability are left out."""
TIMES = 48
"""Points in time at which the distribution of the remaining time is known; quantiles are interpolated between them."""


class Hypotheses(NamedTuple):
    """R lengths over all S states of K tasks, as compiled code needs them; each has N phases."""

    begin: np.ndarray
    """int64 `[S + 1]`: index of each state's first length."""
    state_class: np.ndarray
    """int64 `[S]`: class of each state."""
    task_begin: np.ndarray
    """int64 `[K + 1]`: number of each task's first state."""
    weight: np.ndarray
    """float64 `[R]`: probability of the length, given the state."""
    seconds: np.ndarray
    """float64 `[R]`: the length."""
    passes: np.ndarray
    """float64 `[K, R]`: probability of passing k phases in a frame, k < K; a negligible one is 0."""
    first: np.ndarray
    """float64 `[S]`: as in `TranscriptTables`."""
    following: np.ndarray
    """float64 `[S, S]`: as in `TranscriptTables`."""
    times: np.ndarray
    """float64 `[G]`: seconds, ascending from 0."""
    ended: np.ndarray
    """float64 `[R, N, G]`: probability that a segment that is in a phase has ended after so many seconds."""


def make_hypotheses(tables: TranscriptTables, settings: DecodingConfig, fps: float) -> Hypotheses:
    """The hypotheses for durations and order in `tables`, at this frame rate. Raises `InputError` for too many."""
    phases, seconds = settings.phases, tables.lengths.ravel()
    if len(seconds) * phases > MOST_PHASES:
        what = f"the filter has {plural(len(seconds), 'length')} of {plural(phases, 'phase')}"
        raise InputError(f"{what}; lower --num-lengths or --phases to make at most {MOST_PHASES} in all")
    num_states, per_state = tables.lengths.shape
    rates = phases / seconds
    passes = _poisson(rates / fps, phases)
    # Probabilities rise with k and then fall; those before the last that counts are kept.
    counts = np.cumsum((passes > NEGLIGIBLE)[:, ::-1], axis=1)[:, ::-1] > 0
    most = min(int(counts.sum(axis=1).max()), phases)
    times = np.append(0.0, np.geomspace(1 / fps, 3 * seconds.max(), TIMES - 1))
    left = np.cumsum(_poisson(rates[:, None] * times, phases - 1), axis=-1)  # [R, G, N]: at most k phases are passed
    return Hypotheses(
        begin=np.arange(num_states + 1) * per_state,
        state_class=np.ascontiguousarray(tables.state_class),
        task_begin=np.searchsorted(tables.state_task, np.arange(tables.num_tasks + 1)),
        weight=np.full(len(seconds), 1 / per_state),
        seconds=np.ascontiguousarray(seconds),
        passes=np.ascontiguousarray(np.where(counts, passes, 0.0)[:, :most].T),
        first=tables.first,
        following=tables.following,
        times=times,
        ended=np.ascontiguousarray(1 - left[..., ::-1].transpose(0, 2, 1)),
    )


def _poisson(mean: np.ndarray, most: int) -> np.ndarray:
    """Probability of each number from 0 to `most`, `[..., most + 1]`."""
    numbers = np.arange(most + 1)
    factorials = np.array([math.lgamma(number + 1) for number in numbers])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(numbers > 0, numbers * np.log(mean)[..., None], 0.0)
    return np.exp(logs - mean[..., None] - factorials)
