"""Graphs of what comes before what: closure, reduction, cycles.

A graph of N nodes is bool `[N, N]`: `before[a, b]` if there is an edge from a to b, so that a comes before b. The
*closure* has an edge wherever a path leads. The *reduction* is the smallest graph with the same closure: it lacks each
edge that a longer path makes needless (Aho, Garey and Ullman, 1972).

    edges      a -> b -> c, a -> c
    closure    a -> b, b -> c, a -> c
    reduction  a -> b, b -> c
"""

from __future__ import annotations

import numpy as np


def closure(before: np.ndarray) -> np.ndarray:
    """Where a path leads, bool `[N, N]`; a node on a cycle comes before itself."""
    reached = before.astype(bool)
    for node in range(len(reached)):
        reached |= reached[:, node, None] & reached[node]
    return reached


def reduction(before: np.ndarray) -> np.ndarray:
    """The smallest graph with the same closure, bool `[N, N]`, of a graph without a cycle."""
    order = closure(before)
    return order & ~(order @ order)


def find_cycle(before: np.ndarray) -> list[int]:
    """The nodes of one cycle in their order, each once; [] if there is none."""
    order = closure(before)
    on_cycle = np.flatnonzero(order.diagonal())
    if not len(on_cycle):
        return []
    path = [int(on_cycle[0])]
    while True:
        # Any next node from which the first one can be reached; the walk comes back to a node that it was at.
        following = int(np.flatnonzero(before[path[-1]] & order[:, path[0]])[0])
        if following in path:
            return path[path.index(following) :]
        path.append(following)


def order_of_groups(before: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    """The closure on groups of nodes, bool `[num_groups, num_groups]`, of a graph without a cycle.

    `group` is int `[N]`; nodes of a number below 0 are in none. Group a comes before group b if, in every order that
    the graph allows, some node of a is the first of both: if each first node of b comes after a node of a. A first node
    comes after no other of its group. The result has no cycle either.
    """
    order = closure(before)
    same = group[:, None] == group
    is_first = ~(order & same).any(axis=0)
    found = np.zeros((num_groups, num_groups), dtype=bool)
    for number in np.unique(group[group >= 0]):
        first = np.flatnonzero(is_first & (group == number))
        for node in first:
            earlier = np.unique(group[order[:, node]])
            reached = np.zeros(num_groups, dtype=bool)
            reached[earlier[earlier >= 0]] = True
            found[:, number] = reached if node == first[0] else found[:, number] & reached
    return found
