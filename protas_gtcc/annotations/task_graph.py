"""The task graph of ProTAS: how often one action comes right before, and right after, another.

It is counted on the training transcripts of one split, with background frames dropped and equal neighbours merged, and
kept as JSON. Shen and Elhamifar, CVPR 2024.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.segments import transcript
from protas_gtcc.storage.atomic import write_text


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """`pre[k, c]`: share of the occurrences of c with k right before; `suc[k, c]`: with k right after.

    Both are float64 `[C, C]`. The column of a class that never occurs is 0.
    """

    pre: np.ndarray
    suc: np.ndarray


def count_task_graph(
    labels_of_videos: Iterable[np.ndarray], num_classes: int, background: Collection[int]
) -> TaskGraph:
    """Count the graph over videos' labels, each `[T]`. Give training videos only."""
    pre = np.zeros((num_classes, num_classes))
    suc = np.zeros((num_classes, num_classes))
    occurrences = np.zeros(num_classes)
    for labels in labels_of_videos:
        actions = transcript(labels, background, merge=True)
        np.add.at(occurrences, actions, 1)
        np.add.at(pre, (actions[:-1], actions[1:]), 1)
        np.add.at(suc, (actions[1:], actions[:-1]), 1)
    occurrences = np.maximum(occurrences, 1)
    return TaskGraph(pre / occurrences, suc / occurrences)


def save_task_graph(graph: TaskGraph, class_names: list[str], path: Path) -> None:
    """Write the graph as JSON, with the class names. Raises `InputError` if the file cannot be written."""
    content = {"classes": class_names, "predecessors": graph.pre.tolist(), "successors": graph.suc.tolist()}
    write_text(path, json.dumps(content, indent=1))
