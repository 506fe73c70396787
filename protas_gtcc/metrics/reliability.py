"""How far reported progress can be trusted: one of (reported, true) by tenths of the other.

Reported by tenths of true progress says what is shown to somebody who is so far along (reliability); true by tenths
of reported progress says how far along somebody is to whom so much is shown (calibration). Both lie on the diagonal
for a predictor that is right. Frames are pooled over videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NUM_TENTHS = 10
MIDDLE = (0.25, 0.75)
"""The spread is the middle half of the frames."""


@dataclass(frozen=True, eq=False)
class ByTenths:
    """Of each tenth its frames, int64 `[10]`, and mean and quartiles of the values there, `[10]`; NaN without any."""

    num_frames: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def tenths(progress: np.ndarray) -> np.ndarray:
    """The tenth that each progress in [0, 1] lies in, int64 in 0 … 9; a tenth holds its upper end, the first 0 too."""
    # Progress is float32: 0.3 is a little more than three tenths, but belongs to the third.
    scaled = np.round(np.asarray(progress, dtype=np.float64) * NUM_TENTHS, 5)
    return np.clip(np.ceil(scaled) - 1, 0, NUM_TENTHS - 1).astype(np.int64)


def by_tenths(values: np.ndarray, given: np.ndarray) -> ByTenths:
    """Mean and quartiles of `values` `[N]` over the frames in each tenth of `given` `[N]`."""
    tenth = tenths(given)
    rows = np.full((NUM_TENTHS, 3), np.nan)
    for index in range(NUM_TENTHS):
        own = values[tenth == index].astype(np.float64)
        if len(own):
            rows[index] = own.mean(), *np.quantile(own, MIDDLE)
    return ByTenths(np.bincount(tenth, minlength=NUM_TENTHS), *rows.T)
