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
DOUBT = 0.01
"""Share of evenly spread probability that is mixed to the network's: no class is ever impossible."""
TIE = 1e-6
"""Shares of belief that differ by less are equal."""
EMPTY = 1e-12
"""A class that is less probable has no progress of its own; it is said to be half done."""


class Rule(NamedTuple):
    """How evidence is weighed and what is told; the fields of `DecodingConfig`, and which classes are actions."""

    evidence: float
    interruption: float
    network_share: float
    hedge: bool
    interval_tail: float
    is_action: np.ndarray
    """bool `[C]`."""


class Told(NamedTuple):
    """What is told of T frames."""

    labels: np.ndarray
    """int64 `[T]`: the likeliest class."""
    probs: np.ndarray
    """float32 `[T, C]`: probability of each class."""
    progress: np.ndarray
    """float32 `[T, C]`: of each class, given that it is going on; of the predicted one, what is reported."""
    interval: np.ndarray
    """float32 `[T, 2]`: between which values the progress of whatever action is going on lies."""
    remaining: np.ndarray
    """float32 `[T]`: frames that the predicted class will still take, in the mean, unless it is interrupted."""


def start_state(hypotheses: Hypotheses, num_streams: int = 1) -> np.ndarray:
    """The state before the first frame of each stream: probabilities of phases, float64 `[n, S]`, all 0."""
    return np.zeros((num_streams, len(hypotheses.bins)))


def nothing_told(num_frames: int, num_classes: int) -> Told:
    """Room for what is told of so many frames."""
    labels, remaining = np.empty(num_frames, dtype=np.int64), np.empty(num_frames, dtype=np.float32)
    probs, progress = np.empty((2, num_frames, num_classes), dtype=np.float32)
    return Told(labels, probs, progress, np.empty((num_frames, 2), dtype=np.float32), remaining)


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def follow(hypotheses, rule, state, who, probs, progress, told):
    """Frame t is of stream `who[t]`: the network's probs and progress, float32 `[T, C]`; fills in what is told.

    Of a network without progress, `progress` is anything of that shape and the share 0. `state` is brought on.
    """
    num_classes = probs.shape[1]
    histogram, moved = np.empty((num_classes, NUM_BINS)), np.empty(state.shape[1])
    evidence, classes, remaining = np.empty(num_classes), np.empty(num_classes), np.empty(num_classes)
    for t in range(len(who)):
        mass = state[who[t]]
        for c in range(num_classes):
            evidence[c] = ((1 - DOUBT) * probs[t, c] + DOUBT / num_classes) ** rule.evidence
        started = _starts(hypotheses, mass, rule.interruption)
        total = _advance(hypotheses, mass, moved, started, evidence, rule.interruption)
        mass[:] = moved / total
        _summarise(hypotheses, mass, histogram, classes, remaining)
        label = np.argmax(classes)
        told.labels[t], told.probs[t], told.remaining[t] = label, classes, remaining[label]
        _tell(rule, histogram, label, probs[t], progress[t], told.progress[t], told.interval[t])


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
        ended = phases[-1] * hypotheses.end_rate[r]
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
        # The last phase is left at a rate of its own.
        after[-1] += before[-1] * (hypotheses.rate[r] - hypotheses.end_rate[r]) * (1 - interruption) * evidence[c]
        for i in range(len(after)):
            total += after[i]
    return total


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _summarise(hypotheses, mass, histogram, classes, remaining):
    """Probability of each class, over bins of progress, and the frames that it will still take, in the mean.

    Interruptions are left out of the latter: they stand for a wrong belief, and not for actions that are cut short.
    """
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
        over = 1 / hypotheses.end_rate[r] - 1 / hypotheses.rate[r]
        remaining[c] += later / hypotheses.rate[r] + here * (over - 1)
    for c in range(len(classes)):
        # At the end, rounding could leave less than nothing.
        remaining[c] = max(remaining[c] / classes[c], 0.0) if classes[c] > EMPTY else 0.0


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _tell(rule, histogram, label, probs, progress, told, interval):
    """Progress of each class and, for the predicted one, what is reported; the interval of progress."""
    together = np.zeros(NUM_BINS)
    share, expected, actions = rule.network_share, 0.0, 0.0
    for c in range(len(told)):
        told[c] = (1 - share) * _quantile(histogram[c], 0.5) + share * progress[c]
        if rule.is_action[c]:
            together += histogram[c]
            expected += probs[c] * progress[c]
            actions += probs[c]
    if rule.hedge and rule.is_action[label]:
        told[label] = (1 - share) * _quantile(together, 0.5) + share * expected / max(actions, EMPTY)
    interval[:] = 0
    if rule.is_action[label]:
        interval[0] = _quantile(together, rule.interval_tail)
        interval[1] = _quantile(together, 1 - rule.interval_tail)


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
