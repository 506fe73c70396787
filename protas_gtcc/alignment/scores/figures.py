"""Figures that can be drawn again: what a score is when test videos count more or less often.

A `Figure` takes how much each test video counts, `[R, V]`, and returns its value under each row, `[R]`; NaN where it
has none. The first row is always ones: the figure itself. The others are resamples (`metrics.intervals`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Figure = Callable[[np.ndarray], np.ndarray]


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> Figure:
    """Sum over sum of two statistics of videos, `[V]` each; NaN where the second is 0."""

    def figure(weights: np.ndarray) -> np.ndarray:
        return _divide(weights @ numerators, weights @ denominators)

    return figure


def mean_over_videos(values: np.ndarray) -> Figure:
    """Mean of one value a video, `[V]`; videos that have none, NaN, do not count."""
    return ratio(np.nan_to_num(values), np.isfinite(values).astype(np.float64))


def mean_over_pairs(values: np.ndarray, undefined: float = np.nan) -> Figure:
    """Mean over ordered pairs of different videos, `[V, V]`; a pair counts as often as its two videos are drawn.

    Pairs without a value, NaN, count as `undefined`, or not at all where that is NaN; if no pair has one, neither has
    the mean. A video that is drawn twice makes no pair with itself.
    """
    apart = ~np.eye(len(values), dtype=bool)
    defined = apart & np.isfinite(values)
    filled = np.where(defined, values, np.nan_to_num(undefined)) * apart
    counted = defined if np.isnan(undefined) else apart

    def figure(weights: np.ndarray) -> np.ndarray:
        def total(matrix: np.ndarray) -> np.ndarray:
            return np.einsum("ri,ij,rj->r", weights, matrix.astype(np.float64), weights, optimize=True)

        means = _divide(total(filled), total(counted))
        return np.where(total(defined) > 0, means, np.nan)

    return figure


def r_squared(residuals: np.ndarray, sums: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> Figure:
    """1 - (sum of squared residuals) / (sum of squares about the mean), from sums of each video, `[V]` each.

    NaN where the targets do not vary.
    """

    def figure(weights: np.ndarray) -> np.ndarray:
        about_mean = weights @ squares - _divide((weights @ sums) ** 2, weights @ counts)
        # Rounding leaves a little of a target that is the same everywhere.
        varies = about_mean > 1e-12 * (weights @ squares)
        return 1 - _divide(weights @ residuals, np.where(varies, about_mean, 0))

    return figure


def mean_over_tasks(values: np.ndarray) -> np.ndarray:
    """Tasks' figures `[K, R]` -> their mean `[R]`, each task counting once, and not at all where it has none."""
    defined = np.isfinite(values)
    return _divide(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    return np.divide(numerators, denominators, out=np.full(len(numerators), np.nan), where=denominators > 0)
