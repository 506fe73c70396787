"""What is known of the steps at one frame, as evidence for or against each step, in compiled code.

Two models use them. Which step is next is a conditional logit over all steps of the task (McFadden, 1974): each step
has a score, the weighted sum of its `NEXT` features, and its probability is its share of the exponentials. Whether a
step that is not done will still come is a logistic regression on its `LATER` features.

What is known is the last step and which steps are done, both as probabilities. Where these are certain, the features
are exact; elsewhere they are those of the mean, not the mean of the features.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, no_type_check

import numpy as np

from protas_gtcc.procedure.tables import HALF, ProcedureTables
from protas_gtcc.storage.compiled_code import REORDERED, compiled

NEXT = 10
"""Number of features of a step that may be next."""
LATER = 11
"""Number of features of a step that may still come."""
IMPOSSIBLE = -1e30
"""Score of a place that is no step."""
MANY = 3.0
"""More steps that wait, or that are waited for, count as much as these."""


class Tables(NamedTuple):
    """`ProcedureTables`, as compiled code needs them: 0 for background, and for a step with itself."""

    begin: np.ndarray
    state_class: np.ndarray
    is_step: np.ndarray
    share: np.ndarray
    start: np.ndarray
    ends: np.ndarray
    after: np.ndarray
    before: np.ndarray
    repeat: np.ndarray
    rank: np.ndarray
    advance: np.ndarray
    gap: np.ndarray
    length: np.ndarray
    orders: np.ndarray
    orders_begin: np.ndarray
    """int64 `[K + 1]`: the first training recording of each task, and N."""
    needs: np.ndarray
    num_needed_by: np.ndarray
    """`[S]`: number of steps that wait for a step."""
    has_needs: bool


def compiled_tables(tables: ProcedureTables) -> Tables:
    """The tables with what is derived from them."""
    begin = tables.begin
    needed_by = np.zeros(len(tables.state_task))
    before = tables.before * tables.is_step[:, None]
    before[np.arange(len(before)), tables.place] = 0
    for low, high in pairwise(begin):
        needed_by[low:high] = tables.needs[low:high].sum(axis=0)[: high - low]
        before[low:high, : high - low] *= tables.is_step[low:high]
    values = {name: getattr(tables, name) for name in Tables._fields if hasattr(tables, name)}
    values |= {"before": before, "orders_begin": np.searchsorted(tables.orders_task, np.arange(tables.num_tasks + 1))}
    arrays = {name: np.ascontiguousarray(one) for name, one in values.items()}
    return Tables(**arrays, num_needed_by=needed_by, has_needs=bool(tables.needs.any()))


@compiled(nogil=True, fastmath=REORDERED)
@no_type_check
def find_features(tables, task, last, done, upcoming, later):
    """Fill in the features of each step of a task: `[W, NEXT]` that it is next, `[W, LATER]` that it still comes.

    `last` `[W]` has the probability that each step was the last one; what it lacks to 1 is that there was none.
    `done` `[W]` has the probability that each is done. Rows of places that are no step are left as they are.
    """
    begin, end = tables.begin[task], tables.begin[task + 1]
    num = end - begin
    follows, ahead, behind, least, since_last, first_undone = np.zeros((6, num))
    num_done, work, all_work, known_last, ends, ended = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    undone = np.empty(num)
    for j in range(num):
        num_done += done[j]
        known_last += last[j]
        ends += last[j] * tables.ends[begin + j]
        ended += done[j] * tables.ends[begin + j]
        work += tables.share[begin + j] * done[j]
        all_work += tables.share[begin + j]
        undone[j] = tables.share[begin + j] * (1 - done[j])
    for j in range(num):
        before, here, part = tables.before[begin + j, :num], 0.0, done[j]
        for c in range(num):
            here += undone[c] * before[c]
        ahead[j] = here
        if part > 0:
            for c in range(num):
                behind[c] += part * before[c]
                least[c] = min(least[c], part * before[c])
        if last[j] > 0:
            for c in range(num):
                follows[c] += last[j] * tables.after[begin + j, c]
                since_last[c] += last[j] * before[c]
    all_first = _find_first_undone(tables, task, done, first_undone)
    reached = min(max(work / max(all_work, 1e-30), 0.02), 0.98)
    fresh = max(1 - known_last, 0.0)
    for c in range(num):
        if tables.is_step[begin + c]:
            share, next_of, later_of = tables.share[begin + c], upcoming[c], later[c]
            next_of[0] = np.log(max(follows[c] + fresh * tables.start[begin + c], 1e-30))
            next_of[1] = ahead[c]
            next_of[2] = behind[c]
            next_of[3] = done[c] * tables.repeat[begin + c]
            next_of[4] = done[c]
            next_of[5] = np.log((first_undone[c] + HALF * share) / (all_first + HALF * all_work))
            next_of[6] = -abs(tables.rank[begin + c] - num_done)
            later_of[0] = 1.0
            later_of[1] = np.log(share / (1 - share))
            later_of[2] = MANY * behind[c] / max(num_done, 1.0)
            later_of[3] = least[c]
            later_of[4] = since_last[c]
            later_of[5] = np.log(reached / (1 - reached))
            later_of[6] = np.log(1 - reached)
            later_of[7] = ends
            later_of[8] = ended
            _add_needs(tables, begin, c, num, last, done, next_of, later_of)


@compiled(nogil=True)
@no_type_check
def _find_first_undone(tables, task, done, found):
    """Count in how many training recordings each step is the first that is not done; returns their sum."""
    total = 0.0
    for n in range(tables.orders_begin[task], tables.orders_begin[task + 1]):
        reached = 1.0
        for place in tables.orders[n]:
            if place < 0 or reached < 1e-6:
                break
            found[place] += reached * (1 - done[place])
            total += reached * (1 - done[place])
            reached *= done[place]
    return total


@compiled(nogil=True)
@no_type_check
def _add_needs(tables, begin, c, num, last, done, upcoming, later):
    """Fill in the features of a step that a drawn graph gives; 0 without one."""
    needed, waits_for_none, needs_last, waiting = 0.0, 1.0, 0.0, 0.0
    if tables.has_needs:
        for j in range(num):
            waiting += tables.needs[begin + j, c] * done[j]
            if tables.needs[begin + c, j] > 0:
                needed += 1 - done[j]
                waits_for_none *= done[j]
                needs_last += last[j]
    upcoming[7] = min(needed, MANY)
    upcoming[8] = waits_for_none
    upcoming[9] = needs_last
    later[9] = min(waiting, MANY)
    later[10] = waiting / max(tables.num_needed_by[begin + c], 1.0)


@compiled(nogil=True)
@no_type_check
def score_next(tables, task, weights, features, scores):
    """Fill in the probability `[W]` that each step of a task is next; 0 for what is no step."""
    begin, end = tables.begin[task], tables.begin[task + 1]
    highest, total = IMPOSSIBLE, 0.0
    for c in range(end - begin):
        scores[c] = IMPOSSIBLE
        if tables.is_step[begin + c]:
            scores[c] = 0.0
            for f in range(len(weights)):
                scores[c] += weights[f] * features[c, f]
            highest = max(highest, scores[c])
    for c in range(end - begin):
        scores[c] = np.exp(scores[c] - highest)
        total += scores[c]
    for c in range(end - begin):
        scores[c] /= total


@compiled(nogil=True)
@no_type_check
def score_later(tables, task, weights, features, scores):
    """Fill in the probability `[W]` that each step of a task still comes if it is not done; 0 for what is no step."""
    begin, end = tables.begin[task], tables.begin[task + 1]
    for c in range(end - begin):
        scores[c] = 0.0
        if tables.is_step[begin + c]:
            score = 0.0
            for f in range(len(weights)):
                score += weights[f] * features[c, f]
            scores[c] = 1 / (1 + np.exp(-score))
