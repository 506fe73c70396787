"""Means and ratios, with how often each test video counts.

`weights` of the V test videos are `[R, V]`; a figure is `[R]`, its value under each row, NaN where undefined. The first
row is always ones: the figure itself. The others leave something out (`metrics.left_out`).
"""

from __future__ import annotations

import numpy as np


def ratio(weights: np.ndarray, numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Sum over sum of two statistics of videos, `[V]` each; NaN where the second is 0."""
    return _divide(weights @ numerators, weights @ denominators)


def mean_over_videos(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of one value for each video, `[V]`; NaN values do not count."""
    return ratio(weights, np.nan_to_num(values), np.isfinite(values).astype(np.float64))


def mean_over_pairs(weights: np.ndarray, values: np.ndarray, undefined: float = np.nan) -> np.ndarray:
    """Mean over ordered pairs of different videos, `[V, V]`; a pair counts as often as its two videos are drawn.

    Pairs without a value, NaN, count as `undefined`, or not at all where that is NaN; if no pair has one, neither has
    the mean. A video that is drawn twice makes no pair with itself.
    """
    apart = ~np.eye(len(values), dtype=bool)
    defined = apart & np.isfinite(values)
    filled = np.where(defined, values, np.nan_to_num(undefined)) * apart
    counted = defined if np.isnan(undefined) else apart

    def total(matrix: np.ndarray) -> np.ndarray:
        return np.einsum("ri,ij,rj->r", weights, matrix.astype(np.float64), weights, optimize=True)

    return np.where(total(defined) > 0, _divide(total(filled), total(counted)), np.nan)


def mean_over_partners(weights: np.ndarray, values: np.ndarray, undefined: float = np.nan) -> np.ndarray:
    """Mean over pairs of a test video with another that always counts once, `[V, W]`; NaN as in `mean_over_pairs`."""
    defined = np.isfinite(values)
    filled = np.where(defined, values, np.nan_to_num(undefined))
    counted = defined if np.isnan(undefined) else np.ones_like(defined)
    means = ratio(weights, filled.sum(axis=1), counted.sum(axis=1).astype(np.float64))
    return np.where(weights @ defined.any(axis=1) > 0, means, np.nan)


def r_squared(
    weights: np.ndarray, residuals: np.ndarray, sums: np.ndarray, squares: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """1 - (sum of squared residuals) / (sum of squares about the mean), from sums of each video, `[V]` each.

    NaN where the targets do not vary.
    """
    about_mean = weights @ squares - _divide((weights @ sums) ** 2, weights @ counts)
    # A constant target has a spread of rounding errors only.
    varies = about_mean > 1e-12 * (weights @ squares)
    return 1 - _divide(weights @ residuals, np.where(varies, about_mean, 0))


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Figures of tasks, splits or seeds `[K, R]` -> their mean `[R]`; those that are NaN do not count."""
    return _divide(np.nan_to_num(values).sum(axis=0), np.isfinite(values).sum(axis=0).astype(np.float64))


def _divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    return np.divide(numerators, denominators, out=np.full(len(numerators), np.nan), where=denominators > 0)
