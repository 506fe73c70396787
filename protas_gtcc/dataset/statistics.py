"""Mean and standard deviation of features over videos that are read one by one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def feature_statistics(videos: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation `[D]`, float32, over all frames of at least one video with features `[T, D]`."""
    frames, mean, squares = 0, np.zeros(1), np.zeros(1)
    for features in videos:
        values = features.astype(np.float64)
        # Statistics of two sets of frames are combined (Chan, Golub and LeVeque), without a difference of large sums.
        shift, total = values.mean(axis=0) - mean, frames + len(values)
        squares = squares + values.var(axis=0) * len(values) + shift**2 * frames * len(values) / total
        mean, frames = mean + shift * len(values) / total, total
    return mean.astype(np.float32), np.sqrt(squares / frames).astype(np.float32)
