"""Figures that can be resampled: functions of how often each test video counts.

A `Figure` takes weights of the test videos, `[R, V]`, and returns its value under each row, `[R]`; NaN where undefined.
The first row is always ones: the figure itself. The others are resamples (`metrics.intervals`).
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
    """Mean of one value for each video, `[V]`; NaN values do not count."""
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


def mean_over_partners(values: np.ndarray, undefined: float = np.nan) -> Figure:
    """Mean over pairs of a test video with another that always counts once, `[V, W]`; NaN as in `mean_over_pairs`."""
    defined = np.isfinite(values)
    filled = np.where(defined, values, np.nan_to_num(undefined))
    counted = defined if np.isnan(undefined) else np.ones_like(defined)

    def figure(weights: np.ndarray) -> np.ndarray:
        means = _divide(weights @ filled.sum(axis=1), weights @ counted.sum(axis=1).astype(np.float64))
        return np.where(weights @ defined.any(axis=1) > 0, means, np.nan)

    return figure


def r_squared(residuals: np.ndarray, sums: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> Figure:
    """1 - (sum of squared residuals) / (sum of squares about the mean), from sums of each video, `[V]` each.

    NaN where the targets do not vary.
    """

    def figure(weights: np.ndarray) -> np.ndarray:
        about_mean = weights @ squares - _divide((weights @ sums) ** 2, weights @ counts)
        # A constant target has a spread of rounding errors only.
        varies = about_mean > 1e-12 * (weights @ squares)
        return 1 - _divide(weights @ residuals, np.where(varies, about_mean, 0))

    return figure


def mean_of_defined(values: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """Figures of tasks, splits or seeds `[K, R]` -> their weighted mean `[R]`; those that are NaN do not count."""
    counted = np.isfinite(values) * weights
    return _divide((np.nan_to_num(values) * counted).sum(axis=0), counted.sum(axis=0).astype(np.float64))


def _divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    return np.divide(numerators, denominators, out=np.full(len(numerators), np.nan), where=denominators > 0)
