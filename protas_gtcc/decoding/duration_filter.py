"""The filter's forward recursion, in compiled code.

This is an online explicit-duration (hidden semi-Markov) filter. At every frame each hypothesis goes on or ends, and
those that end start a segment of another state of their task. The network's probabilities of the states' classes then
weight all hypotheses. Where the task of a stream is given, only its states are live: the belief in others is 0. What is
reported mixes the belief with the network's own (`belief.py`), in which an action counts as much as the tasks that have
it are likely.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.decoding.belief import describe, live_range, live_tasks, read_belief, summarise
from protas_gtcc.decoding.filter_output import FilterOutput
from protas_gtcc.decoding.hypotheses import Hypotheses
from protas_gtcc.decoding.rule import TINY, Rule, weigh, weigh_states
from protas_gtcc.storage.compiled_code import REORDERED, compiled


class FilterCall(NamedTuple):
    """T frames to be filtered, of which frame t is the next one of stream `streams[t]`."""

    hypotheses: Hypotheses
    rule: Rule
    belief: np.ndarray
    """float64 `[n, N, R]`: that of each stream about each phase of each length; it is updated."""
    labels: np.ndarray
    """int64 `[n]`: label of each stream; updated."""
    given: np.ndarray
    """int64 `[n]`: 0 for a stream whose task is inferred, else 1 + the number of its task."""
    streams: np.ndarray
    """int64 `[T]`."""
    probs: np.ndarray
    """The network's, float32 `[T, C]`."""
    progress: np.ndarray
    """The network's, float32 `[T, C]`; any array, with a rule's `network_progress_share` of 0, if it has none."""
    output: FilterOutput
    """To be filled in."""


@compiled(nogil=True)
@no_type_check
def filter_frames(call):
    """Filter all frames of a `FilterCall`, with the learnt order."""
    known, order = np.zeros(len(call.hypotheses.first)), np.empty((len(call.hypotheses.first), 1))
    for t in range(len(call.streams)):
        filter_frame(call, t, known, order)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def filter_frame(call, t, known, order):
    """Filter frame t of a `FilterCall`.

    After state k, if `known[k]` is above 0, the states of its task follow with the probabilities `order[k]` instead of
    the learnt ones.
    """
    hypotheses, rule, output, stream = call.hypotheses, call.rule, call.output, call.streams[t]
    belief, task = call.belief[stream], call.given[stream]
    num_classes, phases, num_tasks = call.probs.shape[1], len(belief), len(hypotheses.task_begin) - 1
    moved, tasks = np.empty(belief.shape), np.empty(num_tasks)
    started, ended, entered, weights = np.empty((4, len(hypotheses.first)))
    evidence, network, classes = np.empty(num_classes), np.empty(num_classes), np.empty(num_classes)
    reached, live = np.empty((phases, num_classes)), live_tasks(hypotheses, task)
    weigh(rule, call.probs[t], evidence, network)
    weigh_states(hypotheses, rule, live, evidence, weights)
    is_first = _advance(hypotheses, live, known, order, belief, moved, ended, started)
    _start(hypotheses, live, moved, started, weights, belief, entered)
    summarise(hypotheses, live, belief, classes, tasks, reached)
    if num_tasks > 1:
        _keep_tasks(hypotheses, live, tasks, belief)
    if len(output.trace.belief):
        _note(output.trace, t, belief, weights, network, call.progress[t], known, order)
    before = -1 if is_first else call.labels[stream]
    read_belief(hypotheses, rule, live, belief, classes, tasks, reached, network, call.progress[t], before, output, t)
    call.labels[stream] = output.labels[t]
    if len(output.states.now):
        describe(hypotheses, live, belief, ended, entered, output.states, t)


@compiled(nogil=True)
@no_type_check
def _note(trace, t, belief, weights, network, progress, known, order):
    """Keep what is known of frame t."""
    for s in range(len(weights)):
        trace.weights[t, s] = weights[s]
    for c in range(len(network)):
        trace.network[t, c], trace.progress[t, c] = network[c], progress[c]
    for i in range(len(belief)):
        for r in range(belief.shape[1]):
            trace.belief[t, i, r] = belief[i, r]
    num = 0
    for k in range(len(known)):
        if known[k] > 0 and num < trace.known.shape[1]:
            trace.known[t, num] = k
            for place in range(order.shape[1]):
                trace.order[t, num, place] = order[k, place]
            num += 1
    for n in range(num, trace.known.shape[1]):
        trace.known[t, n] = -1


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _advance(hypotheses, live, known, order, belief, moved, ended, started):
    """Move every hypothesis by a frame; `ended` and `started` become the probability `[S]` that a segment does so.

    Returns whether it is the first frame, before which there is no belief.
    """
    low, high, first, last = live_range(hypotheses, live)
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
            starts = started[begin:end]
            follows = order[k, : end - begin] if known[k] > 0 else hypotheses.following[k, begin:end]
            for s in range(len(starts)):
                starts[s] += ended[k] * follows[s]
    return total == 0.0


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _start(hypotheses, live, moved, started, weights, belief, entered):
    """Add the segments that start with this frame, weight all states; they become the new belief.

    `entered` becomes their share of the belief in each state, `[S]`.

    The whole frame belongs to a new segment, which may have passed some phases at its end, but goes on.
    """
    low, high, first, last = live_range(hypotheses, live)
    every_new, every_weight, mass = np.empty(last), np.empty(last), np.zeros(last - first)
    for s in range(low, high):
        for r in range(hypotheses.begin[s], hypotheses.begin[s + 1]):
            every_new[r], every_weight[r] = started[s] * hypotheses.weight[r], weights[s]
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
def _keep_tasks(hypotheses, live, tasks, belief):
    """Raise a task to the least probability, so that it can come back, and numbers stay where arithmetic is fast."""
    for g in range(live[0], live[1]):
        if tasks[g] < TINY:
            first, last = live_range(hypotheses, (g, g + 1))[2:]
            for i in range(len(belief)):
                for r in range(first, last):
                    belief[i, r] *= TINY / tasks[g]
            tasks[g] = TINY
