"""Progress errors: |reported - target| in every average in use, and how they compare with a constant.

Over frames whose true class is an action:

- `per_class[c]`: mean over the frames of true class c; `macro`: mean of these over the classes that occur.
- `frame`: mean over all action frames, pooled.
- `video`: mean over videos of the video's mean (the field's action-level OGPE); videos without an action do not count.
- `segment`: mean over true action segments of the segment's mean.

Over background frames, whose target is 0, and over all frames:

- `background`: mean progress reported at true background frames.
- `all_frames`: mean error over all frames.
- `r2`: 1 - SSE / SST over all frames. SSE sums the squared errors, SST the squared distances of the targets from their
  mean over the same frames.
- `skill`: (E_const - E) / (E_const - E_true). The errors are `all_frames`: E of the predictor, E_const of the best
  constant, E_true of the best per-class look-up given the true segments.

A class that occurs in no test video has no figure, here NaN, and no part in `macro`. Averages over nothing are NaN.
So are `r2` where the targets do not vary, and skill where the look-up is not better than the constant.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.segmentation import is_action

AVERAGES = ("macro", "frame", "video", "segment", "all_frames")
"""Averages of the error: all but the last are over action frames."""
SCALARS = (
    *("video", "videos", "segment", "segments", "background", "background_frames"),
    *("squared_error", "target", "squared_target"),
)
"""Statistics beside the two for each class: see `progress_statistics`."""
NUM_SCALARS = len(SCALARS)
_ERROR = "Mean |reported - true progress|"
_FIGURES = {
    "macro": ("fraction", f"{_ERROR} over the frames of a true action class, mean over classes."),
    "frame": ("fraction", f"{_ERROR} over all frames of true actions."),
    "video": ("fraction", f"{_ERROR} over a video's frames of true actions, mean over videos."),
    "segment": ("fraction", f"{_ERROR} over a true action segment, mean over segments."),
    "all_frames": ("fraction", f"{_ERROR} over all frames; true progress is 0 in the background."),
    "r2": (
        "at most 1",
        "1 - SSE / SST over all frames, true progress 0 in the background: below 0 if worse than the mean.",
    ),
    "skill": (
        "0 to 1, or beyond",
        "(E_const - E) / (E_const - E_true), errors over all frames: of the best constant (the median of the training "
        "frames' true progress), of the predictor, and of the best per-class look-up given the true segments. 0: no "
        "better than a constant; 1: as good as counting with class and start given.",
    ),
    "per_class.*": ("fraction", f"{_ERROR} over the frames of a true action class."),
}
DEFINITIONS = {
    **{f"progress.*.{name}": definition for name, definition in _FIGURES.items()},
    **{f"baselines.*.*.{name}": definition for name, definition in _FIGURES.items()},
    "progress.background_false_progress": ("fraction", "Mean progress reported at true background frames; 0 is right."),
}
Averages = dict[str, np.ndarray]
"""Progress errors, fractions, by the names above: `per_class` `[R, C]`, the others `[R]`; NaN where undefined."""


def progress_statistics(
    reported: np.ndarray, reference: np.ndarray, num_classes: int, background: Collection[int]
) -> np.ndarray:
    """Sums and counts of one video for P predictors at once: float64 `[P, 2 C + NUM_SCALARS]`.

    `reported` is `[P, T]` in [0, 1], `reference` the true class ids `[T]`. In order: error summed over the
    frames of each class `[C]`, frames of each class `[C]`, mean error of the video, whether it has one,
    segment mean errors summed, number of segments, progress summed over background frames, number of these; over
    all frames squared errors, targets and squared targets summed. Raises `InputError` if shapes differ, there are no
    frames, or a reported progress is NaN.
    """
    _check(reported, reference)
    segments = segment_array(reference)
    lengths, labels = segments[:, 1] - segments[:, 0], segments[:, 2]
    actions = is_action(labels, background)
    target = progress_target(reference, background)
    error = np.abs(reported - target)
    # Every sum that follows is over whole segments, so frames are visited once.
    errors = np.add.reduceat(error, segments[:, 0], axis=1, dtype=np.float64)
    action_errors, action_lengths = errors[:, actions], lengths[actions]
    statistics = np.zeros((len(reported), 2 * num_classes + NUM_SCALARS))
    one_hot = labels[actions][:, None] == np.arange(num_classes)
    statistics[:, :num_classes] = action_errors @ one_hot
    statistics[:, num_classes : 2 * num_classes] = action_lengths @ one_hot
    num_frames = action_lengths.sum()
    statistics[:, 2 * num_classes] = action_errors.sum(axis=1) / max(num_frames, 1)
    statistics[:, 2 * num_classes + 1] = num_frames > 0
    statistics[:, 2 * num_classes + 2] = (action_errors / action_lengths).sum(axis=1)
    statistics[:, 2 * num_classes + 3] = len(action_lengths)
    # The background's target is 0, so its error is what is falsely reported there.
    statistics[:, 2 * num_classes + 4] = errors[:, ~actions].sum(axis=1)
    statistics[:, 2 * num_classes + 5] = lengths[~actions].sum()
    statistics[:, 2 * num_classes + 6] = np.einsum("pt,pt->p", error, error, dtype=np.float64)
    statistics[:, 2 * num_classes + 7] = target.sum(dtype=np.float64)
    statistics[:, 2 * num_classes + 8] = np.square(target, dtype=np.float64).sum()
    return statistics


def progress_averages(totals: np.ndarray, num_classes: int) -> Averages:
    """Averages from R sums of statistics over videos, `[R, 2 C + NUM_SCALARS]`; all but `skill`."""
    errors, frames = totals[:, :num_classes], totals[:, num_classes : 2 * num_classes]
    total = dict(zip(SCALARS, totals[:, 2 * num_classes :].T, strict=True))
    num_frames = frames.sum(axis=1) + total["background_frames"]
    with np.errstate(invalid="ignore"):
        per_class = errors / frames
        occurs = frames > 0
        return {
            "macro": np.where(occurs, per_class, 0).sum(axis=1) / occurs.sum(axis=1),
            "frame": errors.sum(axis=1) / frames.sum(axis=1),
            "video": total["video"] / total["videos"],
            "segment": total["segment"] / total["segments"],
            "all_frames": (errors.sum(axis=1) + total["background"]) / num_frames,
            "r2": _r_squared(total, num_frames),
            "per_class": per_class,
            "background": total["background"] / total["background_frames"],
        }


def skill(error: np.ndarray, of_constant: np.ndarray, given_truth: np.ndarray) -> np.ndarray:
    """Skill of errors over all frames, `[R]` each; NaN where the look-up given the truth is not below the constant."""
    distance = of_constant - given_truth
    return np.where(distance > 0, (of_constant - error) / np.where(distance > 0, distance, 1), np.nan)


def _r_squared(total: dict[str, np.ndarray], num_frames: np.ndarray) -> np.ndarray:
    about_mean = total["squared_target"] - total["target"] ** 2 / num_frames
    # Targets that are all equal have a spread of rounding errors only.
    varies = about_mean > 1e-9 * total["squared_target"]
    return np.where(varies, 1 - total["squared_error"] / np.where(varies, about_mean, 1), np.nan)


def _check(reported: np.ndarray, reference: np.ndarray) -> None:
    if reference.ndim != 1 or len(reference) == 0:
        raise InputError(f"true labels have shape {reference.shape}; expected [T] with at least one frame")
    if reported.ndim != 2 or reported.shape[1] != len(reference):
        raise InputError(f"reported progress has shape {reported.shape}; expected [P, T] with T = {len(reference)}")
    if np.isnan(reported).any():
        predictor, frame = np.argwhere(np.isnan(reported))[0]
        raise InputError(f"reported progress of predictor {predictor} is NaN at frame {frame}; expected a number")
