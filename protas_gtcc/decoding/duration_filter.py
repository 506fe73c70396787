"""The filter's forward recursion, in compiled code, and what is read from its belief.

This is an online explicit-duration (hidden semi-Markov) filter. At every frame each hypothesis goes on or ends, and
those that end start a segment of another state of their task. The network's probabilities of the states' classes then
weight all hypotheses. Where the task of a stream is given, only its states are live: the belief in others is 0.

From its belief and from the network's own output comes one belief about the class and the progress, a mixture of the
two, in which the network's share of a class counts as much as the tasks that have the class are likely. All that is
reported is read from it: the likeliest class, its progress, and the value with the least expected
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
DESCRIBED = 1e-3
"""A state with less probability has no rest of its own."""
TINY = 1e-30
"""Least probability of the network that counts as more than 0, and of a task that is not given."""


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


class StateBeliefs(NamedTuple):
    """What the filter believes about its S states in T frames, for who follows the procedure; float64."""

    now: np.ndarray
    """`[T, S]`: probability that each state is going on."""
    entered: np.ndarray
    """`[T, S]`: if it is going on, the probability that it began with this frame."""
    ended: np.ndarray
    """`[T, S]`: probability that it was going on before this frame, and ended."""
    rest: np.ndarray
    """`[T, S, 2]`: if it is going on, mean and variance of the seconds until it ends; 0 where it is improbable."""


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


def empty_output(num_frames: int, num_classes: int, num_tasks: int, num_states: int = 0) -> FilterOutput:
    """Arrays for the output of `num_frames` frames, not yet filled; beliefs in states are wanted for `num_states`."""
    probs, progress = np.empty((2, num_frames, num_classes), dtype=np.float32)
    reported, remaining = np.empty((2, num_frames, 3), dtype=np.float32)
    tasks = np.empty((num_frames, num_tasks), dtype=np.float32)
    wanted = num_frames if num_states else 0
    now, entered, ended = np.zeros((3, wanted, num_states))
    states = StateBeliefs(now, entered, ended, np.zeros((wanted, num_states, 2)))
    return FilterOutput(np.empty(num_frames, dtype=np.int64), probs, tasks, progress, reported, remaining, states)


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
def filter_frames(hypotheses, rule, state, kept, given, streams, probs, progress, output):
    """Update `state` and `kept` by T frames and fill `output`; frame t is the next one of stream `streams[t]`.

    A stream's state is its belief about each phase of each length, `[n, N, R]`, and its label, `[n]`. `given` is 0 for
    a stream whose task is inferred, else 1 + the number of its task, `[n]`. `probs` and `progress` are the network's,
    float32 `[T, C]`. For a network without progress, give any array of that shape and a rule with
    `network_progress_share` 0.
    """
    num_classes, phases, num_tasks = probs.shape[1], state.shape[1], len(hypotheses.task_begin) - 1
    moved, tasks = np.empty(state.shape[1:]), np.empty(num_tasks)
    started, ended, entered = np.empty((3, len(hypotheses.first)))
    evidence, network, classes = np.empty(num_classes), np.empty(num_classes), np.empty(num_classes)
    reached, histogram = np.empty((phases, num_classes)), np.empty((num_classes, phases * rule.bins_per_phase))
    for t in range(len(streams)):
        belief, before, task = state[streams[t]], kept[streams[t]], given[streams[t]]
        live = (task - 1, task) if task else (0, num_tasks)
        _weigh(rule, probs[t], evidence, network)
        is_first = _advance(hypotheses, live, belief, moved, ended, started)
        _start(hypotheses, live, moved, started, evidence, belief, entered)
        _summarise(hypotheses, live, belief, classes, tasks, reached)
        if num_tasks > 1:
            _keep_tasks(hypotheses, live, tasks, belief)
            _weigh_by_task(hypotheses, tasks, network)
        output.tasks[t] = tasks
        for c in range(num_classes):
            output.probs[t, c] = (1 - rule.network_class_share) * classes[c] + rule.network_class_share * network[c]
        label = np.argmax(output.probs[t])
        if not is_first and output.probs[t, label] - output.probs[t, before] <= rule.label_margin:
            label = before
        output.labels[t] = kept[streams[t]] = label
        _mix(rule, classes, reached, progress[t], histogram)
        _report(rule, output.probs[t], histogram, output.progress[t], output.reported[t])
        _remaining(hypotheses, live, rule.remaining_tail, belief, label, output.remaining[t])
        if len(output.states.now):
            _describe(hypotheses, live, belief, ended, entered, output.states, t)


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
def _live(hypotheses, live):
    """The first and last state, and the first and last length, each last one exclusive, of the tasks `live`."""
    low, high = hypotheses.task_begin[live[0]], hypotheses.task_begin[live[1]]
    return low, high, hypotheses.begin[low], hypotheses.begin[high]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _advance(hypotheses, live, belief, moved, ended, started):
    """Move every hypothesis by a frame; `ended` and `started` become the probability `[S]` that a segment does so.

    Returns whether it is the first frame, before which there is no belief.
    """
    low, high, first, last = _live(hypotheses, live)
    of_length, total = np.zeros(belief.shape[1]), 0.0
    for i in range(len(belief)):
        now, before = moved[i, first:last], belief[i, first:last]
        now[:] = 0.0
        for k in range(min(len(hypotheses.passes), i + 1)):
            passes, earlier = hypotheses.passes[k, first:last], belief[i - k, first:last]
            # Over all lengths at once: this loop is most of the filter's work.
            for r in range(len(now)):
                now[r] += passes[r] * earlier[r]
        ends = of_length[first:last]
        for r in range(len(now)):
            ends[r] += before[r] - now[r]
            total += before[r]
    for s in range(low, high):
        started[s] = hypotheses.first[s] if total == 0.0 else 0.0
    for g in range(live[0], live[1]):
        begin, end = hypotheses.task_begin[g], hypotheses.task_begin[g + 1]
        for k in range(begin, end):
            ended[k] = max(of_length[hypotheses.begin[k] : hypotheses.begin[k + 1]].sum(), 0.0)
            starts, follows = started[begin:end], hypotheses.following[k, begin:end]
            for s in range(len(starts)):
                starts[s] += ended[k] * follows[s]
    return total == 0.0


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _start(hypotheses, live, moved, started, evidence, belief, entered):
    """Add the segments that start with this frame, weight all by the evidence; they become the new belief.

    `entered` becomes their share of the belief in each state, `[S]`.

    The whole frame belongs to a new segment, which may have passed some phases at its end, but goes on.
    """
    low, high, first, last = _live(hypotheses, live)
    every_new, every_weight, mass = np.empty(last), np.empty(last), np.zeros(last - first)
    for s in range(low, high):
        of_class = evidence[hypotheses.state_class[s]]
        for r in range(hypotheses.begin[s], hypotheses.begin[s + 1]):
            every_new[r], every_weight[r] = started[s] * hypotheses.weight[r], of_class
    new, weight = every_new[first:], every_weight[first:]
    rest = new.copy()
    for k in range(len(hypotheses.passes)):
        now, passes = moved[k, first:last], hypotheses.passes[k, first:last]
        for r in range(len(now)):
            now[r] += new[r] * passes[r]
            rest[r] -= new[r] * passes[r]
    now = moved[len(moved) - 1, first:last]
    for r in range(len(now)):
        now[r] += max(rest[r], 0.0)
    for i in range(len(moved)):
        now = moved[i, first:last]
        for r in range(len(now)):
            mass[r] += now[r]
    for s in range(low, high):
        total = mass[hypotheses.begin[s] - first : hypotheses.begin[s + 1] - first].sum()
        entered[s] = started[s] / total if total > 0 else 0.0
    weight /= (weight * mass).sum()
    for i in range(len(moved)):
        now, after = moved[i, first:last], belief[i, first:last]
        for r in range(len(now)):
            after[r] = now[r] * weight[r]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _describe(hypotheses, live, belief, ended, entered, states, t):
    """Fill in what is believed about each state at frame t. In phase i of N, a length L has L (N - i) / N to go."""
    low, high, _, _ = _live(hypotheses, live)
    phases = len(belief)
    for s in range(low, high):
        first, last = hypotheses.begin[s], hypotheses.begin[s + 1]
        now = 0.0
        for i in range(phases):
            now += belief[i, first:last].sum()
        states.now[t, s], states.entered[t, s], states.ended[t, s] = now, entered[s], ended[s]
        if now < DESCRIBED:
            continue
        mean, square = 0.0, 0.0
        for i in range(phases):
            for r in range(first, last):
                to_go = hypotheses.seconds[r] * (phases - i) / phases
                mean += belief[i, r] * to_go
                square += belief[i, r] * (to_go**2 + to_go * hypotheses.seconds[r] / phases)
        states.rest[t, s, 0] = mean / now
        states.rest[t, s, 1] = max(square / now - (mean / now) ** 2, 0.0)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _summarise(hypotheses, live, belief, classes, tasks, reached):
    """Probability of each class, of each task, and of each phase and class together, `[N, C]`."""
    classes[:], tasks[:], reached[:] = 0, 0, 0
    for g in range(live[0], live[1]):
        for i in range(len(belief)):
            total = 0.0
            for s in range(hypotheses.task_begin[g], hypotheses.task_begin[g + 1]):
                mass = belief[i, hypotheses.begin[s] : hypotheses.begin[s + 1]].sum()
                reached[i, hypotheses.state_class[s]] += mass
                total += mass
            tasks[g] += total
    for i in range(len(belief)):
        for c in range(len(classes)):
            classes[c] += reached[i, c]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _keep_tasks(hypotheses, live, tasks, belief):
    """Raise a task to the least probability, so that it can come back, and numbers stay where arithmetic is fast."""
    for g in range(live[0], live[1]):
        if tasks[g] < TINY:
            first, last = _live(hypotheses, (g, g + 1))[2:]
            for i in range(len(belief)):
                belief[i, first:last] *= TINY / tasks[g]
            tasks[g] = TINY


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _weigh_by_task(hypotheses, tasks, network):
    """Multiply the network's belief in a class by the probability of the tasks that have the class."""
    shares, total = np.zeros(len(network)), 0.0
    for g in range(len(tasks)):
        for s in range(hypotheses.task_begin[g], hypotheses.task_begin[g + 1]):
            shares[hypotheses.state_class[s]] += tasks[g]
    for c in range(len(network)):
        network[c] *= shares[c]
        total += network[c]
    for c in range(len(network)):
        network[c] /= total


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _mix(rule, classes, reached, progress, histogram):
    """Fill in each class's histogram of progress: the filter's, the network's and a uniform one, which sums to 1."""
    bins, share, doubt = histogram.shape[1], rule.network_progress_share, rule.progress_doubt
    for c in range(len(classes)):
        for i in range(len(reached)):
            shape = reached[i, c] / rule.bins_per_phase / classes[c] if classes[c] > EMPTY else 1 / bins
            for b in range(i * rule.bins_per_phase, (i + 1) * rule.bins_per_phase):
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
def _remaining(hypotheses, live, tail, belief, label, remaining):
    """Fill in the remaining seconds of a segment of this class: the interval's lower end, the median, the upper end."""
    ended, total = np.zeros(len(hypotheses.times)), 0.0
    for s in range(hypotheses.task_begin[live[0]], hypotheses.task_begin[live[1]]):
        if hypotheses.state_class[s] != label:
            continue
        for r in range(hypotheses.begin[s], hypotheses.begin[s + 1]):
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
