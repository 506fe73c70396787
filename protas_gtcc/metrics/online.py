"""Online behaviour: delays to the correct label, false starts, and early or late "finished".

Time counts in frames of the features; if these look ahead, their own delay is added. Names end in `_seconds`, or in
`_frames` where frames per second are not known; then figures per hour are undefined.

`DEFINITIONS` defines each figure. Mean delays are over segments with such a frame, shares over all segments; a delay
of 0 is at once.

An action is reported as finished when its reported progress is at least `FINISHED`. The report refers to the last true
segment of the predicted class that the predicted segment has overlapped so far. The first such frame of a true segment
counts. `lead_size` is beside `lead` because early and late cancel in its mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import is_action

HOLD_SECONDS, HOLD_FRAMES = 1.0, 10
FINISHED = 0.95
WITHIN = {
    "seconds": ("0", "0.2", "0.5", "1", "2", "5", "10", "30"),
    "frames": ("0", "1", "2", "5", "10", "20", "50", "100"),
}
"""Limits of the delay, for the shares of segments within each."""
NUM_LIMITS = 8
STATISTICS = (
    *("frames", "segments", "first_delay", "found", "stable_delay", "stable", "estimated_segments", "false_starts"),
    *(f"{name}_{limit}" for name in ("found_within", "stable_within") for limit in range(NUM_LIMITS)),
)
FINISHED_STATISTICS = ("lead", "lead_size", "finished", "segments", "false", "frames")
_TIMES = {
    "online.first_delay": "Mean time from a true action segment's start to its first frame with the correct label.",
    "online.stable_delay": "Mean time from a true action segment's start to the first frame after which labels stay "
    f"correct for {HOLD_SECONDS:g} s ({HOLD_FRAMES} frames where fps is not known) or until the segment's end.",
    "online.finished.*.lead": "Mean time from the first frame at which reported progress of the correct class is at "
    f"least {FINISHED} to the true action segment's last frame; positive is early, negative late.",
    "online.finished.*.lead_size": "Mean time, without sign, between the first frame at which reported progress of the "
    f"correct class is at least {FINISHED} and the true action segment's last frame.",
}
_SHARES = {
    "online.never_found": "Share of true action segments without a frame of the correct label.",
    "online.never_stable": "Share of true action segments whose label never becomes stable.",
    "online.found_within.*": "Share of true action segments with a correct label within this many seconds "
    "of their start (frames where frames per second are not known).",
    "online.stable_within.*": "Share of true action segments with a stable label within this many seconds "
    "of their start (frames where frames per second are not known).",
    "online.false_start_share": "Share of predicted action segments that overlap no true segment of their class.",
    "online.finished.*.never": "Share of true action segments for which reported progress of the correct class is "
    f"never at least {FINISHED}.",
}
DEFINITIONS = {
    **{f"{name}_{unit}": (unit, text) for name, text in _TIMES.items() for unit in ("seconds", "frames")},
    **{name: ("fraction", text) for name, text in _SHARES.items()},
    "online.false_starts_per_hour": (
        "per hour",
        "Predicted action segments that overlap no true segment of their class, per hour of video.",
    ),
    "online.finished.*.false_per_hour": (
        "per hour",
        f"Predicted action segments that report progress of at least {FINISHED} but overlap no true segment of "
        "their class, per hour of video.",
    ),
}


def online_statistics(video: ScoredVideo) -> np.ndarray:
    """Sums and counts of one video's labels, float64 `[len(STATISTICS)]`; times are in frames."""
    delays = _delays(video)
    sums: list[float] = [len(video.labels), len(video.segments)]
    for delay in delays:
        found = np.isfinite(delay)
        sums += [delay[found].sum(), found.sum()]
    sums += [len(video.estimated_segments), _is_unmatched(video).sum()]
    limits = np.array([float(limit) for limit in WITHIN["seconds" if video.fps else "frames"]]) * (video.fps or 1)
    # A little more, for limits that are whole frames except for rounding.
    within = [(delay <= limits[:, None] + 1e-6).sum(axis=1) for delay in delays]
    return np.concatenate([sums, *within]).astype(np.float64)


