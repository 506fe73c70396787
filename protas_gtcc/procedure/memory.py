"""What a stream remembers of each state, and what follows from it for the order, in compiled code.

`tracker.py` lists what is remembered.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from protas_gtcc.storage.compiled_code import compiled


@compiled(nogil=True)
@no_type_check
def find_order(rules, k, upcoming, order):
    """Fill in the probability `[W]` that each state of its task follows state `k`.

    `upcoming` `[W]` is which step is next, by all that is remembered. The rest of the weight `order_memory` has the
    learnt order, which depends on `k` alone. How likely a background is stays as it was learnt.
    """
    tables, task = rules.tables, rules.state_task[k]
    begin, end = tables.begin[task], tables.begin[task + 1]
    to_steps, total = 0.0, 0.0
    for c in range(end - begin):
        order[c] = rules.following[k, begin + c]
        if tables.is_step[begin + c] and begin + c != k:
            to_steps += order[c]
            total += upcoming[c]
    for c in range(end - begin):
        if tables.is_step[begin + c] and total > 0:
            share = upcoming[c] / total if begin + c != k else 0.0
            order[c] += rules.order_memory * (to_steps * share - order[c])


@compiled(nogil=True)
@no_type_check
def assume(tables, begin, s, done, last, done_after, last_after):
    """What is done, and the last step, once the step that is going on is."""
    for j in range(len(done)):
        done_after[j] = done[j]
        last_after[j] = 0.0 if tables.is_step[s] else last[j]
    if tables.is_step[s]:
        done_after[s - begin] = 1.0
        last_after[s - begin] = 1.0


@compiled(nogil=True)
@no_type_check
def remember(rules, state, n, beliefs, t, order, before, chosen, carried):
    """Update what each state remembers: a part goes on, a part began with this frame after states that ended.

    A state that was not up to date is taken to begin now. Where no state that may have ended is up to date, as when a
    task is likely again after another one was, it takes over what its task remembers.
    """
    tables, of_task = rules.tables, rules.state_task
    surprises, totals = np.zeros(len(chosen)), np.zeros(len(chosen))
    for number, s in enumerate(chosen):
        carried[0, number], carried[1, number] = 0.0, 0.0
        begin = tables.begin[of_task[s]]
        for k in before:
            flow = beliefs.ended[t, k] * order[k, s - begin] if of_task[k] == of_task[s] else 0.0
            if flow > 0:
                totals[number] += flow
                surprises[number] += flow * _carry(tables, state, n, begin, s, k, flow, carried[:, number])
    for number, s in enumerate(chosen):
        share = beliefs.entered[t, s] if state.known[n, s] > 0 else 1.0
        total = totals[number]
        if total <= 0:
            total = 1.0
            for j in range(carried.shape[2]):
                carried[0, number, j] = state.task_done[n, of_task[s], j]
                carried[1, number, j] = state.task_last[n, of_task[s], j]
        state.seconds[n, s] = (1 - share) * state.seconds[n, s] + rules.seconds
        state.surprise[n, s] = (1 - share) * state.surprise[n, s] + share * surprises[number] / total
        for j in range(state.done.shape[2]):
            state.done[n, s, j] = (1 - share) * state.done[n, s, j] + share * carried[0, number, j] / total
            state.last[n, s, j] = (1 - share) * state.last[n, s, j] + share * carried[1, number, j] / total
    for s in range(state.known.shape[1]):
        state.known[n, s] = 0.0
    for s in chosen:
        state.known[n, s] = 1.0


@compiled(nogil=True)
@no_type_check
def _carry(tables, state, n, begin, s, k, flow, carried):
    """Add what is so after state `k`, by its share; returns how unexpected it is that `s` follows."""
    done, last = carried
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
