"""Drawn task graphs: which step must be done before which, one JSON file a task.

CaptainCook4D's form has the steps with their full descriptions. START and END are no steps. The file's name is that of
the task, reduced to letters:

    blenderbananapancakes.json    {"steps": {"0": "START", "1": "Whisk-Whisk the egg", ...}, "edges": [[0, 1], ...]}

The plain form has the names of the classes, and of the task ("" if the dataset does not know tasks):

    any-name.json                 {"task": "Coffee", "edges": [["Fill kettle", "Boil water"], ...]}

In both, the first of an edge must be done before the second. `procedure/drawn_graph.py` finds the classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.partial_order import find_cycle
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.names import composed, find_name
from protas_gtcc.storage.text_files import read_json

NO_STEPS = ("START", "END")
"""Nodes of CaptainCook4D's graphs that are no steps."""


@dataclass(frozen=True, eq=False)
class DrawnGraph:
    """The graph of one task, without a cycle."""

    path: Path
    task: str
    steps: tuple[str, ...]
    """Names of classes, each once, or descriptions, which may repeat; `NO_STEPS` may be among them."""
    has_descriptions: bool
    before: np.ndarray
    """bool `[N, N]`: `before[a, b]` if step a must be done before step b."""


def read_drawn_graphs(path: Path, tasks: Sequence[str]) -> tuple[list[DrawnGraph], list[str]]:
    """The graph in a JSON file, or those in a folder of them, and notices; `tasks` are the dataset's, [] if unknown.

    Published folders have graphs of more tasks than a dataset. So of a folder, files whose names are no task are left
    out, and there is a notice; and there is one for tasks without a graph. Raises `InputError` for a graph of an
    unknown task otherwise, for two graphs of a task, a folder without JSON, JSON of another shape, and a cycle.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} has no graph; put one JSON file for each task into it, named after its task")
    graphs: dict[str, DrawnGraph] = {}
    others = []
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise InputError(f"{file}: expected an object with edges, came {type(content).__name__}; correct the JSON")
        task = _find_task(file, content, list(tasks) or [""])
        if task is None:
            others.append(file.name)
            continue
        if task in graphs:
            raise InputError(f"{file} and {graphs[task].path.name} are both graphs of task {task!r}; remove one")
        graphs[task] = _read_graph(file, task, content)
    if not graphs:
        files_and_tasks = f"the files are {listed(others)}, the tasks {listed(tasks)}"
        way_out = "name a file after its task, or write 'task' into it"
        raise InputError(f"{path}: no graph of a task of the dataset; {files_and_tasks}; {way_out}")
    return list(graphs.values()), list(_notices(path, others, [task for task in tasks if task not in graphs]))


def _notices(path: Path, others: Sequence[str], without: Sequence[str]) -> Iterator[str]:
    """On files of other tasks, and on tasks without a graph."""
    if others:
        yield f"{path}: {listed(others)} left out: not named after a task of the dataset"
    if without:
        yield f"{path}: no graph of {listed(without)}: their order is learnt from training videos alone"


def _find_task(file: Path, content: dict[str, Any], tasks: Sequence[str]) -> str | None:
    """The task that the content names, else the one that the file is named after, if there is one."""
    if "task" not in content:
        found = [task for task in tasks if _reduced(task) == _reduced(file.stem)]
        return found[0] if len(found) == 1 else None
    task = content["task"]
    known = find_name(task, tasks) if isinstance(task, str) else None
    if known is None:
        raise InputError(f"{file}: unknown task {task!r}; use one of the dataset's tasks {listed(map(repr, tasks))}")
    return known


def _reduced(name: str) -> str:
    """Letters and digits alone, in lower case."""
    return "".join(filter(str.isalnum, composed(name).casefold()))


def _read_graph(file: Path, task: str, content: dict[str, Any]) -> DrawnGraph:
    edges = content.get("edges")
    if not isinstance(edges, list) or not all(isinstance(edge, list) and len(edge) == 2 for edge in edges):
        raise InputError(f"{file}: expected 'edges' as a list of pairs [earlier, later]; correct the JSON")
    steps = _steps(file, content, edges)
    number = {key: place for place, key in enumerate(steps)}
    before = np.zeros((len(steps), len(steps)), dtype=bool)
    for edge in edges:
        unknown = [end for end in edge if type(end) not in (int, str) or str(end) not in number]
        if unknown:
            raise InputError(f"{file}: edge {edge} has {unknown[0]!r}, which is none of its steps; correct the JSON")
        before[number[str(edge[0])], number[str(edge[1])]] = True
    names = tuple(steps.values())
    cycle = [repr(names[node]) for node in find_cycle(before)]
    if cycle:
        raise InputError(f"{file}: a cycle: {' before '.join([*cycle, cycle[0]])}; remove one of these edges")
    return DrawnGraph(file, task, names, "steps" in content, before)


def _steps(file: Path, content: dict[str, Any], edges: Iterable[list[Any]]) -> dict[str, str]:
    """What edges call each step -> its name; without 'steps', edges have the names themselves."""
    if "steps" not in content:
        return {end: end for edge in edges for end in edge if isinstance(end, str)}
    steps = content["steps"]
    if not isinstance(steps, dict) or not all(isinstance(name, str) and name.strip() for name in steps.values()):
        raise InputError(f"{file}: expected 'steps' as an object of numbers and descriptions; correct the JSON")
    return steps
