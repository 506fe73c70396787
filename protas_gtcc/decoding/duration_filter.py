"""The filter's forward recursion, in compiled code: it updates the probability of each hypothesis at each frame.

This is an online explicit-duration (hidden semi-Markov) filter. At every frame each hypothesis goes on or ends. Those
that end start a segment of another class; so does a small share of all, whose length may be wrong. The network's
probabilities of the classes then weight all hypotheses. The posterior gives the label, the progress with an interval,
and the remaining time.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from protas_gtcc.config import DecodingConfig

REORDERED = {"reassoc", "contract"}
"""Sums may be taken in any order, so that several terms are added at once."""
TIE = 1e-6
"""Shares of belief that differ by less are equal."""
EMPTY = 1e-12
"""A class with less probability has no progress of its own; its progress is 0.5."""


class Rule(NamedTuple):
    """Weights of the evidence and of the report, as in `DecodingConfig`, and which classes are actions."""

    evidence: float
    interruption: float
    doubt: float
    network_share: float
    hedge: bool
    interval_tail: float
    progress_bins: int
    is_action: np.ndarray
    """bool `[C]`."""


class FilterOutput(NamedTuple):
    """The filter's output for T frames."""

    labels: np.ndarray
    """int64 `[T]`: the likeliest class."""
    probs: np.ndarray
    """float32 `[T, C]`: probability of each class."""
    progress: np.ndarray
    """float32 `[T, C]`: of each class, given that it is going on; for the predicted class, the reported progress."""
    interval: np.ndarray
    """float32 `[T, 2]`: lower and upper end for the progress of the current action, whichever it is."""
    remaining: np.ndarray
    """float32 `[T]`: expected remaining frames of the predicted class, unless it is interrupted."""


def make_rule(settings: DecodingConfig, is_action: np.ndarray) -> Rule:
    """The rule of these settings; `is_action` is bool `[C]`."""
    weights = {name: getattr(settings, name) for name in Rule._fields if name != "is_action"}
    return Rule(**weights, is_action=is_action)


def empty_output(num_frames: int, num_classes: int) -> FilterOutput:
    """Arrays for the output of `num_frames` frames, not yet filled."""
    labels, remaining = np.empty(num_frames, dtype=np.int64), np.empty(num_frames, dtype=np.float32)
    probs, progress = np.empty((2, num_frames, num_classes), dtype=np.float32)
    return FilterOutput(labels, probs, progress, np.empty((num_frames, 2), dtype=np.float32), remaining)


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def filter_frames(hypotheses, rule, state, streams, probs, progress, output):
    """Update `state` `[n, S]` by T frames and fill `output`; frame t is the next one of stream `streams[t]`.

    `probs` and `progress` are the network's, float32 `[T, C]`. For a network without progress, give any array of that
    shape and a rule with `network_share` 0.
    """
    num_classes, doubt = probs.shape[1], rule.doubt
    histogram, moved = np.empty((num_classes, rule.progress_bins)), np.empty(state.shape[1])
    evidence, classes, remaining = np.empty(num_classes), np.empty(num_classes), np.empty(num_classes)
    for t in range(len(streams)):
        mass = state[streams[t]]
        for c in range(num_classes):
            evidence[c] = ((1 - doubt) * probs[t, c] + doubt / num_classes) ** rule.evidence
        started = _starts(hypotheses, mass, rule.interruption)
        total = _advance(hypotheses, mass, moved, started, evidence, rule.interruption)
        for i in range(len(mass)):
            mass[i] = moved[i] / total
        _summarise(hypotheses, mass, histogram, classes, remaining)
        label = np.argmax(classes)
        output.labels[t], output.remaining[t] = label, remaining[label]
        for c in range(num_classes):
            output.probs[t, c] = classes[c]
        _report(rule, histogram, label, probs[t], progress[t], output.progress[t], output.interval[t])


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
    """Advance every hypothesis by a frame, start new ones, weight all by the evidence; returns their sum."""
    total = 0.0
    for r in range(len(hypotheses.label)):
        begin, end, c = hypotheses.start[r], hypotheses.start[r + 1], hypotheses.label[r]
        before, after = mass[begin:end], moved[begin:end]
        goes = hypotheses.rate[r] * (1 - interruption) * evidence[c]
        stays = (1 - hypotheses.rate[r]) * (1 - interruption) * evidence[c]
        after[0] = before[0] * stays + started[c] * hypotheses.weight[r] * evidence[c]
        for i in range(1, len(after)):
            after[i] = before[i] * stays + before[i - 1] * goes
        # The last phase has its own rate.
        after[-1] += before[-1] * (hypotheses.rate[r] - hypotheses.end_rate[r]) * (1 - interruption) * evidence[c]
        for i in range(len(after)):
            total += after[i]
    return total


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _summarise(hypotheses, mass, histogram, classes, remaining):
    """Probability of each class, per bin of progress and in total, and its expected remaining frames.

    The remaining frames ignore interruptions: these stand for a wrong belief, not for actions that are cut short.
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
        # Rounding could make it negative.
        remaining[c] = max(remaining[c] / classes[c], 0.0) if classes[c] > EMPTY else 0.0


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _report(rule, histogram, label, probs, progress, output, interval):
    """Fill in the progress of each class, the reported progress of the predicted class, and the interval."""
    together = np.zeros(rule.progress_bins)
    share, expected, actions = rule.network_share, 0.0, 0.0
    for c in range(len(output)):
        output[c] = (1 - share) * _quantile(histogram[c], 0.5) + share * progress[c]
        if rule.is_action[c]:
            for b in range(len(together)):
                together[b] += histogram[c, b]
            expected += probs[c] * progress[c]
            actions += probs[c]
    if rule.hedge and rule.is_action[label]:
        output[label] = (1 - share) * _quantile(together, 0.5) + share * expected / max(actions, EMPTY)
    interval[0] = interval[1] = 0
    if rule.is_action[label]:
        interval[0] = _quantile(together, rule.interval_tail)
        interval[1] = _quantile(together, 1 - rule.interval_tail)


@njit(cache=True, nogil=True, fastmath=REORDERED)
@no_type_check
def _quantile(histogram, level):
    """Quantile of values in [0, 1] that are spread evenly within each bin; 0.5 if there are none.

    Where the share `level` ends exactly at a gap, the quantile is the middle of the gap, as for an even number of
    values. Otherwise rounding would choose one of its sides.
    """
    total, num_bins = histogram.sum(), len(histogram)
    if total < EMPTY:
        return 0.5
    wanted, reached = level * total, -1.0
    for b in range(num_bins):
        if reached >= 0:
            if histogram[b] > 0:
                return (reached + b) / 2 / num_bins
        elif histogram[b] > 0 and histogram[b] >= wanted - TIE * total:
            if abs(histogram[b] - wanted) > TIE * total:
                return (b + wanted / histogram[b]) / num_bins
            reached = b + 1
        else:
            wanted -= histogram[b]
    return 1.0 if reached < 0 else reached / num_bins
