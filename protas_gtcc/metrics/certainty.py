"""Is the model as sure as it should be: intervals of progress, and the time that remains.

Counted over the frames of true actions at which an action is predicted; for others an interval says nothing.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.predictions import Prediction

STATISTICS = ("told", "covered", "width", "timed", "remaining_error", "remaining")
"""Frames with an interval, of these those with the true progress in it, widths; frames of the right class with a
remaining time, |told - true| and true remaining seconds, summed."""
DEFINITIONS = {
    "certainty.interval_coverage": (
        "share",
        "Share of frames of true actions, predicted to be actions, whose true progress lies in the interval told; "
        "it is meant to be 0.8.",
    ),
    "certainty.interval_width": ("fraction", "Mean width of these intervals of progress."),
    "certainty.remaining_error_seconds": (
        "seconds",
        "Mean |told - true| time that an action will still take, over action frames with the right class.",
    ),
    "certainty.remaining_true_seconds": (
        "seconds",
        "Mean true time that the action will still take, over the same frames: the error of always saying 0.",
    ),
}


def certainty_statistics(video: ScoredVideo, prediction: Prediction) -> np.ndarray:
    """Sums and counts of one video, float64 `[len(STATISTICS)]`; 0 where the prediction tells nothing."""
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
        error = np.abs(prediction.remaining_seconds[video.frames][right] - remaining)
        told[3:] = right.sum(), error.sum(), remaining.sum()
    return told


def certainty_figures(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Figures, `[R]` each, from sums over videos `[R, len(STATISTICS)]`; NaN where nothing was told."""
    told, covered, width, timed, error, remaining = totals.T
    with np.errstate(invalid="ignore"):
        return {
            "interval_coverage": covered / told,
            "interval_width": width / told,
            "remaining_error_seconds": error / timed,
            "remaining_true_seconds": remaining / timed,
        }
