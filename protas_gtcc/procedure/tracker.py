"""Following a recording: what is done, what is next and what is left, from the duration filter's belief.

The filter believes in states: a class within a task. For each state, a stream remembers what would be so if that
state were going on: which steps are done, and which was the last one. When a segment ends and another starts, the new
state takes over what the states it may have come from remember, by their shares, and that these are done. Belief in a
state that the evidence takes back thus takes what it remembers with it: a step that was believed for a moment does not
stay done.

    done[s, j]     probability that step j is done, given that state s is going on
    last[s, j]     probability that step j was the last one before
    next[s, j]     probability that step j is the next one
    surprise[s]    how unexpected the start of s was: 1 - its probability / that of the likeliest next step
    seconds[s]     mean seconds since s began
"""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.procedure.evidence import LATER, NEXT, later_features, next_features, score_later, score_next
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.storage.compiled_code import compiled

NEGLIGIBLE = 1e-6
"""A state that is less probable remembers what it did before."""
CONSIDERED = 1e-3
"""A state that is less probable has no part in what is next and what is left."""
MISSING, ORDER, REPEATED, LONG = range(len(REASONS))
PACE_PRIOR = 3.0
"""How many steps of mean length the usual pace counts as."""
PACE_SPREAD = 0.2
"""Standard deviation of the pace of the rest of a procedure, about the pace so far."""


class Weights(NamedTuple):
    """Those of the two models of `evidence.py`."""

    next: np.ndarray
    """float64 `[NEXT]`."""
    later: np.ndarray
    """float64 `[LATER]`."""


class TrackerState(NamedTuple):
    """The state of n streams."""

    done: np.ndarray
    """float64 `[n, S, W]`."""
    last: np.ndarray
    next: np.ndarray
    surprise: np.ndarray
    """float64 `[n, S]`."""
    seconds: np.ndarray
    elapsed: np.ndarray
    """float64 `[n]`: mean seconds since the first step began."""


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


def new_state(num_streams: int, num_states: int, width: int) -> TrackerState:
    """The state before the first frame."""
    done, last, following = np.zeros((3, num_streams, num_states, width))
    surprise, seconds = np.zeros((2, num_streams, num_states))
    return TrackerState(done, last, following, surprise, seconds, np.zeros(num_streams))


def empty_tracked(num_frames: int, num_classes: int) -> Tracked:
    """Arrays for `num_frames` frames, all 0."""
    left, upcoming = np.zeros((2, num_frames, 2))
    following, done = np.zeros((2, num_frames, num_classes), dtype=np.float32)
    alarms = np.zeros((num_frames, len(REASONS), num_classes), dtype=np.float32)
    return Tracked(left, np.zeros(num_frames), upcoming, following, done, alarms)


