"""What the duration filter gives for some frames, as arrays that compiled code fills in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST = 6
"""States that are looked at, the likeliest ones."""


class StateBeliefs(NamedTuple):
    """What the filter believes about its S states in T frames, for who follows the procedure; float64."""

    now: np.ndarray
    """`[T, S]`: probability that each state is going on."""
    entered: np.ndarray
    """`[T, S]`: if it is going on, the probability that it began with this frame."""
    ended: np.ndarray
    """`[T, S]`: probability that it was going on before this frame, and ended."""
    rest: np.ndarray
    """`[T, S, 2]`: if it is going on, mean and variance of the seconds until it ends; of the likeliest states."""


class Trace(NamedTuple):
    """What the filter knew at T frames, to look at them again once later frames are known (`smoothing.py`)."""

    belief: np.ndarray
    """float64 `[T, N, R]`: after the frame."""
    weights: np.ndarray
    """float64 `[T, S]`: what the belief in each state was multiplied by."""
    network: np.ndarray
    """float64 `[T, C]`: the network's own belief in each class."""
    progress: np.ndarray
    """float32 `[T, C]`: the network's progress of each class."""
    known: np.ndarray
    """int64 `[T, MOST]`: states that the frame may have come from in an order of their own; -1 for none."""
    order: np.ndarray
    """float64 `[T, MOST, W]`: what follows each of them."""


class FilterOutput(NamedTuple):
    """The filter's output for T frames."""

    labels: np.ndarray
    """int64 `[T]`: the likeliest class, or that of the frame before, if it is not likelier by the margin."""
    probs: np.ndarray
    """float32 `[T, C]`: probability of each class."""
    tasks: np.ndarray
    """float32 `[T, K]`: probability of each task."""
    progress: np.ndarray
    """float32 `[T, C]`: of each class, given that it is going on."""
    reported: np.ndarray
    """float32 `[T, 3]`: the interval's lower end, the median, the upper end, when background counts as 0."""
    remaining: np.ndarray
    """float32 `[T, 3]`: the same of the remaining seconds of the predicted class's segment."""
    states: StateBeliefs
    """Of no frames, T = 0, if it is not wanted."""
    trace: Trace
    """The same."""


def empty_trace(num_frames: int, phases: int, num_lengths: int, num_states: int, num_classes: int, width: int) -> Trace:
    """Arrays for `num_frames` frames; `width` is the W of orders."""
    return Trace(
        np.zeros((num_frames, phases, num_lengths)),
        np.zeros((num_frames, num_states)),
        np.zeros((num_frames, num_classes)),
        np.zeros((num_frames, num_classes), dtype=np.float32),
        np.zeros((num_frames, MOST), dtype=np.int64),
        np.zeros((num_frames, MOST, width)),
    )


_NO_TRACE = empty_trace(0, 0, 0, 0, 0, 0)


def empty_output(
    num_frames: int, num_classes: int, num_tasks: int, num_states: int = 0, trace: Trace | None = None
) -> FilterOutput:
    """Arrays for the output of `num_frames` frames, not yet filled; beliefs in states are wanted for `num_states`."""
    probs, progress = np.empty((2, num_frames, num_classes), dtype=np.float32)
    reported, remaining = np.empty((2, num_frames, 3), dtype=np.float32)
    tasks = np.empty((num_frames, num_tasks), dtype=np.float32)
    wanted = num_frames if num_states else 0
    now, entered, ended = np.zeros((3, wanted, num_states))
    states = StateBeliefs(now, entered, ended, np.zeros((wanted, num_states, 2)))
    return FilterOutput(
        np.empty(num_frames, dtype=np.int64), probs, tasks, progress, reported, remaining, states, trace or _NO_TRACE
    )
