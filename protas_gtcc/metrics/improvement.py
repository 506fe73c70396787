"""Error below the look-up's: the best look-up's progress error less the model's, in every average.

- `error`: error of the best look-up less the model's; positive means that the model's error is below the look-up's.
- `share`: the same as a share of the best look-up's error; 1 is a model without error, 0 one with the look-up's error.

The reported progress (`predicted`) is compared with the best look-up on the model's own predicted segments, progress
of the true class (`oracle`) with the best one on the true segments. Which look-up is best is decided once for each
average, on all videos together and not again in each resample. So the interval belongs to the difference of two fixed
predictors; both are resampled together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protas_gtcc.metrics.progress import ProgressAverages

AVERAGES = ("macro", "frame", "video", "segment")
DEFINITIONS = {
    "improvement.*.*.error": (
        "fraction",
        "Progress error of the best look-up less the model's, in the average named; above 0 the model's is lower.",
    ),
    "improvement.*.*.share": (
        "fraction",
        "The same difference as a share of the look-up's error, in the average named.",
    ),
}


def best_lookups(pooled: Sequence[ProgressAverages]) -> dict[str, int | None]:
    """For every average the number of the look-up with least error, the first of equals; None if none has one.

    `pooled` are the look-ups' averages over all videos, `[1]` each.
    """
    best: dict[str, int | None] = {}
    for average in AVERAGES:
        errors = np.array([getattr(one, average)[0] for one in pooled])
        best[average] = None if np.isnan(errors).all() else int(np.nanargmin(errors))
    return best


def improvement_figures(
    model: ProgressAverages, lookups: Sequence[ProgressAverages], best: dict[str, int | None]
) -> dict[str, dict[str, np.ndarray] | None]:
    """For every average `error` and `share`, `[R]` each; None where no look-up has an error."""
    return {
        average: None if index is None else _improvement(getattr(model, average), getattr(lookups[index], average))
        for average, index in best.items()
    }


def _improvement(model: np.ndarray, lookup: np.ndarray) -> dict[str, np.ndarray]:
    difference = lookup - model
    # There is no share of an error of 0.
    return {"error": difference, "share": np.where(lookup > 0, difference / np.where(lookup > 0, lookup, 1), np.nan)}
