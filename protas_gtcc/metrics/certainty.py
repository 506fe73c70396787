"""Calibration: do intervals of progress contain the true progress as often as they should; error of remaining time.

Counted over frames of true actions for which an action is predicted; an interval means nothing for others.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.lookups import frames_since_change
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.predictions import Prediction

STATISTICS = ("intervals", "covered", "width", "timed", "error", "bias", "lookup_error", "remaining")
"""Frames with an interval, those whose interval contains the true progress, and the sum of widths. Then frames of the
correct class with a remaining time, and over these four sums: |predicted - true|, predicted - true, the look-up's
|predicted - true|, and the true remaining seconds."""
LOOKUP = "median_index_class"
"""The look-up that gives a remaining time: elapsed / progress is the median length of the training segments."""
DEFINITIONS = {
    "certainty.interval_coverage": (
        "fraction",
        "Share of frames of true actions, predicted to be actions, whose reported interval contains the true progress; "
        "0.8 is right.",
    ),
    "certainty.interval_width": ("fraction", "Mean width of these intervals."),
    "certainty.remaining_error_seconds": (
        "seconds",
        "Mean |predicted - true| remaining time of the action, over action frames with the correct class.",
    ),
    "certainty.remaining_bias_seconds": (
        "seconds",
        "Mean of predicted less true remaining time, over the same frames; negative is too short.",
    ),
    "certainty.remaining_lookup_error_seconds": (
        "seconds",
        "The same error of a look-up: the median of the class's training lengths above the length of the predicted "
        "segment so far, less that length.",
    ),
    "certainty.remaining_true_seconds": (
        "seconds",
        "Mean true remaining time, over the same frames: the error of a predictor that always reports 0.",
    ),
}


def certainty_statistics(video: ScoredVideo, prediction: Prediction, lookup: np.ndarray | None) -> np.ndarray:
    """Sums and counts of one video, float64 `[len(STATISTICS)]`; 0 where the prediction has none.

    `lookup` is the progress `[T]` that `LOOKUP` reports on the predicted segments; None where it is not fitted.
    """
    sums = np.zeros(len(STATISTICS))
    estimate = video.estimate[video.frames]
    if prediction.interval is not None:
        counted = ~np.isin(estimate, list(video.background))
        low, high = prediction.interval[:, video.frames][:, counted].astype(np.float64)
        target = video.target[counted]
        # Ends are float32: a true progress that equals one lies in the interval.
        covered = (low <= target + 1e-6) & (target <= high + 1e-6)
        sums[:3] = counted.sum(), covered.sum(), (high - low).sum()
    if prediction.remaining_seconds is not None and video.fps:
        correct = estimate == video.labels[video.frames]
        remaining = (video.lengths[video.segment] - video.elapsed)[correct] / video.fps
        difference = prediction.remaining_seconds[video.frames][correct] - remaining
        counting = np.full(len(remaining), np.nan)
        if lookup is not None:
            elapsed = 1 + frames_since_change(video.estimate)[video.frames][correct]
            counting = elapsed * (1 / lookup[video.frames][correct] - 1) / video.fps - remaining
        errors = (np.abs(difference).sum(), difference.sum(), np.abs(counting).sum(), remaining.sum())
        sums[3:] = correct.sum(), *errors
    return sums


def certainty_figures(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Figures, `[R]` each, from sums over videos `[R, len(STATISTICS)]`; NaN where no frame counts."""
    intervals, covered, width, timed, *sums = totals.T
    names = ("error", "bias", "lookup_error", "true")
    with np.errstate(invalid="ignore"):
        return {
            "interval_coverage": covered / intervals,
            "interval_width": width / intervals,
            **{f"remaining_{name}_seconds": total / timed for name, total in zip(names, sums, strict=True)},
        }
