"""What is known of the steps at one moment, as numbers that speak for or against each step, in compiled code.

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
from protas_gtcc.storage.compiled_code import compiled

NEXT = 10
"""Number of features of a step that may be next."""
LATER = 9
"""Number of features of a step that may still come."""
IMPOSSIBLE = -1e30
"""Score of a place that is no step."""
MANY = 3.0
"""More steps that wait, or that are waited for, count as much as these."""


class Tables(NamedTuple):
    """`ProcedureTables`, as compiled code needs them."""

    begin: np.ndarray
    state_class: np.ndarray
    is_step: np.ndarray
    share: np.ndarray
    start: np.ndarray
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


def compiled_tables(tables: ProcedureTables) -> Tables:
    """The tables with what is derived from them."""
    begin = tables.begin
    needed_by = np.zeros(len(tables.state_task))
    for low, high in pairwise(begin):
        needed_by[low:high] = tables.needs[low:high].sum(axis=0)[: high - low]
    values = {name: getattr(tables, name) for name in Tables._fields if hasattr(tables, name)}
    values["orders_begin"] = np.searchsorted(tables.orders_task, np.arange(tables.num_tasks + 1))
    return Tables(**{name: np.ascontiguousarray(one) for name, one in values.items()}, num_needed_by=needed_by)


@compiled(nogil=True)
@no_type_check
def next_features(tables, task, last, done, features):
    """Fill in `features` `[W, NEXT]` for each step of a task; rows of other places are left as they are.

    `last` `[W]` has the probability that each step was the last one; what it lacks to 1 is that there was none.
    `done` `[W]` has the probability that each is done.
    """
    begin, end = tables.begin[task], tables.begin[task + 1]
    num_states = end - begin
    fresh, num_done = max(1.0 - last.sum(), 0.0), 0.0
    first_undone = np.zeros(num_states)
    all_first = _find_first_undone(tables, task, done, first_undone)
    all_shares = tables.share[begin:end].sum()
    for j in range(num_states):
        num_done += done[j]
    for c in range(num_states):
        if not tables.is_step[begin + c]:
            continue
        follows, waits_for_none, needed, needs_last = fresh * tables.start[begin + c], 1.0, 0.0, 0.0
        ahead, behind = 0.0, 0.0
        for j in range(num_states):
            follows += last[j] * tables.after[begin + j, c]
            if j != c and tables.is_step[begin + j]:
                ahead += tables.share[begin + j] * (1 - done[j]) * tables.before[begin + c, j]
                behind += done[j] * tables.before[begin + j, c]
                if tables.needs[begin + c, j] > 0:
                    needed += 1 - done[j]
                    waits_for_none *= done[j]
                    needs_last += last[j]
        share = HALF * tables.share[begin + c]
        features[c, 0] = np.log(max(follows, 1e-30))
        features[c, 1] = ahead
        features[c, 2] = behind
        features[c, 3] = done[c] * tables.repeat[begin + c]
        features[c, 4] = done[c]
        features[c, 5] = np.log((first_undone[c] + share) / (all_first + HALF * all_shares))
        features[c, 6] = -abs(tables.rank[begin + c] - num_done)
        features[c, 7] = min(needed, MANY)
        features[c, 8] = waits_for_none
        features[c, 9] = needs_last


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
def later_features(tables, task, last, done, features):
    """Fill in `features` `[W, LATER]` for each step of a task that it is not done; arguments as in `next_features`."""
    begin, end = tables.begin[task], tables.begin[task + 1]
    num_states = end - begin
    num_done, work, all_work = 0.0, 0.0, 0.0
    for j in range(num_states):
        num_done += done[j]
        work += tables.share[begin + j] * done[j]
        all_work += tables.share[begin + j]
    part = min(max(work / max(all_work, 1e-30), 0.02), 0.98)
    for c in range(num_states):
        if not tables.is_step[begin + c]:
            continue
        behind, least, since_last, waiting = 0.0, 0.0, 0.0, 0.0
        for j in range(num_states):
            if j != c and tables.is_step[begin + j]:
                log = tables.before[begin + j, c]
                behind += done[j] * log
                least = min(least, done[j] * log)
                since_last += last[j] * log
                waiting += tables.needs[begin + j, c] * done[j]
        share = tables.share[begin + c]
        features[c, 0] = 1.0
        features[c, 1] = np.log(share / (1 - share))
        features[c, 2] = MANY * behind / max(num_done, 1.0)
        features[c, 3] = least
        features[c, 4] = since_last
        features[c, 5] = np.log(part / (1 - part))
        features[c, 6] = np.log(1 - part)
        features[c, 7] = min(waiting, MANY)
        features[c, 8] = waiting / max(tables.num_needed_by[begin + c], 1.0)


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
