"""Following a recording: what is done, what is next and what is left, from the duration filter's belief.

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
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.procedure.evidence import LATER, NEXT, find_features, score_later, score_next
from protas_gtcc.procedure.outlook import add_outlook
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.storage.compiled_code import compiled

MOST = 6
"""States that are looked at, the likeliest ones."""
LEAST = 1e-3
"""A state that is less probable is not looked at."""


class Weights(NamedTuple):
    """Those of the two models of `evidence.py`."""

    next: np.ndarray
    """float64 `[NEXT]`."""
    later: np.ndarray
    """float64 `[LATER]`."""


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
def track_frames(tables, state_task, weights, transitions, state, streams, beliefs, seconds, tracked):
    """Update `state` by T frames and fill in `tracked`; frame t is the next one of stream `streams[t]`.

    `transitions` is the filter's `following`. A frame takes `seconds`.
    """
    width = state.done.shape[2]
    upcoming, later, probable = np.empty((width, NEXT)), np.empty((width, LATER)), np.empty(width)
    chosen, before = np.empty(MOST, np.int64), np.empty(MOST, np.int64)
    carried = np.empty((2, MOST, width))
    for t in range(len(streams)):
        n = streams[t]
        num_before = _find_known(state.known[n], before)
        num = _choose(beliefs.now[t], chosen)
        _remember(
            tables, state_task, transitions, state, n, beliefs, t, seconds, chosen[:num], before[:num_before], carried
        )
        total, began = 0.0, 0.0
        of_tasks = np.zeros(len(tables.begin) - 1)
        for s in chosen[:num]:
            total += beliefs.now[t, s]
            of_tasks[state_task[s]] += beliefs.now[t, s]
        for task in range(len(of_tasks)):
            if of_tasks[task] > 0:
                state.task_done[n, task], state.task_last[n, task] = 0.0, 0.0
        for s in chosen[:num]:
            now, task = beliefs.now[t, s] / total, state_task[s]
            begin, end = tables.begin[task], tables.begin[task + 1]
            began += now * (1.0 if tables.is_step[s] else min(state.last[n, s].sum(), 1.0))
            done, last = carried[0, 0], carried[1, 0]
            _assume(tables, begin, s, state.done[n, s], state.last[n, s], done, last)
            part = beliefs.now[t, s] / of_tasks[task]
            for j in range(width):
                state.task_done[n, task, j] += part * done[j]
                state.task_last[n, task, j] += part * last[j]
            find_features(tables, task, last, done, upcoming, later)
            score_next(tables, task, weights.next, upcoming, state.next[n, s])
            score_later(tables, task, weights.later, later, probable)
            add_outlook(tables, state, n, begin, end, s, now, beliefs.rest[t, s], done, probable, tracked, t)
        state.elapsed[n] += seconds * began
        tracked.elapsed[t] = state.elapsed[n]
        for statistics in (tracked.left[t], tracked.upcoming[t]):
            statistics[1] = max(statistics[1] - statistics[0] ** 2, 0.0)


@compiled(nogil=True)
@no_type_check
def _find_known(known, found):
    """The states that are up to date, of which there are at most `MOST`; returns their number."""
    num = 0
    for s in range(len(known)):
        if known[s] > 0 and num < MOST:
            found[num] = s
            num += 1
    return num


@compiled(nogil=True)
@no_type_check
def _choose(now, chosen):
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


@compiled(nogil=True)
@no_type_check
def _assume(tables, begin, s, done, last, done_after, last_after):
    """What is done, and the last step, once the step that is going on is."""
    for j in range(len(done)):
        done_after[j] = done[j]
        last_after[j] = 0.0 if tables.is_step[s] else last[j]
    if tables.is_step[s]:
        done_after[s - begin] = 1.0
        last_after[s - begin] = 1.0


@compiled(nogil=True)
@no_type_check
def _remember(tables, state_task, transitions, state, n, beliefs, t, seconds, chosen, before, carried):
    """Update what each state remembers: a part goes on, a part began with this frame after states that ended.

    A state that was not up to date is taken to begin now. Where no state that may have ended is up to date, as when a
    task is likely again after another one was, it takes over what its task remembers.
    """
    surprises, totals = np.zeros(len(chosen)), np.zeros(len(chosen))
    for number, s in enumerate(chosen):
        carried[0, number], carried[1, number] = 0.0, 0.0
        for k in before:
            flow = beliefs.ended[t, k] * transitions[k, s]
            if state_task[k] == state_task[s] and flow > 0:
                totals[number] += flow
                surprises[number] += flow * _carry(
                    tables, state, n, tables.begin[state_task[s]], s, k, flow, carried[0, number], carried[1, number]
                )
    for number, s in enumerate(chosen):
        share = beliefs.entered[t, s] if state.known[n, s] > 0 else 1.0
        total = totals[number]
        if total <= 0:
            total, task = 1.0, state_task[s]
            carried[0, number], carried[1, number] = state.task_done[n, task], state.task_last[n, task]
        state.seconds[n, s] = (1 - share) * state.seconds[n, s] + seconds
        state.surprise[n, s] = (1 - share) * state.surprise[n, s] + share * surprises[number] / total
        for j in range(state.done.shape[2]):
            state.done[n, s, j] = (1 - share) * state.done[n, s, j] + share * carried[0, number, j] / total
            state.last[n, s, j] = (1 - share) * state.last[n, s, j] + share * carried[1, number, j] / total
    state.known[n] = 0.0
    for s in chosen:
        state.known[n, s] = 1.0


@compiled(nogil=True)
@no_type_check
def _carry(tables, state, n, begin, s, k, flow, done, last):
    """Add what is so after state `k`, by its share; returns how unexpected it is that `s` follows."""
    for j in range(len(done)):
        done[j] += flow * state.done[n, k, j]
        last[j] += 0.0 if tables.is_step[k] else flow * state.last[n, k, j]
    if tables.is_step[k]:
        done[k - begin] += flow * (1 - state.done[n, k, k - begin])
        last[k - begin] += flow
    likeliest = state.next[n, k].max()
    if not tables.is_step[s] or likeliest <= 0:
        return 0.0
    return 1 - state.next[n, k, s - begin] / likeliest
