"""One video for the detailed metrics: true and predicted classes, progress by P predictors, and its segments.

Frames of true actions are put end to end, without background; A is their number, N that of true action segments.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.metrics.segmentation import is_action


@dataclass(frozen=True, eq=False)
class ScoredVideo:
    """True class ids `[T]`, predicted ones `[T]`, progress by every predictor `[P, T]` in [0, 1]."""

    labels: np.ndarray
    estimate: np.ndarray
    reports: np.ndarray
    background: Collection[int]
    fps: float | None = None
    """Frames a second; None where not known."""

    @cached_property
    def segments(self) -> np.ndarray:
        """True action segments, rows (start, end, label), int64 `[N, 3]`."""
        segments = segment_array(self.labels)
        return segments[is_action(segments[:, 2], self.background)]

    @cached_property
    def estimated_segments(self) -> np.ndarray:
        """Predicted action segments, rows (start, end, label), int64 `[M, 3]`."""
        segments = segment_array(self.estimate)
        return segments[is_action(segments[:, 2], self.background)]

    @cached_property
    def frames(self) -> np.ndarray:
        """Frames of true actions, int64 `[A]`."""
        return np.flatnonzero(is_action(self.labels, self.background))

    @cached_property
    def lengths(self) -> np.ndarray:
        """Frames of each true action segment, int64 `[N]`."""
        return self.segments[:, 1] - self.segments[:, 0]

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each true action segment starts among the A frames, int64 `[N]`."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def segment(self) -> np.ndarray:
        """Which of the N segments each of the A frames is in, int64 `[A]`."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def elapsed(self) -> np.ndarray:
        """Frames of its segment up to and with each of the A frames, int64 `[A]`: 1 at a segment's start."""
        return np.arange(len(self.frames)) - self.starts[self.segment] + 1

    @cached_property
    def target(self) -> np.ndarray:
        """True progress of the A frames, float64 `[A]` in (0, 1]."""
        return self.elapsed / self.lengths[self.segment]

    @cached_property
    def reported(self) -> np.ndarray:
        """Progress by every predictor at the A frames, float64 `[P, A]`."""
        return self.reports[:, self.frames].astype(np.float64)
