"""Following a recording: the duration filter's belief, and what is done, what is next and what is left by it.

The filter believes in states: a class within a task. For each of the likeliest states, a stream remembers what would be
so if that state were going on: which steps are done, and which was the last one. When a segment ends and another
starts, the new state takes over what the states it may have come from remember, by their shares, and that these are
done. Belief in a state that the evidence takes back thus takes what it remembers with it: a step that was believed for
a short time does not stay done.

    done[s, j]     probability that step j is done, given that state s is going on
    last[s, j]     probability that step j was the last one before
    next[s, j]     probability that step j is the next one
    surprise[s]    how unexpected the start of s was: 1 - its probability / that of the likeliest next step
    seconds[s]     mean seconds since s began
    known[s]       1 if s was among the likeliest states at the frame before: what it remembers is up to date

What is next, if a state ends, is also what the filter believes of the frame that follows: a step that is done does not
start again, unless it often did in training, and a step that others wait for comes before them.
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.decoding.belief import likeliest_states
from protas_gtcc.decoding.duration_filter import filter_frame
from protas_gtcc.decoding.filter_output import MOST
from protas_gtcc.procedure.evidence import LATER, NEXT, Tables, find_features, score_later, score_next
from protas_gtcc.procedure.memory import assume, find_order, remember
from protas_gtcc.procedure.outlook import add_outlook
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.storage.compiled_code import compiled


class Weights(NamedTuple):
    """Those of the two models of `evidence.py`."""

    next: np.ndarray
    """float64 `[NEXT]`."""
    later: np.ndarray
    """float64 `[LATER]`."""


class TrackingRules(NamedTuple):
    """All that following depends on but the belief, at one frame rate."""

    tables: Tables
    state_task: np.ndarray
    """int64 `[S]`."""
    weights: Weights
    following: np.ndarray
    """The filter's learnt order, as in `TranscriptTables`."""
    order_memory: float
    """As in `DecodingConfig`."""
    seconds: float
    """That a frame takes."""


class TrackerState(NamedTuple):
    """The state of n streams, float64."""

    done: np.ndarray
    """`[n, S, W]`."""
    last: np.ndarray
    next: np.ndarray
    surprise: np.ndarray
    """`[n, S]`."""
    seconds: np.ndarray
    known: np.ndarray
    elapsed: np.ndarray
    """`[n]`: mean seconds since the first step began."""
    task_done: np.ndarray
    """`[n, K, W]`: what is done, if the task is that of the video, when one of its states was last among the likeliest.
    """
    task_last: np.ndarray


class Tracked(NamedTuple):
    """What the tracker finds in T frames."""

    left: np.ndarray
    """float64 `[T, 2]`: mean and variance of the seconds until the last step ends."""
    elapsed: np.ndarray
    """float64 `[T]`: mean seconds since the first step began."""
    upcoming: np.ndarray
    """float64 `[T, 2]`: mean and variance of the seconds until the next step starts."""
    next: np.ndarray
    """float32 `[T, C]`: probability that each class is the next step."""
    done: np.ndarray
    """float32 `[T, C]`: probability that each class is done."""
    alarms: np.ndarray
    """float32 `[T, A, C]`: how sure it is that something is wrong with a class, for each of the `REASONS`."""


def new_state(num_streams: int, num_states: int, width: int, num_tasks: int) -> TrackerState:
    """The state before the first frame."""
    done, last, following = np.zeros((3, num_streams, num_states, width))
    surprise, seconds, known = np.zeros((3, num_streams, num_states))
    of_tasks = np.zeros((2, num_streams, num_tasks, width))
    return TrackerState(done, last, following, surprise, seconds, known, np.zeros(num_streams), *of_tasks)


def empty_tracked(num_frames: int, num_classes: int) -> Tracked:
    """Arrays for `num_frames` frames, all 0."""
    left, upcoming = np.zeros((2, num_frames, 2))
    following, done = np.zeros((2, num_frames, num_classes), dtype=np.float32)
    alarms = np.zeros((num_frames, len(REASONS), num_classes), dtype=np.float32)
    return Tracked(left, np.zeros(num_frames), upcoming, following, done, alarms)


@compiled(nogil=True)
@no_type_check
def follow_frames(call, rules, state, tracked):
    """Filter all frames of a `FilterCall`, each in the order that is remembered, and update `state` and `tracked`."""
    order, before = np.empty(state.done.shape[1:]), np.empty(MOST, np.int64)
    for t in range(len(call.streams)):
        n = call.streams[t]
        known = before[: find_known(state.known[n], before)]
        for k in known:
            find_order(rules, k, state.next[n, k], order[k])
        filter_frame(call, t, state.known[n], order)
        track_frame(rules, state, n, call.output.states, t, order, known, tracked)


@compiled(nogil=True)
@no_type_check
def track_frame(rules, state, n, beliefs, t, order, before, tracked):
    """Update the `state` of stream n by frame t of the filter's beliefs, and fill in frame t of `tracked`.

    `before` are the states that are known from the frame before, `order[k]` is what follows each.
    """
    tables, of_task, width = rules.tables, rules.state_task, state.done.shape[2]
    upcoming, later, probable = np.empty((width, NEXT)), np.empty((width, LATER)), np.empty(width)
    chosen, carried = np.empty(MOST, np.int64), np.empty((2, MOST, width))
    chosen = chosen[: likeliest_states(beliefs.now[t], chosen)]
    remember(rules, state, n, beliefs, t, order, before, chosen, carried)
    total, began = 0.0, 0.0
    task_shares = np.zeros(len(tables.begin) - 1)
    for s in chosen:
        total += beliefs.now[t, s]
        task_shares[of_task[s]] += beliefs.now[t, s]
    for task in range(len(task_shares)):
        if task_shares[task] > 0:
            state.task_done[n, task], state.task_last[n, task] = 0.0, 0.0
    done, last = carried[0, 0], carried[1, 0]
    for s in chosen:
        now, task = beliefs.now[t, s] / total, of_task[s]
        begin, end = tables.begin[task], tables.begin[task + 1]
        began += now * (1.0 if tables.is_step[s] else min(state.last[n, s].sum(), 1.0))
        assume(tables, begin, s, state.done[n, s], state.last[n, s], done, last)
        share = beliefs.now[t, s] / task_shares[task]
        for j in range(width):
            state.task_done[n, task, j] += share * done[j]
            state.task_last[n, task, j] += share * last[j]
        find_features(tables, task, last, done, upcoming, later)
        score_next(tables, task, rules.weights.next, upcoming, state.next[n, s])
        score_later(tables, task, rules.weights.later, later, probable)
        add_outlook(tables, state, n, begin, end, s, now, beliefs.rest[t, s], done, probable, tracked, t)
    state.elapsed[n] += rules.seconds * began
    tracked.elapsed[t] = state.elapsed[n]
    for statistics in (tracked.left[t], tracked.upcoming[t]):
        statistics[1] = max(statistics[1] - statistics[0] ** 2, 0.0)


@compiled(nogil=True)
@no_type_check
def find_known(known, found):
    """The states that are up to date, of which there are at most `MOST`; returns their number."""
    num = 0
    for s in range(len(known)):
        if known[s] > 0 and num < MOST:
            found[num] = s
            num += 1
    return num
