"""Closure, reduction and cycles of graphs, against slow twins; small ones by hand."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from protas_gtcc.annotations.partial_order import closure, find_cycle, order_of_groups, reduction


def graph(num_nodes: int, *edges: tuple[int, int]) -> np.ndarray:
    before = np.zeros((num_nodes, num_nodes), dtype=bool)
    for edge in edges:
        before[edge] = True
    return before


def edges_of(before: np.ndarray) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in np.argwhere(before)}


def random_graph(seed: int, num_nodes: int = 6) -> np.ndarray:
    """Without a cycle: edges lead from a lower to a higher place in a drawn order."""
    rng = np.random.default_rng(seed)
    before = np.triu(rng.random((num_nodes, num_nodes)) < rng.uniform(0.1, 0.7), 1)
    place = rng.permutation(num_nodes)
    return before[np.ix_(place, place)]


def has_path(before: np.ndarray, start: int, end: int) -> bool:
    return any(then == end or has_path(before, then, end) for then in np.flatnonzero(before[start]).tolist())


def orders(before: np.ndarray) -> list[tuple[int, ...]]:
    """All orders of the nodes that a graph allows."""
    places = permutations(range(len(before)))
    return [order for order in places if not any(before[b, a] for a, b in combinations(order, 2))]


def test_the_edge_that_a_path_makes_needless_is_left_out() -> None:
    before = graph(4, (0, 1), (1, 2), (0, 2), (2, 3), (0, 3))
    assert edges_of(closure(before)) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert edges_of(reduction(before)) == {(0, 1), (1, 2), (2, 3)}


def test_both_ways_of_a_diamond_stay() -> None:
    diamond = graph(4, (0, 1), (0, 2), (1, 3), (2, 3))
    assert edges_of(reduction(diamond)) == edges_of(diamond)


@pytest.mark.parametrize("seed", range(30))
def test_the_closure_is_where_paths_lead(seed: int) -> None:
    before = random_graph(seed)
    nodes = range(len(before))
    assert edges_of(closure(before)) == {(a, b) for a in nodes for b in nodes if has_path(before, a, b)}


@pytest.mark.parametrize("seed", range(30))
def test_the_reduction_lacks_each_edge_that_can_be_spared_alone(seed: int) -> None:
    before = random_graph(seed)
    slow = before.copy()
    for edge in edges_of(before):
        slow[edge] = False
        slow[edge] = not has_path(slow, *edge)
    np.testing.assert_array_equal(reduction(before), slow)
    np.testing.assert_array_equal(closure(reduction(before)), closure(before))


def test_a_cycle_is_found_with_its_nodes_in_order() -> None:
    assert find_cycle(graph(4, (0, 1), (1, 2))) == []
    assert find_cycle(graph(2, (1, 1))) == [1]
    cycle = find_cycle(graph(5, (4, 0), (0, 1), (1, 3), (3, 0), (3, 2)))
    assert sorted(cycle) == [0, 1, 3]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_found_is_a_cycle(seed: int) -> None:
    before = np.random.default_rng(seed).random((6, 6)) < 0.15
    cycle = find_cycle(before)
    assert bool(cycle) == closure(before).diagonal().any()
    assert len(cycle) == len(set(cycle))
    assert all(before[a, b] for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))


def test_steps_that_take_turns_are_ordered_by_their_first_times() -> None:
    # microwave, stir, microwave, stir, serve
    before = graph(5, (0, 1), (1, 2), (2, 3), (3, 4))
    found = order_of_groups(before, np.array([0, 1, 0, 1, 2]), 3)
    assert edges_of(found) == {(0, 1), (0, 2), (1, 2)}


def test_a_node_in_no_group_is_passed_over() -> None:
    found = order_of_groups(graph(3, (0, 1), (1, 2)), np.array([1, -1, 0]), 2)
    assert edges_of(found) == {(1, 0)}


@pytest.mark.parametrize("seed", range(20))
def test_a_group_comes_first_if_it_does_in_every_order_that_is_allowed(seed: int) -> None:
    before, group = random_graph(seed), np.random.default_rng(seed).integers(-1, 3, 6)
    allowed = [[int(group[node]) for node in order] for order in orders(before)]
    present = set(group.tolist()) - {-1}
    always = {(a, b) for a, b in permutations(present, 2) if all(order.index(a) < order.index(b) for order in allowed)}
    assert edges_of(order_of_groups(before, group, 3)) == always
