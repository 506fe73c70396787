"""What the filter believes of a frame once later frames are known: its backward recursion, in compiled code.

A hypothesis h of frame t, with belief b, is as likely by then as b times what it makes of the frames that followed:

    later[T](h) = 1 for the last known frame
    later[t](h) = sum over h' of P(h' at t + 1, if h at t) x evidence[t + 1](h') x later[t + 1](h')

So a frame that is reported L frames later takes L steps back (Rabiner, 1989; Yu, Hidden semi-Markov models, 2010).
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from protas_gtcc.decoding.belief import live_range, live_tasks, read_belief, summarise
from protas_gtcc.storage.compiled_code import REORDERED, compiled


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def smooth_frames(hypotheses, rule, given, trace, count, lag, before, output):
    """Report the first `count` frames of a `Trace`, each by what is known `lag` frames later, or at its end.

    Their belief in the trace becomes that. `given` is the task, as in `FilterCall`; `before` is the label of the frame
    before these, -1 if there is none.
    """
    live, last = live_tasks(hypotheses, given), len(trace.belief) - 1
    # Half the precision takes half the time, and each step is scaled.
    passes = hypotheses.passes.astype(np.float32)
    ends = _find_ends(hypotheses, trace.belief.shape[1]).astype(np.float32)
    later, earlier = np.ones(trace.belief.shape[1:], np.float32), np.empty(trace.belief.shape[1:], np.float32)
    for number in range(count):
        # Where everything is known at the end, one pass back serves all frames.
        t = count - 1 - number if lag >= last else number
        start = min(t + lag, last)
        if lag >= last and number > 0:
            start = t + 1
        else:
            later[:] = 1.0
        for v in range(start, t, -1):
            _step_back(hypotheses, live, trace, v, passes, ends, later, earlier)
            later, earlier = earlier, later
        _weigh(hypotheses, live, later, trace.belief[t])
    for t in range(count):
        _read(hypotheses, rule, live, trace, t, min(t + min(rule.ahead, lag), last), before, output)
        before = output.labels[t]


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _find_ends(hypotheses, phases):
    """Probability `[N, R]` that a segment in a phase ends with the next frame."""
    ends = np.ones((phases, hypotheses.passes.shape[1]))
    for i in range(phases):
        for k in range(min(len(hypotheses.passes), phases - i)):
            ends[i] -= hypotheses.passes[k]
    return np.maximum(ends, 0.0)


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _step_back(hypotheses, live, trace, v, passes, ends, later, earlier):
    """From what hypotheses of frame v make of the frames after it, `[N, R]`, to the same of the frame before."""
    low, high, first, last = live_range(hypotheses, live)
    every_weight, every_ending = np.empty(last, np.float32), np.empty(last, np.float32)
    every_stay = np.empty(last, np.float32)
    phases, entering = len(later), np.zeros(len(hypotheses.first))
    for s in range(low, high):
        every_weight[hypotheses.begin[s] : hypotheses.begin[s + 1]] = trace.weights[v, s]
    weight, ending, stays = every_weight[first:], every_ending[first:], every_stay[first:]
    # Over all lengths at once: these loops are most of the work.
    for i in range(phases):
        now = later[i, first:last]
        for r in range(len(now)):
            now[r] *= weight[r]
    # A segment that starts goes on, even if it has passed all of its phases.
    stays[:] = ends[0, first:last] * later[phases - 1, first:last]
    for k in range(len(passes)):
        part, now = passes[k, first:last], later[k, first:last]
        for r in range(len(now)):
            stays[r] += part[r] * now[r]
    for s in range(low, high):
        for r in range(hypotheses.begin[s], hypotheses.begin[s + 1]):
            entering[s] += hypotheses.weight[r] * every_stay[r]
    _find_ending(hypotheses, live, trace, v, entering, every_ending)
    total = np.float32(0.0)
    for i in range(phases):
        now, share = earlier[i, first:last], ends[i, first:last]
        for r in range(len(now)):
            now[r] = share[r] * ending[r]
        for k in range(min(len(passes), phases - i)):
            part, after = passes[k, first:last], later[i + k, first:last]
            for r in range(len(now)):
                now[r] += part[r] * after[r]
        for r in range(len(now)):
            total += now[r]
    scale = np.float32(phases * (last - first)) / total
    for i in range(phases):
        now = earlier[i, first:last]
        for r in range(len(now)):
            now[r] *= scale


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _find_ending(hypotheses, live, trace, v, entering, ending):
    """What it is worth `[R]` that a segment ends, by what may follow it."""
    for g in range(live[0], live[1]):
        begin, end = hypotheses.task_begin[g], hypotheses.task_begin[g + 1]
        for k in range(begin, end):
            follows = hypotheses.following[k, begin:end]
            for number in range(trace.known.shape[1]):
                if trace.known[v, number] == k:
                    follows = trace.order[v, number, : end - begin]
            worth = 0.0
            for s in range(end - begin):
                worth += follows[s] * entering[begin + s]
            ending[hypotheses.begin[k] : hypotheses.begin[k + 1]] = worth


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _weigh(hypotheses, live, later, belief):
    """Multiply a belief by what its hypotheses make of the frames after it."""
    _, _, first, last = live_range(hypotheses, live)
    total = 0.0
    for i in range(len(belief)):
        for r in range(first, last):
            belief[i, r] *= later[i, r]
            total += belief[i, r]
    for i in range(len(belief)):
        for r in range(first, last):
            belief[i, r] /= total


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def _read(hypotheses, rule, live, trace, t, until, before, output):
    """Fill in frame t of the output, for which the network's own belief is its mean until another frame."""
    belief, network = trace.belief[t], trace.network[t].copy()
    for v in range(t + 1, until + 1):
        network += trace.network[v]
    network /= until + 1 - t
    classes, tasks = np.empty(len(network)), np.empty(len(hypotheses.task_begin) - 1)
    reached = np.empty((len(belief), len(network)))
    summarise(hypotheses, live, belief, classes, tasks, reached)
    read_belief(hypotheses, rule, live, belief, classes, tasks, reached, network, trace.progress[t], before, output, t)