@compiled(nogil=True)
@no_type_check
def track_frames(tables, weights, transitions, state, streams, beliefs, seconds, tracked):
    """Update `state` by T frames and fill in `tracked`; frame t is the next one of stream `streams[t]`.

    `transitions` is the filter's `following`. A frame takes `seconds`.
    """
    num_states, width = state.done.shape[1:]
    features, later = np.empty((width, NEXT)), np.empty((width, LATER))
    carried_done, carried_last = np.empty((2, num_states, width))
    probable = np.empty(width)
    for t in range(len(streams)):
        n = streams[t]
        _remember(tables, transitions, state, n, beliefs, t, seconds, carried_done, carried_last)
        began = 0.0
        for task in range(len(tables.begin) - 1):
            begin, end = tables.begin[task], tables.begin[task + 1]
            for s in range(begin, end):
                now = beliefs.now[t, s]
                if now < NEGLIGIBLE:
                    continue
                started = 1.0 if tables.is_step[s] else min(state.last[n, s].sum(), 1.0)
                began += now * started
                if now < CONSIDERED:
                    continue
                done, last = carried_done[s], carried_last[s]
                _assume(tables, begin, s, state.done[n, s], state.last[n, s], done, last)
                next_features(tables, task, last, done, features)
                score_next(tables, task, weights.next, features, state.next[n, s])
                later_features(tables, task, last, done, later)
                score_later(tables, task, weights.later, later, probable)
                _report(tables, state, n, begin, end, s, now, beliefs.rest[t, s], done, probable, tracked, t)
        state.elapsed[n] += seconds * began
        tracked.elapsed[t] = state.elapsed[n]
        tracked.left[t, 1] = max(tracked.left[t, 1] - tracked.left[t, 0] ** 2, 0.0)
        tracked.upcoming[t, 1] = max(tracked.upcoming[t, 1] - tracked.upcoming[t, 0] ** 2, 0.0)


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
def _remember(tables, transitions, state, n, beliefs, t, seconds, carried_done, carried_last):
    """Update what each state remembers: a part goes on, a part began with this frame after states that ended."""
    num_states, width = state.done.shape[1:]
    ended = beliefs.ended[t]
    least = 1e-4 * ended.sum()
    surprises = np.zeros(num_states)
    touched = np.zeros(num_states, dtype=np.bool_)
    for task in range(len(tables.begin) - 1):
        begin, end = tables.begin[task], tables.begin[task + 1]
        for s in range(begin, end):
            share = beliefs.entered[t, s]
            if beliefs.now[t, s] < NEGLIGIBLE or share <= 0:
                continue
            touched[s] = True
            for j in range(width):
                carried_done[s, j] = carried_last[s, j] = 0.0
            total = 0.0
            for k in range(begin, end):
                flow = ended[k] * transitions[k, s]
                if ended[k] <= least or flow <= 0:
                    continue
                total += flow
                for j in range(end - begin):
                    carried_done[s, j] += flow * state.done[n, k, j]
                    carried_last[s, j] += 0.0 if tables.is_step[k] else flow * state.last[n, k, j]
                if tables.is_step[k]:
                    carried_done[s, k - begin] += flow * (1 - state.done[n, k, k - begin])
                    carried_last[s, k - begin] += flow
                if tables.is_step[s]:
                    likeliest = state.next[n, k, : end - begin].max()
                    chance = state.next[n, k, s - begin] / likeliest if likeliest > 0 else 1.0
                    surprises[s] += flow * (1 - chance)
            if total > 0:
                surprises[s] /= total
                for j in range(end - begin):
                    carried_done[s, j] /= total
                    carried_last[s, j] /= total
    for s in range(num_states):
        share = beliefs.entered[t, s] if touched[s] else 0.0
        state.seconds[n, s] = (1 - share) * state.seconds[n, s] + seconds
        if share > 0:
            state.surprise[n, s] = (1 - share) * state.surprise[n, s] + share * surprises[s]
            for j in range(width):
                state.done[n, s, j] = (1 - share) * state.done[n, s, j] + share * carried_done[s, j]
                state.last[n, s, j] = (1 - share) * state.last[n, s, j] + share * carried_last[s, j]


@compiled(nogil=True)
@no_type_check
def _report(tables, state, n, begin, end, s, now, rest, done, probable, tracked, t):
    """Add what would be so if `s` were going on, by the probability that it is."""
    is_step, here = tables.is_step[s], s - begin
    work, expected, prior, variance, mean_advance = 0.0, 0.0, 0.0, 0.0, 0.0
    for c in range(end - begin):
        if not tables.is_step[begin + c]:
            continue
        mean_advance += tables.advance[begin + c, 0] / (end - begin)
        comes = (1 - done[c]) * probable[c]
        work += comes * tables.advance[begin + c, 0]
        variance += comes * (tables.advance[begin + c, 1] + (1 - comes) * tables.advance[begin + c, 0] ** 2)
        if c != here:
            expected += done[c] * tables.advance[begin + c, 0]
        label = tables.state_class[begin + c]
        tracked.next[t, label] += now * state.next[n, s, c]
        tracked.alarms[t, MISSING, label] += now * (1 - done[c]) * (1 - probable[c])
        if c != here:
            tracked.done[t, label] += now * state.done[n, s, c]
    gap_mean, gap_variance = 0.0, 0.0
    if is_step:
        expected += min(state.seconds[n, s], tables.advance[s, 0])
        gap_mean, gap_variance = tables.gap[s, 0], tables.gap[s, 1]
        label, before = tables.state_class[s], state.done[n, s, here]
        deviation = (np.log(state.seconds[n, s]) - tables.length[s, 0]) / tables.length[s, 1]
        tracked.alarms[t, ORDER, label] += now * (1 - before) * state.surprise[n, s]
        tracked.alarms[t, REPEATED, label] += now * before * state.surprise[n, s]
        tracked.alarms[t, LONG, label] += now * deviation / (1 + abs(deviation)) if deviation > 0 else 0.0
    prior = PACE_PRIOR * mean_advance
    pace = (state.elapsed[n] + prior) / (expected + prior) if expected + prior > 0 else 1.0
    until_next = rest[0] + pace * gap_mean
    until_variance = rest[1] + pace**2 * gap_variance
    left = until_next + pace * work
    left_variance = until_variance + pace**2 * variance + (PACE_SPREAD * pace * work) ** 2
    tracked.left[t, 0] += now * left
    tracked.left[t, 1] += now * (left_variance + left**2)
    tracked.upcoming[t, 0] += now * until_next
    tracked.upcoming[t, 1] += now * (until_variance + until_next**2)
