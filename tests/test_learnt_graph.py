"""Graphs learnt from the order of steps, and how they compare with drawn ones; small ones by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
import pytest

from protas_gtcc.annotations.partial_order import closure
from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.metrics.procedure_graphs import compare_graphs
from protas_gtcc.procedure.learnt_graph import (
    broken_orders,
    count_orders,
    learn_order,
    learnt_needs,
    lower_bound,
    mean_order,
)
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures


def tables_of(*sequences: str, tasks: Sequence[str] = ()) -> ProcedureTables:
    """Each letter is a step of one frame, a is class 1; class 0 is the background."""
    labels = [np.array([ord(step) - ord("a") + 1 for step in sequence]) for sequence in sequences]
    num_classes = int(max(one.max() for one in labels)) + 1
    states = count_transcripts(labels, num_classes, DecodingConfig(), 1.0, tasks)
    numbers = [sorted(set(tasks)).index(task) for task in tasks] or [0] * len(labels)
    steps = [np.stack([np.arange(len(one)), np.arange(len(one)) + 1, one], axis=1) for one in labels]
    recordings = [Recording(rows, task) for rows, task in zip(steps, numbers, strict=True)]
    return count_procedures(recordings, states, [0], 1.0)


def edges(needs: np.ndarray) -> set[str]:
    """As "ab" where a comes before b; of a single task, whose column 1 is a."""
    return {chr(96 + earlier) + chr(96 + later) for later, earlier in np.argwhere(needs)}


def needs_of(*pairs: str, num_steps: int = 4) -> np.ndarray:
    needs = np.zeros((num_steps + 1, num_steps + 1))
    for pair in pairs:
        needs[ord(pair[1]) - 96, ord(pair[0]) - 96] = 1
    return needs


def test_steps_that_always_come_in_one_order_wait_for_each_other() -> None:
    assert edges(learnt_needs(tables_of(*["abcd", "bacd"] * 3))) == {"ac", "bc", "cd"}


def test_a_single_recording_shows_no_rule() -> None:
    assert edges(learnt_needs(tables_of("abcd"))) == set()


def test_one_exception_in_eleven_is_still_a_rule_and_two_are_none() -> None:
    assert edges(learnt_needs(tables_of(*["ab"] * 10, "ba"))) == {"ab"}
    assert edges(learnt_needs(tables_of(*["ab"] * 9, "ba", "ba"))) == set()


def test_only_recordings_with_both_steps_count() -> None:
    assert edges(learnt_needs(tables_of(*["ab"] * 4, *["b"] * 9, *["ac"] * 4))) == {"ab", "ac"}


def test_the_first_time_of_a_step_counts() -> None:
    assert edges(learnt_needs(tables_of(*["aba"] * 5))) == {"ab"}


def test_tasks_are_learnt_apart() -> None:
    tables = tables_of(*["ab"] * 5, *["ba"] * 5, tasks=["x"] * 5 + ["y"] * 5)
    assert tables.num_tasks == 2
    # Without background in the labels, a task has two states.
    np.testing.assert_array_equal(learnt_needs(tables), [[0, 0], [1, 0], [0, 1], [0, 0]])


def test_an_order_that_contradicts_a_surer_one_is_left_out() -> None:
    # 9 of 10 recordings have a before b, b before c, and c before a: all three cannot be.
    first = np.array([[0, 9, 1], [1, 0, 10], [9, 0, 0]])
    both = first + first.T
    found = learn_order(first, both, confidence=0.5, least_share=0.5)
    assert not closure(found).diagonal().any()
    np.testing.assert_array_equal(found, closure(found))
    assert found[1, 2]
    assert found.sum() == 3


@pytest.mark.parametrize("seed", range(10))
def test_a_learnt_order_is_closed_and_has_no_cycle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(7)[: rng.integers(2, 8)] for _ in range(6)]
    padded = np.stack([np.pad(order, (0, 7 - len(order)), constant_values=-1) for order in orders])
    found = learn_order(*count_orders(padded, 7), confidence=0.1, least_share=0.4)
    np.testing.assert_array_equal(closure(found), found)
    assert not found.diagonal().any()


def test_orders_are_counted_as_by_hand() -> None:
    first, both = count_orders(np.array([[2, 0, -1], [0, 1, 2], [2, 0, 1]]), 3)
    np.testing.assert_array_equal(first, [[0, 2, 1], [0, 0, 1], [2, 1, 0]])
    np.testing.assert_array_equal(both, [[3, 2, 3], [2, 2, 2], [3, 2, 3]])


@pytest.mark.parametrize(("count", "number"), [(1, 1), (4, 4), (3, 4), (10, 11)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_at_the_bound_as_many_are_improbable(count: int, number: int, confidence: float) -> None:
    share = float(lower_bound(np.array([count]), np.array([number]), confidence)[0])
    tail = sum(comb(number, k) * share**k * (1 - share) ** (number - k) for k in range(count, number + 1))
    assert tail == pytest.approx(1 - confidence)


def test_the_bound_of_no_recording_is_zero() -> None:
    np.testing.assert_array_equal(lower_bound(np.array([0, 0]), np.array([0, 3]), 0.5), [0, 0])


def test_the_chain_is_the_order_of_mean_ranks() -> None:
    assert edges(mean_order(tables_of("abcd", "abdc", "abcd"))) == {"ab", "bc", "cd"}


def test_a_recording_breaks_a_graph_if_a_later_step_comes_first() -> None:
    tables = tables_of("abcd", "acbd", "dab", "d", "cdb")
    np.testing.assert_array_equal(broken_orders(needs_of("ab", "bc"), tables), [False, True, False, False, True])
    assert not broken_orders(needs_of(), tables).any()
    assert broken_orders(needs_of("ad"), tables).tolist() == [False, False, True, False, False]


def test_precision_and_recall_are_as_by_hand() -> None:
    state_task = np.zeros(5, dtype=np.int64)
    figures = compare_graphs(needs_of("ab", "bc", "cd"), needs_of("ab", "ac", "bd"), state_task, ["tea"])
    # Edges: ab is right of ab bc cd; drawn are ab ac bd. Closure: ab ac ad bd of all six; drawn ab ac bd ad.
    assert figures["edges"] == {"precision": pytest.approx(1 / 3), "recall": pytest.approx(1 / 3)}
    assert figures["closure"] == {"precision": pytest.approx(4 / 6), "recall": 1.0}
    assert figures["tasks"] == {
        "tea": {"edges": {"found": 3, "drawn": 3, "both": 1}, "closure": {"found": 6, "drawn": 4, "both": 4}}
    }


def test_edges_that_others_make_needless_change_nothing() -> None:
    state_task = np.zeros(5, dtype=np.int64)
    one, other = needs_of("ab", "bc"), needs_of("ab", "bc", "ac")
    figures = compare_graphs(one, other, state_task, ["tea"])
    assert figures["edges"] == figures["closure"] == {"precision": 1.0, "recall": 1.0}


def test_edges_of_all_tasks_count_alike_and_intervals_are_over_tasks() -> None:
    drawn = np.concatenate([needs_of("ab", "bc"), needs_of("ab"), needs_of("ab", "cd"), needs_of()])
    found = np.concatenate([needs_of("ab", "bc"), needs_of("ba"), needs_of("ab"), needs_of("ab")])
    state_task = np.repeat(np.arange(4), 5)
    figures = compare_graphs(found, drawn, state_task, ["w", "x", "y", "not drawn"])
    assert figures["edges"] == {"precision": pytest.approx(3 / 4), "recall": pytest.approx(3 / 5)}
    assert list(figures["tasks"]) == ["w", "x", "y"]
    low, high = figures["intervals"]["edges"]["recall"]
    assert 0 < low < 3 / 5 < high < 1


def test_without_a_found_or_a_drawn_edge_there_is_no_figure() -> None:
    state_task = np.zeros(5, dtype=np.int64)
    assert compare_graphs(needs_of(), needs_of("ab"), state_task, ["tea"])["edges"] == {"precision": None, "recall": 0}
    assert compare_graphs(needs_of("ab"), needs_of(), state_task, ["tea"])["edges"] is None
