"""Learnt graphs of procedures beside drawn ones: precision and recall of edges.

Graphs are `[S, W]`, 1 where the step in the column must be done before the row's step, as `ProcedureTables.needs`. They
are compared twice: by *edges*, those of the transitive reductions, and by *closure*, all pairs of steps that the graph
puts in order, directly or not. An edge is right only if both graphs have no step between, so one missing edge makes
others wrong; the closure does not have this weakness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from protas_gtcc.annotations.partial_order import closure, reduction
from protas_gtcc.metrics.intervals import with_intervals
from protas_gtcc.metrics.left_out import Rows, leave_out


def compare_graphs(
    found: np.ndarray, drawn: np.ndarray, state_task: np.ndarray, tasks: Sequence[str]
) -> dict[str, Any]:
    """Figures of found graphs `[S, W]` beside drawn ones, over the tasks that are drawn, as in metrics.json.

    `edges` and `closure` each have `precision`, the share of the found edges that are drawn, and `recall`, the share of
    the drawn ones that are found; all edges of all tasks count alike. A figure without an edge is None. `intervals` has
    95 % intervals over tasks, `tasks` the same counts of each: `found`, `drawn` and `both`.
    """
    begin = np.searchsorted(state_task, np.arange(len(tasks) + 1))
    counts = {}
    for name, low, high in zip(tasks, begin, begin[1:], strict=False):
        own, true = (graph[low:high, : high - low] > 0 for graph in (found, drawn))
        if true.any():
            pairs = {"edges": (reduction(own), reduction(true)), "closure": (closure(own), closure(true))}
            counts[name] = {kind: _count(*pair) for kind, pair in pairs.items()}
    if not counts:
        return {"edges": None, "closure": None, "intervals": None, "tasks": {}}
    (weights,), groups = leave_out(Rows(list(counts), [(name, "") for name in counts]))
    sampled = {kind: _shares(weights, [one[kind] for one in counts.values()]) for kind in ("edges", "closure")}
    return {**with_intervals(sampled, groups, lambda _: (0.0, 1.0)), "tasks": counts}


def _count(found: np.ndarray, drawn: np.ndarray) -> dict[str, int]:
    return {"found": int(found.sum()), "drawn": int(drawn.sum()), "both": int((found & drawn).sum())}


def _shares(weights: np.ndarray, counts: Sequence[dict[str, int]]) -> dict[str, np.ndarray]:
    """Precision and recall with everything and with one task left out, each `[1 + J]`."""
    total = {name: weights @ [one[name] for one in counts] for name in ("found", "drawn", "both")}
    with np.errstate(invalid="ignore"):
        return {"precision": total["both"] / total["found"], "recall": total["both"] / total["drawn"]}
