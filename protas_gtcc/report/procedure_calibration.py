"""How far what a run reports of procedures can be trusted, over its test videos, as values for the report page.

    done     for each tenth of the probability that a step is done: frames of steps, the mean probability, and how many
             of them were done
    left     for each tenth of the procedure's time: the share of frames whose interval has the true time left
    alarms   reason, confidence, and whether it is right, of each alarm in videos whose mistakes are annotated;
             is_annotated: whether those of any video are

A step is done at a frame if it has ended by then and is not going on, which is what `Procedure.done` is about. Done
steps are pooled over frames and videos; the share of the time left is a mean over videos, as in `metrics.procedure`.
Intervals leave out one person at a time, or one video where people are not known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.metrics.breakdowns import tenths
from protas_gtcc.metrics.certainty import holds
from protas_gtcc.metrics.intervals import with_intervals
from protas_gtcc.metrics.left_out import leave_out_people
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.procedure.truth import Truth, is_right
from protas_gtcc.report.procedure_data import KnownVideo


class CalibrationRow(NamedTuple):
    """What one video adds."""

    done: np.ndarray
    """float64 `[3, 10]`, by tenth of the probability: frames of steps, sum of probabilities, those that were done."""
    left: np.ndarray
    """float64 `[2, 10]`, by tenth of the procedure: 1 if there are frames with an interval, and the share within it."""
    alarms: list[list[Any]]
    """Reason, confidence, and whether it is right; empty where mistakes are not annotated."""
    is_annotated: bool
    """Whether mistakes are."""
    person: str
    """"" where unknown."""


def calibration_row(procedure: Procedure, known: KnownVideo, fps: float) -> CalibrationRow:
    """The row of one video."""
    truth = known.truth
    labels = sorted({*known.task_steps, *truth.steps[:, 2].tolist()})
    probs, is_done = procedure.done[labels].ravel(), done_steps(truth, labels, procedure.done.shape[1]).ravel()
    tenth = tenths(probs)
    sums = [np.bincount(tenth, weights, minlength=10) for weights in (np.ones_like(probs), probs, is_done)]
    alarms = [
        [one.kind, round(one.confidence, 4), is_right(one, truth.wrong[one.kind], truth.steps)]
        for one in procedure.events
        if known.is_annotated and one.kind != "done"
    ]
    return CalibrationRow(np.stack(sums), _left(procedure, truth, fps), alarms, known.is_annotated, known.person)


def done_steps(truth: Truth, labels: Collection[int], num_frames: int) -> np.ndarray:
    """Whether each of the steps `[L]` has ended by a frame, and is not going on, bool `[L, T]`."""
    is_done, rows = np.zeros((len(labels), num_frames), dtype=bool), {label: row for row, label in enumerate(labels)}
    for _, end, label in truth.steps.tolist():
        is_done[rows[label], end:] = True
    for start, end, label in truth.steps.tolist():
        is_done[rows[label], start:end] = False
    return is_done


def _left(procedure: Procedure, truth: Truth, fps: float) -> np.ndarray:
    interval = procedure.left_interval
    if not len(truth.steps) or not np.isfinite(interval).all():
        return np.zeros((2, 10))
    first, end = int(truth.steps[:, 0].min()), int(truth.steps[:, 1].max())
    frames = np.arange(first, end)
    is_covered = holds(interval[:, frames], (end - 1 - frames) / fps)
    tenth = 10 * (frames - first) // max(len(frames), 1)
    counts, covered = np.bincount(tenth, minlength=10), np.bincount(tenth, is_covered, minlength=10)
    return np.stack([counts > 0, covered / np.maximum(counts, 1)])


def calibration(rows: Sequence[CalibrationRow]) -> dict[str, Any] | None:
    """The page's values over videos; None without a video. Lists are by tenth, None where nothing counts."""
    if not rows:
        return None
    weights, groups = leave_out_people([row.person for row in rows])
    done, left = (np.stack([getattr(row, name) for row in rows]) for name in ("done", "left"))

    def shares(given: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            values = (weights @ counted) / (weights @ given)
        return {str(number): values[:, number] for number in range(10)}

    found = with_intervals(
        {"done": shares(done[:, 0], done[:, 2]), "left": shares(left[:, 0], left[:, 1])}, groups, lambda _: (0.0, 1.0)
    )
    counts, probs, _ = done.sum(axis=0)
    means = [float(one / count) if count else None for one, count in zip(probs, counts, strict=True)]
    return {
        "done": {
            "share": list(found["done"].values()),
            "interval": list(found["intervals"]["done"].values()),
            "reported": means,
            "num": counts.astype(int).tolist(),
        },
        "left": {"share": list(found["left"].values()), "interval": list(found["intervals"]["left"].values())},
        "alarms": [one for row in rows for one in row.alarms],
        "is_annotated": any(row.is_annotated for row in rows),
    }
