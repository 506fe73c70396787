"""Which steps wait for which, learnt from the order of the steps in training recordings.

Step j comes before step s if it does so in nearly all recordings with both. With few recordings chance can look like a
rule, so what counts is a lower bound of the share (Clopper and Pearson, 1934, one-sided). With k of n in that order, it
is the share at which k or more of n have a probability of 1 - confidence. It must be above `LEAST_SHARE`.

Pairs are taken in the order of their bounds, the surest first. One that would close a cycle is left out.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.annotations.partial_order import closure, reduction
from protas_gtcc.procedure.tables import ProcedureTables

CONFIDENCE = 0.5
"""Of the lower bound. At one half, the share is as likely above the bound as below it."""
LEAST_SHARE = 0.8
"""The two together ask for 4 of 4 recordings, or 8 of 9."""


def learnt_needs(
    tables: ProcedureTables, confidence: float = CONFIDENCE, least_share: float = LEAST_SHARE
) -> np.ndarray:
    """1 where the step in the column comes before the row's step, direct edges alone, as `ProcedureTables.needs`."""
    needs = np.zeros(tables.needs.shape)
    for task, (low, high) in enumerate(zip(tables.begin, tables.begin[1:], strict=False)):
        first, both = count_orders(tables.orders[tables.orders_task == task], int(high - low))
        needs[low:high, : high - low] = reduction(learn_order(first, both, confidence, least_share)).T
    return needs


def broken_orders(needs: np.ndarray, tables: ProcedureTables) -> np.ndarray:
    """Whether the order of each recording of `tables` breaks a graph, as in `ProcedureTables.needs`; bool `[N]`."""
    broken = np.zeros(len(tables.orders), dtype=bool)
    for number, (task, places) in enumerate(zip(tables.orders_task, tables.orders, strict=True)):
        low, high = tables.begin[task : task + 2]
        later = closure(needs[low:high, : high - low])
        order = places[places >= 0]
        broken[number] = np.triu(later[np.ix_(order, order)]).any()
    return broken


def mean_order(tables: ProcedureTables) -> np.ndarray:
    """The same of a chain: the steps of each task in the order of their mean rank in training recordings."""
    needs = np.zeros(tables.needs.shape)
    for low, high in zip(tables.begin, tables.begin[1:], strict=False):
        steps = low + np.flatnonzero(tables.is_step[low:high])
        chain = steps[np.argsort(tables.rank[steps], kind="stable")]
        needs[chain[1:], chain[:-1] - low] = 1
    return needs


def count_orders(orders: np.ndarray, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """From `orders` `[N, W]` of recordings, as in `ProcedureTables`: how many have a before b, and both, `[S, S]`."""
    first, both = np.zeros((2, num_steps, num_steps), dtype=np.int64)
    for order in orders:
        done = order[order >= 0]
        both[np.ix_(done, done)] += 1
        for number, place in enumerate(done):
            first[place, done[number + 1 :]] += 1
    return first, both


def learn_order(first: np.ndarray, both: np.ndarray, confidence: float, least_share: float) -> np.ndarray:
    """Which step comes before which, bool `[S, S]` and closed, from the counts of `count_orders`."""
    bound = lower_bound(first, both, confidence)
    pairs = np.argwhere((bound > least_share) & (first > both - first))
    order = np.zeros(first.shape, dtype=bool)
    for a, b in pairs[np.argsort(-bound[tuple(pairs.T)], kind="stable")]:
        if a != b and not order[b, a]:
            # All up to a come before all from b on.
            earlier, later = order[:, a].copy(), order[b].copy()
            earlier[a] = later[b] = True
            order |= earlier[:, None] & later
    return order


def lower_bound(counts: np.ndarray, numbers: np.ndarray, confidence: float) -> np.ndarray:
    """Lower bounds of the shares counts / numbers, of the same shape; 0 where the count is 0."""
    # Here, because a prediction needs no graph to be learnt, and the import takes time.
    from scipy.special import betaincinv

    found = counts > 0
    bound = np.zeros(counts.shape)
    bound[found] = betaincinv(counts[found], numbers[found] - counts[found] + 1, 1 - confidence)
    return bound
