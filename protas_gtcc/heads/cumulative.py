"""Progress without learning: the path length of the embeddings since the segment began (GTCC).

The distance up to frame t is the length of the path through the embeddings, the sum of steps |x_u - x_(u-1)|. Progress
is this distance divided by the mean distance of the class's training segments, at most 1. Start and class of the action
are given. The first frame has 0. Donahue and Elhamifar, CVPR 2024.

The published evaluations include test videos in these means, or divide by the segment's own distance, which is known
only at its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError


@dataclass(frozen=True, eq=False)
class CumulativeDistance:
    """Mean distance of the training segments of each class; a class without one has the mean over all."""

    mean_distance: Mapping[int, float]
    overall: float

    def report(self, segment: np.ndarray, label: int) -> np.ndarray:
        """Progress at every frame of a segment of that class: embeddings `[T, D]` -> float64 `[T]` in [0, 1]."""
        return np.minimum(distances(segment) / self.mean_distance.get(label, self.overall), 1.0)


def distances(segment: np.ndarray) -> np.ndarray:
    """Length of the path from the first frame to each: embeddings `[T, D]` -> float64 `[T]`, 0 at the first."""
    steps = np.linalg.norm(np.diff(segment.astype(np.float64), axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def fit_cumulative_distance(segments: Iterable[tuple[np.ndarray, int]]) -> CumulativeDistance:
    """Fit on the embeddings `[T, D]` and classes of training segments; those of one frame do not count.

    A class whose embeddings never move counts as one without a segment. Raises `InputError` if no embedding moves.
    """
    lengths: dict[int, list[float]] = defaultdict(list)
    for segment, label in segments:
        if len(segment) > 1:
            lengths[label].append(float(distances(segment)[-1]))
    means = {label: float(np.mean(values)) for label, values in lengths.items() if any(values)}
    if not means:
        raise InputError("no training segment has embeddings that move; check features and labels")
    return CumulativeDistance(means, float(np.mean([value for values in lengths.values() for value in values])))
