"""What values a figure can have, by its path in `metrics.json`; its interval stays within them."""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.breakdowns import COUNTS
from protas_gtcc.metrics.intervals import NO_LIMITS, Limits, Path

SIGNED = (
    *("skill", "bias", "lead_seconds", "lead_frames", "remaining_bias_seconds"),
    "bias_minutes",
)
"""Figures of either sign, by the last name of their path."""
UNITS = ("_seconds", "_frames", "_minutes", "_per_hour", "_per_hour_normal")
"""Ends of the names of times and rates."""
PROCEDURE_COUNTS = (
    *("num_starts", "num_completions", "num_false", "num_never_reported"),
    *("num_wrong", "num_hits", "num_late", "num_recordings", "num_steps"),
    *("num_videos", "num_left_out"),
)
"""Whole numbers among the figures of procedures, by the last name of their path."""
WITHOUT_INTERVAL = ("median_delay_seconds", "budget_per_hour")
"""Medians, for which leaving out one person at a time gives no valid interval, and what was chosen."""


def limits_of(path: Path) -> Limits | None:
    """Least and largest value of the figure at a path; None where it has no interval."""
    name = path[-1]
    if is_count(path) or name in WITHOUT_INTERVAL:
        return None
    if path[0] == "margin" or name in SIGNED or ("alarms" in path and name == "delay_seconds"):
        return NO_LIMITS
    if name == "r2":
        return -np.inf, 1.0
    if name == "rank_correlation":
        return -1.0, 1.0
    if path[0] == "segmentation":
        return 0.0, 100.0
    return 0.0, np.inf if name.endswith(UNITS) or name == "fall_depth" else 1.0


def is_count(path: Path) -> bool:
    """Whether the figure at a path is a whole number."""
    return (path[0] == "breakdowns" and path[-1] in COUNTS) or path[-1] in PROCEDURE_COUNTS
