"""Cumulative distance: how far the embeddings have moved since a segment (or a video) began.

The distance at frame t is the length of the path through the embeddings, the sum of steps |x_u - x_(u-1)|, 0 at the
first frame. As progress of an action (GTCC), it is divided by the mean distance of the class's training segments and
is at most 1. This predictor is given the true start and the true class. Donahue and Elhamifar, CVPR 2024.

The published evaluations differ: they take the mean over test videos too, or divide by the segment's own length, which
is known only at its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError


@dataclass(frozen=True, eq=False)
class CumulativeDistance:
    """Mean distance of training segments: of each class, and of all segments for a class without one."""

    mean_distance: Mapping[int, float]
    mean_of_all: float

    def report(self, segment: np.ndarray, label: int) -> np.ndarray:
        """Progress at every frame of a segment of that class: embeddings `[T, D]` -> float64 `[T]` in [0, 1]."""
        return np.minimum(cumulative_distance(segment) / self.mean_distance.get(label, self.mean_of_all), 1.0)


def cumulative_distance(embedding: np.ndarray) -> np.ndarray:
    """Length of the path from the first frame to each: embeddings `[T, D]` -> float64 `[T]`, 0 at the first."""
    steps = np.linalg.norm(np.diff(embedding.astype(np.float64), axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def fit_cumulative_distance(segments: Iterable[tuple[np.ndarray, int]]) -> CumulativeDistance:
    """Fit on training segments, each embeddings `[T, D]` and a class id.

    Segments of one frame have no path and do not count. A class whose embeddings never move counts as absent. Raises
    `InputError` if no segment moves.
    """
    lengths: dict[int, list[float]] = defaultdict(list)
    for segment, label in segments:
        if len(segment) > 1:
            lengths[label].append(float(cumulative_distance(segment)[-1]))
    means = {label: float(np.mean(values)) for label, values in lengths.items() if any(values)}
    if not means:
        raise InputError("no training segment has embeddings that move; check features and labels")
    return CumulativeDistance(means, float(np.mean([value for values in lengths.values() for value in values])))
