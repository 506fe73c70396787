"""The filter's forward recursion, in compiled code, and what is read from its belief.

This is an online explicit-duration (hidden semi-Markov) filter. At every frame each hypothesis goes on or ends, and
those that end start a segment of another class. The network's probabilities then weight all hypotheses.

From its belief and from the network's own output comes one belief about the class and the progress, a mixture of the
two. All that is reported is read from it: the likeliest class, its progress, and the value with the least expected
error when background counts as 0, which is the median, with an interval around it.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.config import DecodingConfig
from protas_gtcc.storage.compiled_code import compiled

REORDERED = {"reassoc", "contract"}
"""Sums may be taken in any order, so that several terms are added at once."""
EMPTY = 1e-12
"""A class with less probability has no progress of its own; its progress is 0.5."""
TINY = 1e-30
"""Least probability of the network that counts as more than 0."""


class Rule(NamedTuple):
    """How belief is weighted and mixed: `DecodingConfig` at one frame rate, for the classes of one model."""

    evidence: float
    """Exponent of the network's probabilities at a frame."""
    doubt: float
    sharpness: float
    """Exponent of the network's probabilities in the mixture."""
    network_class_share: float
    network_progress_share: float
    progress_doubt: float
    label_margin: float
    tail: float
    """Share of belief left out at each end of the interval of progress."""
    remaining_tail: float
    """The same of the interval of the remaining time."""
    bins_per_phase: int
    prior: np.ndarray
    """float64 `[C]`: what the network's probabilities are divided by, the bias against background included."""
    is_action: np.ndarray
    """bool `[C]`."""


class FilterOutput(NamedTuple):
    """The filter's output for T frames."""

    labels: np.ndarray
    """int64 `[T]`: the likeliest class, or that of the frame before, if it is not likelier by the margin."""
    probs: np.ndarray
    """float32 `[T, C]`: probability of each class."""
    progress: np.ndarray
    """float32 `[T, C]`: of each class, given that it is going on."""
    reported: np.ndarray
    """float32 `[T, 3]`: the interval's lower end, the median, the upper end, when background counts as 0."""
    remaining: np.ndarray
    """float32 `[T, 3]`: the same of the remaining seconds of the predicted class's segment."""


def empty_output(num_frames: int, num_classes: int) -> FilterOutput:
    """Arrays for the output of `num_frames` frames, not yet filled."""
    probs, progress = np.empty((2, num_frames, num_classes), dtype=np.float32)
    reported, remaining = np.empty((2, num_frames, 3), dtype=np.float32)
    return FilterOutput(np.empty(num_frames, dtype=np.int64), probs, progress, reported, remaining)


