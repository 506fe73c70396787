"""What the duration filter reports, read from its belief, in compiled code.

The belief about the class and the progress is a mixture of the filter's and the network's own. All that is reported is
read from it: the likeliest class, its progress, and the value with the least expected error when background counts as
0, which is the median, with an interval around it.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from protas_gtcc.decoding.filter_output import MOST
from protas_gtcc.storage.compiled_code import REORDERED, compiled

EMPTY = 1e-12
"""A class with less probability has no progress of its own; its progress is 0.5."""
LEAST = 1e-3
"""A state that is less probable is not looked at."""


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def live_tasks(hypotheses, given):
    """The first task that is possible, and the last one, exclusive; `given` as in `FilterCall`."""
    return (given - 1, given) if given else (0, len(hypotheses.task_begin) - 1)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def live_range(hypotheses, live):
    """The first and last state, and the first and last length, each last one exclusive, of the tasks `live`."""
    low, high = hypotheses.task_begin[live[0]], hypotheses.task_begin[live[1]]
    return low, high, hypotheses.begin[low], hypotheses.begin[high]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def read_belief(hypotheses, rule, live, belief, classes, tasks, reached, network, progress, before, output, t):
    """Fill in frame t of the output from a belief, its summary, and the network's own belief, which is changed.

    `before` is the label of the frame before, -1 if there is none.
    """
    num_classes, num_tasks = len(classes), len(tasks)
    histogram = np.empty((num_classes, len(belief) * rule.bins_per_phase))
    if num_tasks > 1:
        _weigh_by_task(hypotheses, rule, tasks, network)
    for g in range(num_tasks):
        output.tasks[t, g] = tasks[g]
    for c in range(num_classes):
        output.probs[t, c] = (1 - rule.network_class_share) * classes[c] + rule.network_class_share * network[c]
    label = np.argmax(output.probs[t])
    if before >= 0 and output.probs[t, label] - output.probs[t, before] <= rule.label_margin:
        label = before
    output.labels[t] = label
    _mix(rule, classes, reached, progress, histogram)
    _report(rule, output.probs[t], histogram, output.progress[t], output.reported[t])
    _remaining(hypotheses, live, rule.remaining_tail, belief, label, output.remaining[t])


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _weigh_by_task(hypotheses, rule, tasks, network):
    """Multiply the network's belief in an action by the probability of the tasks that have it; background stays."""
    shares, actions, own, total = np.zeros(len(network)), 0.0, 0.0, 0.0
    for g in range(len(tasks)):
        for s in range(hypotheses.task_begin[g], hypotheses.task_begin[g + 1]):
            shares[hypotheses.state_class[s]] += tasks[g]
    for c in range(len(network)):
        if rule.is_action[c]:
            actions += network[c]
            own += network[c] * shares[c]
    scale = actions / own if own > 0.0 else 1.0
    for c in range(len(network)):
        if rule.is_action[c]:
            network[c] *= scale * shares[c]
        total += network[c]
    for c in range(len(network)):  # the sum is 1, but where no live task has an action
        network[c] /= max(total, EMPTY)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def describe(hypotheses, live, belief, ended, entered, states, t):
    """Fill in what is believed about each state at frame t. In phase i of N, a length L has L (N - i) / N to go."""
    low, high, _, _ = live_range(hypotheses, live)
    phases, chosen = len(belief), np.empty(MOST, np.int64)
    for s in range(low, high):
        now = 0.0
        for i in range(phases):
            now += belief[i, hypotheses.begin[s] : hypotheses.begin[s + 1]].sum()
        states.now[t, s], states.entered[t, s], states.ended[t, s] = now, entered[s], ended[s]
    for s in chosen[: likeliest_states(states.now[t], chosen)]:
        mean, square = 0.0, 0.0
        for i in range(phases):
            for r in range(hypotheses.begin[s], hypotheses.begin[s + 1]):
                to_go = hypotheses.seconds[r] * (phases - i) / phases
                mean += belief[i, r] * to_go
                square += belief[i, r] * (to_go**2 + to_go * hypotheses.seconds[r] / phases)
        states.rest[t, s, 0] = mean / states.now[t, s]
        states.rest[t, s, 1] = max(square / states.now[t, s] - states.rest[t, s, 0] ** 2, 0.0)


@compiled(nogil=True)
@no_type_check
def likeliest_states(now, chosen):
    """The likeliest states, by probability; returns their number, at least 1."""
    num = 0
    for s in range(len(now)):
        if now[s] < LEAST or (num == MOST and now[s] <= now[chosen[num - 1]]):
            continue
        place = min(num, MOST - 1)
        while place > 0 and now[chosen[place - 1]] < now[s]:
            chosen[place] = chosen[place - 1]
            place -= 1
        chosen[place] = s
        num = min(num + 1, MOST)
    if num == 0:
        chosen[0] = np.argmax(now)
        num = 1
    return num


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def summarise(hypotheses, live, belief, classes, tasks, reached):
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
