"""Drawn task graphs as a prior: which steps of a task must be done before which, by its states.

CaptainCook4D's graphs describe steps by whole sentences, and number them in their own way. The class of a step has a
short form of its description as its name (`layouts/step_names.py`), so the same short form finds it. A step that a
recipe has several times is one class: then what counts is which class comes first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.partial_order import order_of_groups, reduction
from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.drawn_graphs import NO_STEPS, DrawnGraph, read_drawn_graphs
from protas_gtcc.layouts.names import find_name
from protas_gtcc.layouts.step_names import short_name

NOT_A_STEP = -1


def drawn_needs(
    graphs: Iterable[DrawnGraph], states: TranscriptTables, tasks: Sequence[str], class_names: Sequence[str]
) -> np.ndarray:
    """1 where the step in the column must be done before the row's step, `[S, W]`, as `ProcedureTables.needs`.

    `tasks` are the names of the states' tasks in order, [] for a single unnamed one. Only direct edges are 1: the
    transitive reduction. Tasks without a graph have zeros. A step that the task's training videos do not show is passed
    over: what waits for it waits for what it waits for. Raises `InputError` for a step that is no class.
    """
    begin = np.searchsorted(states.state_task, np.arange(states.num_tasks + 1))
    needs = np.zeros((len(states.state_class), int(np.diff(begin).max())))
    numbers = {task: number for number, task in enumerate(list(tasks) or [""])}
    for graph in graphs:
        low, high = begin[numbers[graph.task]], begin[numbers[graph.task] + 1]
        classes, own = classes_of_steps(graph, class_names), states.state_class[low:high]
        _require_own(graph, classes, own, states.state_class)
        order = order_of_groups(graph.before, classes, len(class_names))
        needs[low:high, : high - low] = reduction(order[np.ix_(own, own)]).T
    return needs


def read_needs(
    path: Path | str | None, states: TranscriptTables, tasks: Sequence[str], class_names: Sequence[str]
) -> np.ndarray | None:
    """`drawn_needs` of the graphs in a file or a folder; None without a path. `tasks` has a single one, too.

    Raises `InputError` as `read_drawn_graphs` and `drawn_needs` do.
    """
    if path is None:
        return None
    graphs, notices = read_drawn_graphs(Path(path), tasks)
    for notice in notices:
        logging.getLogger(__name__).warning(notice)
    return drawn_needs(graphs, states, tasks, class_names)


def classes_of_steps(graph: DrawnGraph, class_names: Sequence[str]) -> np.ndarray:
    """The class id of each step, int `[N]`, `NOT_A_STEP` for START and END."""
    found = [NOT_A_STEP if name in NO_STEPS else _find_class(graph, name, class_names) for name in graph.steps]
    return np.array(found, dtype=np.int64)


def _require_own(graph: DrawnGraph, classes: np.ndarray, own: np.ndarray, every: np.ndarray) -> None:
    """Raise `InputError` for a step that the training videos of other tasks show, and those of its own do not."""
    foreign = np.flatnonzero(np.isin(classes, every) & ~np.isin(classes, own))
    if len(foreign):
        what = f"step {graph.steps[foreign[0]]!r} is one of other tasks, not of {graph.task!r}"
        raise InputError(f"{graph.path}: {what}; remove the step, or correct its name")


def _find_class(graph: DrawnGraph, step: str, class_names: Sequence[str]) -> int:
    name = short_name(step) if graph.has_descriptions else step
    if graph.has_descriptions:
        # The forms of `step_names`: the recipe stands in front of a name that others share, or the step's id behind.
        form = re.compile(rf"({re.escape(graph.task)}: )?{re.escape(name)}( \(step \d+\))?")
        found = [one for one in class_names if form.fullmatch(one)]
    else:
        known = find_name(name, class_names)
        found = [] if known is None else [known]
    if len(found) == 1:
        return class_names.index(found[0])
    if found:
        what = f"step {step!r} may be any of the classes {listed(found)}"
        raise InputError(f"{graph.path}: {what}; write the graph in the plain form, with names of classes")
    what = f"unknown step {step!r} of task {graph.task!r}: no class is called {name!r}"
    raise InputError(f"{graph.path}: {what}; correct its name, or remove the step")
