"""Intervals of the figures of each class in the report: frames right, F1 of frames, and missed segments, in percent.

Sums over videos give them, so people (or videos) can be left out one at a time. Start, end and length of segments are
medians, for which this gives wrong intervals (`metrics.procedure_medians`): they have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protas_gtcc.metrics.intervals import figure_intervals
from protas_gtcc.metrics.left_out import leave_out_people


def class_sums(confusion: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """What a video adds to each class, float64 `[5, C]`, of its confusion `[C, C]` and rows of `match_segments`.

    Rows are true frames, right ones, predicted ones, true segments, and missed ones.
    """
    num_classes, (label, pieces) = len(confusion), matches[:, :2].T
    segments = [np.bincount(found, minlength=num_classes) for found in (label, label[pieces == 0])]
    frames = [confusion.sum(axis=1), confusion.diagonal(), confusion.sum(axis=0)]
    return np.stack([*frames, *segments]).astype(float)


def class_intervals(videos: Sequence[np.ndarray], people: Sequence[str]) -> dict[str, list[list[float] | None]]:
    """`right`, `f1` and `missed`: `[low, high]` at 95 % of each class id, in percent; None where undefined.

    `videos` are `class_sums` of each, `people` who is in it, "" where unknown.
    """
    weights, groups = leave_out_people(people)
    frames, right, predicted, segments, missed = np.einsum("rv,vsc->scr", weights, np.stack(videos))
    with np.errstate(invalid="ignore"):
        # Without its frames the F1 of a class would be 0 where it is falsely predicted, and undefined elsewhere.
        f1 = np.where(frames > 0, 2 * right / (frames + predicted), np.nan)
        shares = {"right": right / frames, "f1": f1, "missed": missed / segments}
    sampled = {name: {str(label): 100 * one for label, one in enumerate(of)} for name, of in shares.items()}
    found = figure_intervals(sampled, groups, lambda _: (0.0, 100.0))
    return {name: list(of.values()) for name, of in found.items()}
