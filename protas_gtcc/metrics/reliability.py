"""Reliability of reported progress: means of reported progress by tenths of true progress, and the other way round.

Reported by true progress shows what is reported at each stage of an action (reliability). True by reported progress
shows what a report is worth (calibration). Both lie on the diagonal for a perfect predictor. Frames are pooled over
videos.
"""

from __future__ import annotations

import numpy as np

NUM_TENTHS = 10
MIDDLE = (0.25, 0.75)
"""The spread is the middle half of the frames."""


def tenths(progress: np.ndarray) -> np.ndarray:
    """The tenth of each progress in [0, 1], int64 in 0 … 9; a tenth includes its upper end, the first also 0."""
    # Progress is float32: 0.3 is a little more than three tenths, but belongs to the third.
    scaled = np.round(np.asarray(progress, dtype=np.float64) * NUM_TENTHS, 5)
    return np.clip(np.ceil(scaled) - 1, 0, NUM_TENTHS - 1).astype(np.int64)


def by_tenths(values: np.ndarray, given: np.ndarray) -> dict[str, np.ndarray]:
    """`num_frames`, `mean`, `low` and `high` (quartiles) of `values` `[N]` over the frames in each tenth of `given`.

    All are `[10]`, NaN in tenths without frames.
    """
    tenth = tenths(given)
    rows = np.full((NUM_TENTHS, 3), np.nan)
    for index in range(NUM_TENTHS):
        own = values[tenth == index].astype(np.float64)
        if len(own):
            rows[index] = own.mean(), *np.quantile(own, MIDDLE)
    mean, low, high = rows.T
    return {"num_frames": np.bincount(tenth, minlength=NUM_TENTHS), "mean": mean, "low": low, "high": high}
