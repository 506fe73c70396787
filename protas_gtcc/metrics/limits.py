"""What values a figure can have, by its path in `metrics.json`; its interval stays within them."""

from __future__ import annotations

import numpy as np

from protas_gtcc.metrics.breakdowns import COUNTS
from protas_gtcc.metrics.intervals import NO_LIMITS, Limits, Path

SIGNED = ("skill", "bias", "lead_seconds", "lead_frames", "remaining_bias_seconds")
"""Figures of either sign, by the last name of their path."""
UNITS = ("_seconds", "_frames", "_per_hour")
"""Ends of the names of times and rates."""


def limits_of(path: Path) -> Limits | None:
    """Least and largest value of the figure at a path; None for a count, which has no interval."""
    name = path[-1]
    if is_count(path):
        return None
    if path[0] == "margin" or name in SIGNED:
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
    return path[0] == "breakdowns" and path[-1] in COUNTS