def finished_statistics(video: ScoredVideo) -> np.ndarray:
    """Sums and counts of one video, float64 `[P, len(FINISHED_STATISTICS)]`; times are in frames.

    `reports` must go with the predicted classes: reported progress, or look-ups on predicted segments.
    """
    num_predictors, num_segments, segments = len(video.reports), len(video.segments), video.estimated_segments
    # Which action segment each frame is in; -1 in the background.
    of_estimate, of_truth = np.full((2, len(video.labels)), -1)
    of_truth[video.frames] = video.segment
    of_estimate[is_action(video.estimate, video.background)] = np.repeat(
        np.arange(len(segments)), segments[:, 1] - segments[:, 0]
    )
    finished = (video.reports >= FINISHED) & (of_estimate >= 0)
    agreed = (video.labels == video.estimate) & (of_truth >= 0)
    last_agreed = np.maximum.accumulate(np.where(agreed, np.arange(len(agreed)), -1))
    # Until its predicted segment has overlapped a true one of its class, a frame refers to no true segment.
    begun = np.append(segments[:, 0], 0)[of_estimate]
    predictor, frame = np.nonzero(finished & (last_agreed >= begun))
    segment = of_truth[last_agreed[frame]]
    first = np.unique(predictor * num_segments + segment, return_index=True)[1]  # frames come in order of time
    predictor, lead = predictor[first], video.segments[segment[first], 1] - 1 - frame[first]
    unmatched = np.append(_is_unmatched(video), False)[of_estimate]  # -1, the background, is not
    statistics = np.zeros((num_predictors, len(FINISHED_STATISTICS)))
    for column, values in enumerate((lead, np.abs(lead), np.ones(len(lead)))):
        statistics[:, column] = np.bincount(predictor, values, num_predictors)
    statistics[:, 3], statistics[:, 5] = num_segments, len(agreed)
    predictor, frame = np.nonzero(finished & unmatched)
    reporting = np.unique(predictor * len(segments) + of_estimate[frame]) // max(len(segments), 1)
    statistics[:, 4] = np.bincount(reporting, minlength=num_predictors)
    return statistics


def online_figures(totals: np.ndarray, fps: float | None) -> dict[str, Any]:
    """Figures of the labels, `[R]` each, from sums over videos `[R, len(STATISTICS)]`."""
    total = dict(zip(STATISTICS, totals.T, strict=True))
    unit, segments = "seconds" if fps else "frames", total["segments"]

    def within(name: str) -> dict[str, np.ndarray]:
        return {limit: total[f"{name}_{index}"] / segments for index, limit in enumerate(WITHIN[unit])}

    with np.errstate(invalid="ignore"):
        return {
            f"first_delay_{unit}": total["first_delay"] / total["found"] / (fps or 1),
            f"stable_delay_{unit}": total["stable_delay"] / total["stable"] / (fps or 1),
            "never_found": 1 - total["found"] / segments,
            "never_stable": 1 - total["stable"] / segments,
            "found_within": within("found_within"),
            "stable_within": within("stable_within"),
            "false_starts_per_hour": _per_hour(total["false_starts"], total["frames"], fps),
            "false_start_share": total["false_starts"] / total["estimated_segments"],
        }


def finished_figures(totals: np.ndarray, fps: float | None) -> dict[str, Any]:
    """One predictor's figures of "finished", `[R]` each, from sums over videos `[R, len(FINISHED_STATISTICS)]`."""
    lead, size, finished, segments, false, frames = totals.T
    unit = "seconds" if fps else "frames"
    with np.errstate(invalid="ignore"):
        return {
            f"lead_{unit}": lead / finished / (fps or 1),
            f"lead_size_{unit}": size / finished / (fps or 1),
            "never": 1 - finished / segments,
            "false_per_hour": _per_hour(false, frames, fps),
        }


def _delays(video: ScoredVideo) -> tuple[np.ndarray, np.ndarray]:
    """Frames from each true action segment's start to a correct and to a stable label, `[N]`; infinite without one."""
    if len(video.segments) == 0:
        return np.zeros(0), np.zeros(0)
    correct = video.estimate[video.frames] == video.labels[video.frames]
    waited = np.where(correct, video.elapsed - 1.0, np.inf)
    # A run is a stretch of one segment whose frames are all correct or all wrong.
    starts = np.flatnonzero(np.diff(2 * video.segment + correct, prepend=-1))
    ends = np.append(starts[1:], len(correct))
    hold = max(1, round(HOLD_SECONDS * video.fps)) if video.fps else HOLD_FRAMES
    segment_ends = video.starts + video.lengths
    holds = correct[starts] & ((ends - starts >= hold) | (ends == segment_ends[video.segment[starts]]))
    stable = np.full(len(correct), np.inf)
    stable[starts[holds]] = waited[starts[holds]]
    return np.minimum.reduceat(waited, video.starts), np.minimum.reduceat(stable, video.starts)


def _is_unmatched(video: ScoredVideo) -> np.ndarray:
    """Which predicted action segments overlap no true segment of their class, bool `[M]`."""
    num_correct = np.cumsum(np.append(0, video.labels == video.estimate))
    return num_correct[video.estimated_segments[:, 1]] == num_correct[video.estimated_segments[:, 0]]


def _per_hour(counts: np.ndarray, frames: np.ndarray, fps: float | None) -> np.ndarray | None:
    return counts / (frames / fps / 3600) if fps else None
