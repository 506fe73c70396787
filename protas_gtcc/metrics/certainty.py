"""Is the model as sure as it should be: intervals of progress, and the time that remains.

Counted over the frames of true actions at which an action is predicted; for others an interval says nothing.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.lookups import frames_since_change
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.predictions import Prediction

STATISTICS = ("told", "covered", "width", "timed", "error", "bias", "lookup_error", "remaining")
"""Frames with an interval, of these those with the true progress in it, widths; frames of the right class with a
remaining time, |told - true|, told - true, the look-up's |told - true| and true remaining seconds, summed."""
LOOKUP = "median_index_class"
"""The look-up whose progress says how long it takes: elapsed / progress is the median of what was seen."""
DEFINITIONS = {
    "certainty.interval_coverage": (
        "fraction",
        "Share of frames of true actions, predicted to be actions, whose true progress lies in the interval told; "
        "it is meant to be 0.8.",
    ),
    "certainty.interval_width": ("fraction", "Mean width of these intervals of progress."),
    "certainty.remaining_error_seconds": (
        "seconds",
        "Mean |told - true| time that an action will still take, over action frames with the right class.",
    ),
    "certainty.remaining_bias_seconds": (
        "seconds",
        "Mean of told less true time that an action will still take, over the same frames; negative is too short.",
    ),
    "certainty.remaining_lookup_error_seconds": (
        "seconds",
        "The same error by counting: median of the class's training lengths that are longer than the predicted segment "
        "so far, less what has passed.",
    ),
    "certainty.remaining_true_seconds": (
        "seconds",
        "Mean true time that the action will still take, over the same frames: the error of always saying 0.",
    ),
}


def certainty_statistics(video: ScoredVideo, prediction: Prediction, lookup: np.ndarray | None) -> np.ndarray:
    """Sums and counts of one video, float64 `[len(STATISTICS)]`; 0 where the prediction tells nothing.

    `lookup` is the progress `[T]` that `LOOKUP` reports on the predicted segments; None where it is not fitted.
    """
    told = np.zeros(len(STATISTICS))
    estimate = video.estimate[video.frames]
    if prediction.interval is not None:
        counted = ~np.isin(estimate, list(video.background))
        low, high = prediction.interval[:, video.frames][:, counted].astype(np.float64)
        target = video.target[counted]
        # Ends are float32: a true progress that equals one lies in the interval.
        covered = (low <= target + 1e-6) & (target <= high + 1e-6)
        told[:3] = counted.sum(), covered.sum(), (high - low).sum()
    if prediction.remaining_seconds is not None and video.fps:
        right = estimate == video.labels[video.frames]
        remaining = (video.lengths[video.segment] - video.elapsed)[right] / video.fps
        difference = prediction.remaining_seconds[video.frames][right] - remaining
        counting = np.full(len(remaining), np.nan)
        if lookup is not None:
            elapsed = 1 + frames_since_change(video.estimate)[video.frames][right]
            counting = elapsed * (1 / lookup[video.frames][right] - 1) / video.fps - remaining
        sums = (np.abs(difference).sum(), difference.sum(), np.abs(counting).sum(), remaining.sum())
        told[3:] = right.sum(), *sums
    return told


def certainty_figures(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Figures, `[R]` each, from sums over videos `[R, len(STATISTICS)]`; NaN where nothing was told."""
    told, covered, width, timed, *sums = totals.T
    names = ("error", "bias", "lookup_error", "true")
    with np.errstate(invalid="ignore"):
        return {
            "interval_coverage": covered / told,
            "interval_width": width / told,
            **{f"remaining_{name}_seconds": total / timed for name, total in zip(names, sums, strict=True)},
        }
