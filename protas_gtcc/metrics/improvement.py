"""Error below the look-up's: the best look-up's progress error less the model's, in every average.

The reported progress (`predicted`) is compared with the best look-up on the model's own predicted segments, progress
of the true class (`oracle`) with the best one on the true segments. Which look-up is best is decided once for each
average, on all videos together and not again in each resample. So the interval belongs to the difference of two fixed
predictors; both are resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from protas_gtcc.metrics.progress import AVERAGES, Averages, progress_averages
from protas_gtcc.metrics.video_rows import VideoRows

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


def best_lookups(rows: VideoRows) -> dict[str, dict[str, str | None]]:
    """For segments of either kind and every average, the name of the look-up with least error over all videos.

    Of equal errors the first; None if none has an error.
    """
    averages = [progress_averages(total[None], len(rows.class_names)) for total in rows.progress.sum(axis=0)]
    best: dict[str, dict[str, str | None]] = {}
    for segments, lookups in rows.by_lookup(averages).items():
        errors = {average: {name: one[average][0] for name, one in lookups.items()} for average in AVERAGES}
        best[segments] = {average: _least(of_lookups) for average, of_lookups in errors.items()}
    return best


def improvement_figures(
    model: Averages, lookups: Mapping[str, Averages], best: Mapping[str, str | None]
) -> dict[str, dict[str, np.ndarray] | None]:
    """For every average `error` and `share`, `[R]` each; None where no look-up has an error."""
    return {
        average: None if name is None else _improvement(model[average], lookups[name][average])
        for average, name in best.items()
    }


def _least(errors: Mapping[str, float]) -> str | None:
    defined = [name for name, error in errors.items() if not np.isnan(error)]
    return min(defined, key=errors.__getitem__, default=None)


def _improvement(model: np.ndarray, lookup: np.ndarray) -> dict[str, np.ndarray]:
    difference = lookup - model
    # There is no share of an error of 0.
    return {"error": difference, "share": np.where(lookup > 0, difference / np.where(lookup > 0, lookup, 1), np.nan)}
