"""What is next, what is left and what may be wrong, if one state of the filter were going on, in compiled code."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from protas_gtcc.procedure.result import REASONS
from protas_gtcc.storage.compiled_code import compiled

MISSING, ORDER, REPEATED, LONG = range(len(REASONS))
PACE_PRIOR = 3.0
"""How many steps of mean length the usual pace counts as."""
PACE_SPREAD = 0.2
"""Standard deviation of the pace of the rest of a procedure, about the pace so far."""


@compiled(nogil=True)
@no_type_check
def add_outlook(tables, state, n, begin, end, s, now, rest, done, probable, tracked, t):
    """Add what would be so if `s` were going on, by the probability that it is."""
    is_step, here = tables.is_step[s], s - begin
    work, expected, variance, mean_advance, num_steps = 0.0, 0.0, 0.0, 0.0, 0
    for c in range(end - begin):
        if not tables.is_step[begin + c]:
            continue
        mean_advance += tables.advance[begin + c, 0]
        num_steps += 1
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
    prior = PACE_PRIOR * mean_advance / max(num_steps, 1)
    pace = (state.elapsed[n] + prior) / (expected + prior) if expected + prior > 0 else 1.0
    until_next = rest[0] + pace * gap_mean
    until_variance = rest[1] + pace**2 * gap_variance
    left = until_next + pace * work
    left_variance = until_variance + pace**2 * variance + (PACE_SPREAD * pace * work) ** 2
    tracked.left[t, 0] += now * left
    tracked.left[t, 1] += now * (left_variance + left**2)
    tracked.upcoming[t, 0] += now * until_next
    tracked.upcoming[t, 1] += now * (until_variance + until_next**2)
