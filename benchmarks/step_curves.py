"""Progress during one step as a curve, its figures, and wrong steps compared with right ones of the same class.

A curve is the progress at each frame of a step, `[L]`. The *usual length* of a class is the mean length of its steps in
training videos, in frames. Elapsed time is in usual lengths, so that classes can be averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINISHED = 0.95
"""Progress from which a step is reported as finished."""
FALL = 0.1
"""Progress has fallen where it is below its highest value so far by more than this."""
BAND = 0.05
"""Progress stalls while its values stay within so much of each other."""
SHARES = np.linspace(0, 1, 21)
"""Shares of a step's own length at which mean curves are drawn."""
ELAPSED = np.linspace(0, 1.5, 31)
"""Elapsed times, in usual lengths, at which mean curves are drawn."""
FIGURES = {
    "at the end": "progress at the last frame",
    "gain, first half": "progress after half the usual length less that at the first frame; steps that last so long",
    "gain, second half": "progress after the usual length less that after half of it; steps that last so long",
    "fallen": f"share of the time at which progress is more than {FALL:g} below its highest value so far",
    "longest stall": f"longest time within a band of {BAND:g}, below {FINISHED:g}; a share of the step",
    "runs on": f"share of the time at which progress is at least {FINISHED:g}, before the last frame",
    "bias": "mean of progress less true progress",
    "error": "mean of |progress - true progress|",
}
"""The figures of a curve, and what they are."""


def curve_figures(progress: np.ndarray, usual_length: float) -> dict[str, float]:
    """The `FIGURES` of a curve `[L]`; NaN for a gain over a time that the step does not last."""
    error = progress - true_progress(len(progress))
    half, whole = at_elapsed(progress, np.array([0.5, 1]), usual_length)
    values = (
        progress[-1],
        half - progress[0],
        whole - half,
        np.mean(progress < np.maximum.accumulate(progress) - FALL),
        longest_stall(progress) / len(progress),
        np.sum(progress[:-1] >= FINISHED) / len(progress),
        error.mean(),
        np.abs(error).mean(),
    )
    return dict(zip(FIGURES, map(float, values), strict=True))


def true_progress(num_frames: int) -> np.ndarray:
    """The target of a step of L frames, `[L]`: 1 / L at its first frame, 1 at its last one."""
    return np.arange(1, num_frames + 1) / num_frames


def counted_progress(num_frames: int, usual_length: float) -> np.ndarray:
    """The look-up that is given the step's start and sees nothing, `[L]`: elapsed time / usual length, at most 1."""
    return np.minimum(np.arange(1, num_frames + 1) / usual_length, 1)


def longest_stall(progress: np.ndarray) -> int:
    """Most frames in a row whose values are below `FINISHED` and within `BAND` of each other; curve `[L]`."""
    longest = begin = 0
    for end, value in enumerate(progress):
        if value >= FINISHED:
            begin = end + 1
        while begin <= end and np.ptp(progress[begin : end + 1]) > BAND:
            begin += 1
        longest = max(longest, end + 1 - begin)
    return longest


def at_shares(progress: np.ndarray) -> np.ndarray:
    """A curve `[L]` at `SHARES` of its length."""
    return np.interp(SHARES * (len(progress) - 1), np.arange(len(progress)), progress)


def at_elapsed(progress: np.ndarray, elapsed: np.ndarray, usual_length: float) -> np.ndarray:
    """A curve `[L]` at elapsed times in usual lengths, `[E]`; NaN after its last frame, the first value up to that."""
    frames = elapsed * usual_length
    return np.interp(frames, true_progress(len(progress)) * len(progress), progress, right=np.nan)


@dataclass(frozen=True, eq=False)
class Compared:
    """One figure, with everything and with one thing left out, each `[1 + J]`."""

    right: np.ndarray
    """Mean of the right steps."""
    difference: np.ndarray
    """Mean of the wrong steps less that of the right ones."""
    at_equal_length: np.ndarray
    """The same for steps of equal length."""
    num_right: int
    """How many right steps count, of classes that also have wrong ones; a step of several runs is one."""
    num_wrong: int
    """How many wrong steps count."""


def compare(
    values: np.ndarray, wrong: np.ndarray, classes: np.ndarray, lengths: np.ndarray, weights: np.ndarray
) -> Compared:
    """A figure of wrong steps less that of right ones of the same class. All are `[S]`, weights `[1 + J, S]`.

    Differences are taken within each class of which there are both, and averaged with weights n m / (n + m), for n
    wrong and m right steps: least squares with a constant for each class. For equal lengths, what the figure gains with
    the logarithm of the length, among the steps of a class that are all wrong or all right, is subtracted. Steps whose
    figure is NaN do not count; results are NaN where no class has both kinds.
    """
    known = np.isfinite(values)
    values, wrong, weights = values[known], wrong[known], weights[:, known]
    logs, members = np.log(lengths[known]), classes[known, None] == np.unique(classes[known])
    cells = [members & (wrong == kind)[:, None] for kind in (False, True)]
    count, mean, mean_log = (
        np.stack([_per_cell(weights, one, cell) for cell in cells]) for one in (None, values, logs)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(count.all(axis=0), count.prod(axis=0) / count.sum(axis=0), 0)

        def averaged(of_class: np.ndarray) -> np.ndarray:
            return np.where(share > 0, share * of_class, 0).sum(axis=1) / share.sum(axis=1)

        slope = _slope(values, logs, weights, cells)[:, None]
        difference, longer = mean[1] - mean[0], slope * (mean_log[1] - mean_log[0])
        num_right, num_wrong = (round(float(one[0, share[0] > 0].sum())) for one in count)
        return Compared(averaged(mean[0]), averaged(difference), averaged(difference - longer), num_right, num_wrong)


def _per_cell(weights: np.ndarray, values: np.ndarray | None, cell: np.ndarray) -> np.ndarray:
    """Total weight of the steps of each class, or the mean of values, `[1 + J, C]`; NaN of a class without any."""
    total = weights @ cell
    if values is None:
        return total
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (weights * values) @ cell / total, np.nan)


def _slope(values: np.ndarray, logs: np.ndarray, weights: np.ndarray, cells: list[np.ndarray]) -> np.ndarray:
    """What values gain with logs within the cells, by least squares, `[1 + J]`; 0 where lengths do not differ."""
    products = squares = np.zeros(len(weights))
    for cell in cells:
        centred, offsets = (
            one - np.nan_to_num(_per_cell(weights, one, cell)) @ cell.T for one in (logs, values)
        )  # [1 + J, S], right for the steps of the cell
        own = weights * cell.any(axis=1)
        products = products + (own * centred * offsets).sum(axis=1)
        squares = squares + (own * centred**2).sum(axis=1)
    return np.where(squares > 1e-12, products / np.where(squares > 1e-12, squares, 1), 0)
