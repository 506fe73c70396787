"""Mean and median of delays over recordings that count with weights.

Means come from sums and have intervals. A median is no smooth function of what is left out, so the jackknife would give
it wrong intervals: it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays in frames, `[N]` of each recording."""

    of_recordings: Sequence[np.ndarray]

    @property
    def counts(self) -> np.ndarray:
        """Number of delays of each recording, int64 `[V]`."""
        return np.array([len(one) for one in self.of_recordings])

    def mean(self, weights: np.ndarray) -> np.ndarray:
        """Mean delay `[R]`, when recording v counts `weights[r, v]` times."""
        with np.errstate(invalid="ignore"):
            return (weights @ [one.sum() for one in self.of_recordings]) / (weights @ self.counts)

    def median(self, weights: np.ndarray) -> np.ndarray:
        """The same of the median; of two in the middle, their mean."""
        values = np.concatenate(self.of_recordings)
        order, counts = np.argsort(values, kind="stable"), self.counts
        # One sample at a time: there may be many delays.
        return np.array([_middle(values[order], np.repeat(row, counts)[order]) for row in weights])


def delay_figures(delays: Delays, weights: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """Mean and median in seconds, `[R]` each; NaN without a delay."""
    return {"delay_seconds": delays.mean(weights) / fps, "median_delay_seconds": delays.median(weights) / fps}


def _middle(values: np.ndarray, weights: np.ndarray) -> float:
    """Weighted median of ascending values."""
    values, reached = values[weights > 0], np.cumsum(weights[weights > 0])
    if len(values) == 0:
        return np.nan
    half = reached[-1] / 2
    low, high = (np.searchsorted(reached, half, side=side) for side in ("left", "right"))
    return float(values[low] + values[min(high, len(values) - 1)]) / 2
