"""Time left and next step: sums and counts of one recording, and figures from their sums over recordings."""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.metrics.certainty import holds
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import Procedure

LAST_MINUTES = (5, 30)
"""Parts of a procedure: frames with at most so many minutes left, as in surgery (MAE-5, MAE-30)."""
TENTHS = tuple(f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}" for tenth in range(10))
TOP = (1, 3)
"""A next step counts if it is among this many of the likeliest."""
_PARTS = 1 + len(LAST_MINUTES) + len(TENTHS)
TIME_LEFT_STATISTICS = 2 * _PARTS + 3
NEXT_STATISTICS = 2 * (1 + len(TOP)) + 3
_OVER = "Mean over recordings of the mean over frames from the start of the first step to the end of the last"
DEFINITIONS = {
    "time_left.error_minutes": ("minutes", f"{_OVER}: |reported - true| time left until the last step ends."),
    "time_left.bias_minutes": ("minutes", f"{_OVER}: reported less true time left; negative is too short."),
    "time_left.interval_coverage": (
        "fraction",
        f"{_OVER}: share of frames whose interval contains the true time left; 0.8 is right.",
    ),
    **{
        f"time_left.last_{minutes}_error_minutes": (
            "minutes",
            f"The error of the time left over the frames with at most {minutes} minutes left, mean over recordings.",
        )
        for minutes in LAST_MINUTES
    },
    "time_left.tenth.*.error_minutes": (
        "minutes",
        "The error of the time left within one tenth of the procedure's time, mean over recordings.",
    ),
    "next_step.at_starts.*": (
        "fraction",
        "Share of starts of a step for which the frame before it reports the step as next: the likeliest (top_1), or "
        "one of the three likeliest (top_3).",
    ),
    "next_step.num_starts": ("starts", "Starts of a step that have a frame before them."),
    "next_step.over_frames.*": (
        "fraction",
        "Share of the frames before the last step's start that report the step that starts first after them as next: "
        "the likeliest (top_1), or one of the three likeliest (top_3).",
    ),
    "next_step.error_seconds": (
        "seconds",
        "Mean |reported - true| time until the next step starts, over frames before the last step's start.",
    ),
    "next_step.interval_coverage": (
        "fraction",
        "Share of these frames whose interval contains the true time until the next step starts; 0.8 is right.",
    ),
}


def time_left_statistics(procedure: Procedure, truth: ProcedureTruth, fps: float) -> np.ndarray:
    """Of one recording, float64 `[TIME_LEFT_STATISTICS]`; all 0 without a step.

    For the whole procedure, the last minutes and each tenth, 1 if there are such frames, then the mean errors in
    minutes; the bias; 1 if there is an interval, and the share of frames within it.
    """
    frames = np.arange(truth.first, truth.end)
    if len(frames) == 0:
        return np.zeros(TIME_LEFT_STATISTICS)
    left = (truth.end - frames - 1) / fps
    tenth = 10 * (frames - truth.first) // len(frames)
    is_last = [left <= 60 * minutes + 1e-9 for minutes in LAST_MINUTES]
    parts = np.stack([np.ones(len(frames), dtype=bool), *is_last, *(tenth == np.arange(10)[:, None])])
    numbers = parts.sum(axis=1)
    minutes = (procedure.left_seconds[frames].astype(np.float64) - left) / 60
    errors = parts @ np.abs(minutes) / np.maximum(numbers, 1)
    interval = procedure.left_interval[:, frames]
    has_interval = bool(np.isfinite(interval).all())
    covered = holds(interval, left).mean() if has_interval else 0.0
    return np.array([*(numbers > 0), *errors, minutes.mean(), has_interval, covered])


def time_left_figures(totals: np.ndarray) -> dict[str, Any]:
    """Figures, `[R]` each, from sums over recordings `[R, TIME_LEFT_STATISTICS]`; NaN where no recording counts."""
    counts, errors, (bias, intervals, covered) = np.split(totals.T, [_PARTS, 2 * _PARTS])
    with np.errstate(invalid="ignore"):
        whole, *others = errors / counts
        last, tenths = others[: len(LAST_MINUTES)], others[len(LAST_MINUTES) :]
        return {
            "error_minutes": whole,
            "bias_minutes": bias / counts[0],
            "interval_coverage": covered / intervals,
            **{f"last_{minutes}_error_minutes": error for minutes, error in zip(LAST_MINUTES, last, strict=True)},
            "tenth": {name: {"error_minutes": error} for name, error in zip(TENTHS, tenths, strict=True)},
        }


def next_step_statistics(procedure: Procedure, truth: ProcedureTruth, fps: float) -> np.ndarray:
    """Of one recording, float64 `[NEXT_STATISTICS]`: starts and those in the top k; the same of frames; errors.

    The last three are the sum of |reported - true| seconds, frames with an interval, and those within it.
    """
    starts, _, labels = truth.steps.T
    known = starts > 0
    frames = np.arange(truth.last_start)
    following = np.searchsorted(starts, frames, side="right")
    seconds = (starts[following] - frames - 1) / fps
    interval = procedure.next_interval[:, frames]
    has_interval = np.isfinite(interval).all(axis=0)
    return np.array(
        [
            *_in_top(procedure.next_probs, starts[known] - 1, labels[known]),
            *_in_top(procedure.next_probs, frames, labels[following]),
            np.abs(procedure.next_seconds[frames] - seconds).sum(),
            has_interval.sum(),
            holds(interval[:, has_interval], seconds[has_interval]).sum(),
        ]
    )


def next_step_figures(totals: np.ndarray) -> dict[str, Any]:
    """Figures, `[R]` each, from sums over recordings `[R, NEXT_STATISTICS]`; NaN where nothing counts."""
    width = 1 + len(TOP)
    at_starts, over_frames, (error, intervals, covered) = np.split(totals.T, [width, 2 * width])
    with np.errstate(invalid="ignore"):
        return {
            "at_starts": _shares(at_starts),
            "num_starts": at_starts[0],
            "over_frames": _shares(over_frames),
            "error_seconds": error / over_frames[0],
            "interval_coverage": covered / intervals,
        }


def _in_top(probs: np.ndarray, frames: np.ndarray, labels: np.ndarray) -> list[int]:
    """N, and in how many of N frames a class is among the k likeliest; `probs` are `[C, T]`, the others `[N]`.

    Of equal ones the lower class is first. What has no probability is in no top k.
    """
    given = probs[:, frames]
    own = given[labels, np.arange(len(frames))]
    is_lower = np.arange(len(probs))[:, None] < labels
    place = ((given > own) | ((given == own) & is_lower)).sum(axis=0)
    return [len(frames), *(int(((place < k) & (own > 0)).sum()) for k in TOP)]


def _shares(counts: np.ndarray) -> dict[str, np.ndarray]:
    return {f"top_{k}": found / counts[0] for k, found in zip(TOP, counts[1:], strict=True)}
