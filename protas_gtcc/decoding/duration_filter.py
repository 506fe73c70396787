"""The forward recursion over hypotheses, in compiled code: what a frame's evidence leaves of each of them.

An online explicit-duration (hidden semi-Markov) filter. At every frame each hypothesis goes on or ends, those that end
(and a small share of all, which were wrong about the length) start a segment of another class, and all are weighed by
the evidence for their class. The posterior gives the label, the progress with an interval, and the time that remains.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from protas_gtcc.decoding.hypotheses import NUM_BINS, Hypotheses

REORDERED = {"reassoc", "contract"}
"""Sums may be taken in any order: several at once."""
TIE = 1e-6
"""Shares of belief that differ by less are equal."""
EMPTY = 1e-12
"""A class that is less probable has no progress of its own; it is said to be half done."""


class Posterior(NamedTuple):
    """What is believed at each of T frames."""

    classes: np.ndarray
    """float64 `[T, C]`: probability of each class."""
    progress: np.ndarray
    """float64 `[T, C]`: median progress of each class, given that it is going on."""
    quantiles: np.ndarray
    """float64 `[T, Q]`: of the progress of whatever action is going on."""
    remaining: np.ndarray
    """float64 `[T, C]`: frames that each class will still take, given that it is going on, in the mean."""


def start_state(hypotheses: Hypotheses, num_streams: int = 1) -> np.ndarray:
    """The state before the first frame of each stream: probabilities of phases, float64 `[n, S]`, all 0."""
    return np.zeros((num_streams, len(hypotheses.bins)))


def empty_posterior(num_frames: int, num_classes: int, levels: np.ndarray) -> Posterior:
    """Room for the posterior of so many frames."""
    by_class = (num_frames, num_classes)
    return Posterior(np.empty(by_class), np.empty(by_class), np.empty((num_frames, len(levels))), np.empty(by_class))


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def follow(hypotheses, state, who, evidence, interruption, is_action, levels, posterior):
    """Frame t is of stream `who[t]`; evidence `[T, C]` weighs its classes. Fills the posterior, brings the state on.

    `interruption` is the share of hypotheses that end at any frame. `is_action` `[C]` are the classes whose progress
    counts in the quantiles at `levels` `[Q]`.
    """
    histogram = np.empty((len(is_action), NUM_BINS))
    moved = np.empty(state.shape[1])
    for t in range(len(who)):
        mass = state[who[t]]
        started = _starts(hypotheses, mass, interruption)
        total = _advance(hypotheses, mass, moved, started, evidence[t], interruption)
        mass[:] = moved / total
        _summarise(hypotheses, mass, histogram, posterior.classes[t], posterior.remaining[t])
        _describe(histogram, is_action, levels, posterior.progress[t], posterior.quantiles[t])


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _starts(hypotheses, mass, interruption):
    """Probability `[C]` that a segment of each class starts at this frame."""
    left = np.zeros(len(hypotheses.first))
    total = 0.0
    for r in range(len(hypotheses.label)):
        phases = mass[hypotheses.start[r] : hypotheses.start[r + 1]]
        going_on = 0.0
        for i in range(len(phases)):
            going_on += phases[i]
        ended = phases[-1] * hypotheses.rate[r]
        left[hypotheses.label[r]] += ended + interruption * (going_on - ended)
        total += going_on
    if total == 0.0:
        return hypotheses.first.copy()
    return left @ hypotheses.following


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _advance(hypotheses, mass, moved, started, evidence, interruption):
    """Move every hypothesis on by a frame, let new ones start, weigh all by the evidence; what they sum to."""
    total = 0.0
    for r in range(len(hypotheses.label)):
        begin, end, c = hypotheses.start[r], hypotheses.start[r + 1], hypotheses.label[r]
        before, after = mass[begin:end], moved[begin:end]
        goes = hypotheses.rate[r] * (1 - interruption) * evidence[c]
        stays = (1 - hypotheses.rate[r]) * (1 - interruption) * evidence[c]
        after[0] = before[0] * stays + started[c] * hypotheses.weight[r] * evidence[c]
        for i in range(1, len(after)):
            after[i] = before[i] * stays + before[i - 1] * goes
        for i in range(len(after)):
            total += after[i]
    return total


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _summarise(hypotheses, mass, histogram, classes, remaining):
    """Probability of each class, over bins of progress, and the frames that it will still take in the mean."""
    histogram[:], classes[:], remaining[:] = 0, 0, 0
    for r in range(len(hypotheses.label)):
        begin, end, c = hypotheses.start[r], hypotheses.start[r + 1], hypotheses.label[r]
        phases, bins, of_class = mass[begin:end], hypotheses.bins[begin:end], histogram[c]
        here = later = 0.0
        for i in range(len(phases)):
            here += phases[i]
            later += phases[i] * (len(phases) - i)
        for i in range(len(phases)):
            of_class[bins[i]] += phases[i]
        classes[c] += here
        remaining[c] += later / hypotheses.rate[r] - here
    for c in range(len(classes)):
        remaining[c] = remaining[c] / classes[c] if classes[c] > EMPTY else 0.0


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _describe(histogram, is_action, levels, progress, quantiles):
    """Median progress of each class, and quantiles of that of whatever action is going on."""
    together = np.zeros(NUM_BINS)
    for c in range(len(is_action)):
        progress[c] = _quantile(histogram[c], 0.5)
        if is_action[c]:
            together += histogram[c]
    for q in range(len(levels)):
        quantiles[q] = _quantile(together, levels[q])


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _quantile(histogram, level):
    """Of values in [0, 1] that are spread evenly within each bin; 0.5 if there are none.

    Where exactly the share that is asked for lies below a gap, it is the middle of the gap (as of an even number of
    values), and not whichever side the last digit says.
    """
    total = histogram.sum()
    if total < EMPTY:
        return 0.5
    wanted, reached = level * total, -1.0
    for b in range(NUM_BINS):
        if reached >= 0:
            if histogram[b] > 0:
                return (reached + b) / 2 / NUM_BINS
        elif histogram[b] > 0 and histogram[b] >= wanted - TIE * total:
            if abs(histogram[b] - wanted) > TIE * total:
                return (b + wanted / histogram[b]) / NUM_BINS
            reached = b + 1
        else:
            wanted -= histogram[b]
    return 1.0 if reached < 0 else reached / NUM_BINS
