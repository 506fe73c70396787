"""The shape of a progress curve over true action segments, and its values where the predicted class changes.

`DEFINITIONS` defines each figure. A one-frame segment counts in `first_error` and in `last_error`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.metrics.scored_video import ScoredVideo

FIGURES = {
    "rank_correlation": ("rank_correlations", "longer_segments"),
    "fall_share": ("falls", "steps"),
    "fall_depth": ("fall_depth", "longer_segments"),
    "first_error": ("first_error", "segments"),
    "last_error": ("last_error", "segments"),
    "change_start": ("start_progress", "starts"),
    "change_end": ("end_progress", "ends"),
}
"""Every figure is one statistic, summed over videos, divided by another."""
STATISTICS = tuple(dict.fromkeys(name for pair in FIGURES.values() for name in pair))
AT_CHANGES = ("change_start", "change_end")
"""These concern predicted segments: progress of the true class and look-ups on true segments have none."""
SHORT = ("rank_correlation", "first_error", "last_error")
"""The figures that every look-up has."""
DEFINITIONS = {
    "curves.*.rank_correlation": (
        "-1 to 1",
        "Spearman's rank correlation of progress with time within a true action segment, mean over segments of two "
        "frames or more; ties share their mean rank, and constant progress counts 0.",
    ),
    "curves.*.fall_share": ("fraction", "Share of frame steps within true action segments in which progress falls."),
    "curves.*.fall_depth": (
        "fraction",
        "Sum of all falls of progress within a true action segment, mean over segments of two frames or more.",
    ),
    "curves.*.first_error": ("fraction", "Mean |reported - true progress| at the first frame of true action segments."),
    "curves.*.last_error": ("fraction", "Mean |reported - true progress| at the last frame of true action segments."),
    "curves.*.change_start": (
        "fraction",
        "Mean reported progress at the first frame of predicted action segments; near 0 is right.",
    ),
    "curves.*.change_end": (
        "fraction",
        "Mean reported progress at the last frame of predicted action segments that another segment follows; near 1 "
        "is right.",
    ),
}
DEFINITIONS |= {f"curves.lookups.*.*.{name}": DEFINITIONS[f"curves.*.{name}"] for name in SHORT}


def curve_statistics(video: ScoredVideo) -> np.ndarray:
    """Sums and counts of one video, float64 `[P, len(STATISTICS)]`; counts are the same for every predictor."""
    segments = video.estimated_segments
    followed = segments[segments[:, 1] < len(video.labels)]
    sums: dict[str, Any] = {
        "segments": len(video.segments),
        "longer_segments": (video.lengths > 1).sum(),
        "steps": (video.lengths - 1).sum(),
        "start_progress": video.reports[:, segments[:, 0]].sum(axis=1),
        "starts": len(segments),
        "end_progress": video.reports[:, followed[:, 1] - 1].sum(axis=1),
        "ends": len(followed),
    }
    if len(video.segments):
        steps = np.diff(video.reported, axis=1)
        steps[:, video.starts[1:] - 1] = 0  # into the next segment
        sums["falls"], sums["fall_depth"] = (steps < 0).sum(axis=1), -np.minimum(steps, 0).sum(axis=1)
        error = np.abs(video.reported - video.target)
        sums["first_error"] = error[:, video.starts].sum(axis=1)
        sums["last_error"] = error[:, video.starts + video.lengths - 1].sum(axis=1)
        sums["rank_correlations"] = rank_correlations(video.reported, video.starts).sum(axis=1)
    statistics = np.zeros((len(video.reports), len(STATISTICS)))
    for name, values in sums.items():
        statistics[:, STATISTICS.index(name)] = values
    return statistics


def curve_figures(totals: np.ndarray, at_changes: bool) -> dict[str, np.ndarray]:
    """One predictor's figures, `[R]` each, from sums over videos `[R, len(STATISTICS)]`."""
    total = dict(zip(STATISTICS, totals.T, strict=True))
    with np.errstate(invalid="ignore"):
        return {
            name: total[above] / total[below]
            for name, (above, below) in FIGURES.items()
            if at_changes or name not in AT_CHANGES
        }


def short_figures(totals: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of `SHORT` alone."""
    figures = curve_figures(totals, at_changes=False)
    return {name: figures[name] for name in SHORT}


def rank_correlations(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Spearman's correlation of values `[P, A]` with time, within N segments end to end: `[P, N]`.

    `starts` are the segments' first frames `[N]`. 0 for one frame, and where all values are equal.
    """
    num_predictors, num_frames = values.shape
    lengths = np.diff(starts, append=num_frames)
    segment = np.repeat(np.arange(len(starts)), lengths)
    # By value, then stably by segment: of small integers a stable sort is a fast one.
    by_value = np.argsort(values, axis=1)
    number = segment.astype(np.min_scalar_type(len(starts)))[by_value]
    order = np.take_along_axis(by_value, np.argsort(number, axis=1, kind="stable"), axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    # Sorted within segments, frames of a segment stay together, so that `segment` holds for places in the order too.
    begins = np.ones(values.shape, dtype=bool)
    begins[:, 1:] = (ascending[:, 1:] != ascending[:, :-1]) | (segment[1:] != segment[:-1])
    first = np.flatnonzero(begins)
    sizes = np.diff(first, append=values.size)
    place = np.repeat(first + (sizes - 1) / 2, sizes).reshape(values.shape)
    place -= num_frames * np.arange(num_predictors)[:, None]
    middle = (starts + (lengths - 1) / 2)[segment]
    rank, time = place - middle, order - middle
    shared, spread = (np.add.reduceat(product, starts, axis=1) for product in (rank * time, rank * rank))
    spread_of_time = lengths * (lengths**2 - 1) / 12
    norm = np.sqrt(spread * spread_of_time)
    return np.where(norm > 0, shared / np.where(norm > 0, norm, 1), 0.0)
