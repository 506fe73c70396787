"""Percentile bootstrap over videos: how far the figures would move with other videos of the same kind.

A resample draws V videos with replacement; all that matters is how often each is drawn. Statistics that add
up over videos are therefore resampled by one product: weights `[R, V]` times statistics `[V, K]`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
NUM_RESAMPLES = 1000


def resampling_weights(
    num_videos: int, seed: int | Sequence[int] = 0, num_resamples: int = NUM_RESAMPLES
) -> np.ndarray:
    """How often each video is drawn in each resample, float64 `[R, V]`; every row sums to V."""
    random = np.random.default_rng(seed)
    return random.multinomial(num_videos, np.full(num_videos, 1 / num_videos), size=num_resamples).astype(np.float64)


def percentile_interval(values: np.ndarray) -> tuple[float, float] | None:
    """The middle 95 % of a figure over resamples `[R]`; NaN ones are left out, None if all are.

    A figure is NaN in resamples that drew none of the videos it is about, such as those that show a rare
    class.
    """
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
