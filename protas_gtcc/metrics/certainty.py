"""Calibration: do intervals of progress contain the true progress as often as they should; error of remaining time.

Counted over frames of true actions for which an action is predicted; for intervals of progress also over all frames,
where the background's progress is 0.
"""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.lookups import frames_since_change
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.predictions import Prediction

STATISTICS = (
    *("intervals", "covered", "width", "all_frames", "all_covered"),
    *("timed", "remaining_covered", "error", "bias", "lookup_error", "remaining"),
)
"""Frames of actions with an interval, those whose interval contains the true progress, and the sum of widths; the first
two over all frames. Then frames of the correct class with a remaining time, those of them whose interval contains the
true one, and four sums: |predicted - true|, predicted - true, the look-up's |predicted - true|, and the true remaining
seconds."""
LOOKUP = "median_index_class"
"""The look-up that gives a remaining time: elapsed / progress is the median length of the training segments."""
DEFINITIONS = {
    "certainty.interval_coverage": (
        "fraction",
        "Share of frames of true actions, predicted to be actions, whose reported interval contains the true progress; "
        "0.8 is right.",
    ),
    "certainty.interval_width": ("fraction", "Mean width of these intervals."),
    "certainty.interval_coverage_all_frames": (
        "fraction",
        "Share of all frames whose reported interval contains the true progress, which is 0 in the background.",
    ),
    "certainty.remaining_coverage": (
        "fraction",
        "Share of action frames with the correct class whose interval of the remaining time contains the true one; 0.8 "
        "is right.",
    ),
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
        interval = prediction.interval[:, video.frames][:, counted]
        covered = holds(interval, video.target[counted])
        truth = np.zeros(len(video.labels))
        truth[video.frames] = video.target
        width = np.diff(interval.astype(np.float64), axis=0).sum()
        sums[:5] = counted.sum(), covered.sum(), width, len(truth), holds(prediction.interval, truth).sum()
    if prediction.remaining_seconds is not None and video.fps:
        correct = estimate == video.labels[video.frames]
        remaining = (video.lengths[video.segment] - video.elapsed)[correct] / video.fps
        difference = prediction.remaining_seconds[video.frames][correct] - remaining
        counting = np.full(len(remaining), np.nan)
        if lookup is not None:
            elapsed = 1 + frames_since_change(video.estimate)[video.frames][correct]
            counting = elapsed * (1 / lookup[video.frames][correct] - 1) / video.fps - remaining
        errors = (np.abs(difference).sum(), difference.sum(), np.abs(counting).sum(), remaining.sum())
        bounds = prediction.remaining_interval
        held = np.nan if bounds is None else holds(bounds[:, video.frames][:, correct], remaining).sum()
        sums[5:] = correct.sum(), held, *errors
    return sums


def holds(interval: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether intervals `[2, N]` contain the truth `[N]`; ends are float32, so one that equals it counts."""
    low, high = interval.astype(np.float64)
    return (low <= truth + 1e-6) & (truth <= high + 1e-6)


def certainty_figures(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Figures, `[R]` each, from sums over videos `[R, len(STATISTICS)]`; NaN where no frame counts."""
    intervals, covered, width, all_frames, all_covered, timed, remaining_covered, *sums = totals.T
    names = ("error", "bias", "lookup_error", "true")
    with np.errstate(invalid="ignore"):
        return {
            "interval_coverage": covered / intervals,
            "interval_width": width / intervals,
            "interval_coverage_all_frames": all_covered / all_frames,
            "remaining_coverage": remaining_covered / timed,
            **{f"remaining_{name}_seconds": total / timed for name, total in zip(names, sums, strict=True)},
        }
