"""Progress of a whole task, from the progress of its actions, each of which is one stage of it.

At a frame of class k with progress tau, it is `before[k] + share[k] * tau`. The share of a class is the mean, over
videos, of the share of their action frames that are its; `before` is the sum of the shares of the stages before it. It
is formula (2) of SARM (stage-aware reward modeling, arXiv 2509.25358), where classes are subtasks. Stages are in the
order of the mean place at which they begin. A frame of the background keeps what was reached before it, at first 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from protas_gtcc.annotations.segments import segment_array


@dataclass(frozen=True, eq=False)
class Stages:
    """What the classes of a task contribute to its progress; background and classes that never happen have share 0."""

    before: np.ndarray
    """Progress of the task where each class begins, float64 `[C]`."""
    share: np.ndarray
    """How much of the task each class is, float64 `[C]`; the sum is 1."""


def count_stages(labels_of_videos: Iterable[np.ndarray], num_classes: int, background: Collection[int]) -> Stages:
    """The stages of a task in the labels `[T]` of its videos, of which at least one has an action."""
    shares, places = np.zeros(num_classes), [list[float]() for _ in range(num_classes)]
    for labels in labels_of_videos:
        counts = np.bincount(labels, minlength=num_classes).astype(float)
        counts[list(background)] = 0
        shares += counts / max(1.0, counts.sum())
        seen = set[int]()
        for start, _, label in segment_array(labels).tolist():
            if label not in seen:
                places[label].append(start / len(labels))
                seen.add(label)
    shares /= shares.sum()
    order = sorted(np.flatnonzero(shares).tolist(), key=lambda label: float(np.mean(places[label])))
    before = np.zeros(num_classes)
    before[order] = np.cumsum(shares[order]) - shares[order]
    return Stages(before, shares)


def task_progress(labels: np.ndarray, progress: np.ndarray, stages: Stages, background: Collection[int]) -> np.ndarray:
    """Progress of the task in each frame, float32 `[T]` in [0, 1], from labels `[T]` and progress of their class."""
    reached = stages.before[labels] + stages.share[labels] * progress
    acting = np.where(np.isin(labels, list(background)), -1, np.arange(len(labels)))
    last = np.maximum.accumulate(acting)
    return np.where(last < 0, 0.0, reached[last]).clip(0, 1).astype(np.float32)