def make_rule(
    settings: DecodingConfig, prior: np.ndarray, typical_seconds: float, is_action: np.ndarray, fps: float
) -> Rule:
    """The rule of these settings; `prior` is the share of each class among training frames, `[C]`."""
    return Rule(
        evidence=min(settings.evidence / (typical_seconds * fps), 1.0),
        doubt=settings.doubt,
        sharpness=1 / settings.temperature,
        network_class_share=settings.network_class_share,
        network_progress_share=settings.network_progress_share,
        progress_doubt=settings.progress_doubt,
        label_margin=settings.label_margin,
        tail=(1 - settings.interval_level) / 2,
        remaining_tail=(1 - settings.remaining_level) / 2,
        bins_per_phase=settings.bins_per_phase,
        prior=prior**settings.prior_exponent * np.where(is_action, 1, np.exp(settings.background_bias)),
        is_action=is_action,
    )


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def filter_frames(hypotheses, rule, state, kept, streams, probs, progress, output):
    """Update `state` and `kept` by T frames and fill `output`; frame t is the next one of stream `streams[t]`.

    A stream's state is its belief about each phase of each length, `[n, N, R]`, and its label, `[n]`. `probs` and
    `progress` are the network's, float32 `[T, C]`. For a network without progress, give any array of that shape and a
    rule with `network_progress_share` 0.
    """
    num_classes, phases = probs.shape[1], state.shape[1]
    moved, started = np.empty(state.shape[1:]), np.empty(num_classes)
    evidence, network, classes = np.empty(num_classes), np.empty(num_classes), np.empty(num_classes)
    histogram = np.empty((num_classes, phases * rule.bins_per_phase))
    for t in range(len(streams)):
        belief, before = state[streams[t]], kept[streams[t]]
        _weigh(rule, probs[t], evidence, network)
        is_first = _advance(hypotheses, belief, moved, started)
        _start(hypotheses, moved, started, evidence, belief)
        _summarise(hypotheses, belief, classes, histogram)
        for c in range(num_classes):
            output.probs[t, c] = (1 - rule.network_class_share) * classes[c] + rule.network_class_share * network[c]
        label = np.argmax(output.probs[t])
        if not is_first and output.probs[t, label] - output.probs[t, before] <= rule.label_margin:
            label = before
        output.labels[t] = kept[streams[t]] = label
        _mix(rule, classes, progress[t], histogram)
        _report(rule, output.probs[t], histogram, output.progress[t], output.reported[t])
        _remaining(hypotheses, rule.remaining_tail, belief, label, output.remaining[t])


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _weigh(rule, probs, evidence, network):
    """The network's probabilities less the prior: as evidence for the filter, and as a belief of its own."""
    total, softened = 0.0, 0.0
    for c in range(len(probs)):
        evidence[c] = max(probs[c], TINY) / rule.prior[c]
        network[c] = evidence[c] ** rule.sharpness
        total += evidence[c]
        softened += network[c]
    for c in range(len(probs)):
        evidence[c] = ((1 - rule.doubt) * evidence[c] / total + rule.doubt / len(probs)) ** rule.evidence
        network[c] /= softened


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _advance(hypotheses, belief, moved, started):
    """Move every hypothesis by a frame; `started` becomes the probability `[C]` that a segment of a class starts.

    Returns whether it is the first frame, before which there is no belief.
    """
    phases, num_lengths = belief.shape
    ended, total = np.zeros(num_lengths), 0.0
    for i in range(phases):
        moved[i] = 0.0
        for k in range(min(len(hypotheses.passes), i + 1)):
            # Over all lengths at once: this loop is most of the filter's work.
            for r in range(num_lengths):
                moved[i, r] += hypotheses.passes[k, r] * belief[i - k, r]
        for r in range(num_lengths):
            ended[r] += belief[i, r] - moved[i, r]
            total += belief[i, r]
    for c in range(len(started)):
        started[c] = hypotheses.first[c] if total == 0.0 else 0.0
    for k in range(len(started)):
        share = max(ended[hypotheses.begin[k] : hypotheses.begin[k + 1]].sum(), 0.0)
        for c in range(len(started)):
            started[c] += share * hypotheses.following[k, c]
    return total == 0.0


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _start(hypotheses, moved, started, evidence, belief):
    """Add the segments that start with this frame, weight all by the evidence; they become the new belief.

    The whole frame belongs to a new segment, which may have passed some phases at its end, but goes on.
    """
    phases, num_lengths = moved.shape
    new, weight, mass = np.empty(num_lengths), np.empty(num_lengths), np.zeros(num_lengths)
    for c in range(len(started)):
        for r in range(hypotheses.begin[c], hypotheses.begin[c + 1]):
            new[r], weight[r] = started[c] * hypotheses.weight[r], evidence[c]
    last = new.copy()
    for k in range(len(hypotheses.passes)):
        for r in range(num_lengths):
            moved[k, r] += new[r] * hypotheses.passes[k, r]
            last[r] -= new[r] * hypotheses.passes[k, r]
    for r in range(num_lengths):
        moved[phases - 1, r] += max(last[r], 0.0)
    for i in range(phases):
        for r in range(num_lengths):
            mass[r] += moved[i, r]
    weight /= (weight * mass).sum()
    for i in range(phases):
        for r in range(num_lengths):
            belief[i, r] = moved[i, r] * weight[r]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _summarise(hypotheses, belief, classes, histogram):
    """Probability of each class, in total and in each bin of progress."""
    phases, bins = len(belief), histogram.shape[1]
    bins_per_phase = bins // phases
    classes[:] = 0
    for i in range(phases):
        for c in range(len(classes)):
            mass = belief[i, hypotheses.begin[c] : hypotheses.begin[c + 1]].sum()
            classes[c] += mass
            for b in range(i * bins_per_phase, (i + 1) * bins_per_phase):
                histogram[c, b] = mass / bins_per_phase


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _mix(rule, classes, progress, histogram):
    """Turn each class's histogram into its mixture with the network's progress and a uniform one, which sums to 1."""
    bins, share, doubt = histogram.shape[1], rule.network_progress_share, rule.progress_doubt
    for c in range(len(classes)):
        for b in range(bins):
            shape = histogram[c, b] / classes[c] if classes[c] > EMPTY else 1 / bins
            histogram[c, b] = (1 - share - doubt) * shape + doubt / bins
        histogram[c, min(int(progress[c] * bins), bins - 1)] += share


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _report(rule, probs, histogram, progress, reported):
    """Fill in the progress of each class, and the median and the interval over all classes."""
    together, nothing = np.zeros(histogram.shape[1]), 0.0
    for c in range(len(probs)):
        progress[c] = _quantile(0.0, histogram[c], 0.5)
        if rule.is_action[c]:
            for b in range(len(together)):
                together[b] += probs[c] * histogram[c, b]
        else:
            nothing += probs[c]
    reported[0] = _quantile(nothing, together, rule.tail)
    reported[1] = _quantile(nothing, together, 0.5)
    reported[2] = _quantile(nothing, together, 1 - rule.tail)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _quantile(at_zero, histogram, level):
    """Quantile of a value that is 0 with weight `at_zero`, else in [0, 1] and spread evenly within each bin."""
    wanted = level * (at_zero + histogram.sum()) - at_zero
    if wanted <= 0:
        return 0.0
    for b in range(len(histogram)):
        if histogram[b] >= wanted:
            return (b + wanted / histogram[b]) / len(histogram)
        wanted -= histogram[b]
    return 1.0


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _remaining(hypotheses, tail, belief, label, remaining):
    """Fill in the remaining seconds of a segment of this class: the interval's lower end, the median, the upper end."""
    ended, total = np.zeros(len(hypotheses.times)), 0.0
    for r in range(hypotheses.begin[label], hypotheses.begin[label + 1]):
        for i in range(len(belief)):
            mass = belief[i, r]
            total += mass
            for g in range(len(ended)):
                ended[g] += mass * hypotheses.ended[r, i, g]
    for number, level in enumerate((tail, 0.5, 1 - tail)):
        later = max(np.searchsorted(ended, level * total), 1)
        if later == len(ended):
            remaining[number] = hypotheses.times[-1]
        else:
            share = (level * total - ended[later - 1]) / max(ended[later] - ended[later - 1], EMPTY)
            step = hypotheses.times[later] - hypotheses.times[later - 1]
            remaining[number] = hypotheses.times[later - 1] + max(share, 0.0) * step
