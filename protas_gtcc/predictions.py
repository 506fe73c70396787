"""What a model says of a video, or of the next frames of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError

INTERVAL_COLUMNS = ["progress_low", "progress_high"]
"""What the ends of the interval are called in tables and lines."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One video's prediction, or the new frames of a stream."""

    labels: np.ndarray
    """Predicted class ids, int64 `[T]`."""
    probs: np.ndarray | None
    """Class probabilities, float32 `[C, T]`; None in files of programs that do not say."""
    progress: np.ndarray | None
    """Progress of every class, given that it is going on, float32 `[C, T]` in [0, 1]; None in files of programs that
    do not say. That of the predicted class is what is reported; a filter's hedge draws it to others' progress."""
    reported: np.ndarray
    """Progress of the predicted class, float32 `[T]` in [0, 1]; 0 where that is background."""
    interval: np.ndarray | None = None
    """Between which two values the progress lies, float32 `[2, T]`; 0 in the background. Meant to hold it at 80 % of
    frames at the default `--interval-tail`; `certainty` in metrics.json says at how many it does."""
    remaining_seconds: np.ndarray | None = None
    """How long the predicted class is still expected to go on, float32 `[T]`. Both None without a duration filter."""

    @property
    def progress_low(self) -> np.ndarray | None:
        """The interval's lower end, float32 `[T]`; None where there is none."""
        return None if self.interval is None else self.interval[0]

    @property
    def progress_high(self) -> np.ndarray | None:
        """The interval's upper end, float32 `[T]`; None where there is none."""
        return None if self.interval is None else self.interval[1]

    @property
    def probability(self) -> np.ndarray:
        """Probability of the predicted class, float32 `[T]`; NaN where probabilities are not known."""
        if self.probs is None:
            return np.full(len(self.labels), np.nan, dtype=np.float32)
        return self.probs[self.labels, np.arange(len(self.labels))]


CHANNELS: dict[str, tuple[str, tuple[int, ...]]] = {
    "probs": ("[C, T]", (-1,)),
    "progress": ("[C, T]", (-1,)),
    "interval": ("[2, T]", (2,)),
    "remaining_seconds": ("[T]", ()),
}
"""What need not be known of a video, and its axes; of any size where it says -1."""


@dataclass(frozen=True)
class PredictionInfo:
    """What predictions are of: class names and background ids of their labels, frames per second."""

    class_names: list[str]
    background: list[int]
    fps: float
    simulated: bool = False
    """The videos are simulated procedures, or the model has seen nothing else."""


def reported_progress(progress: np.ndarray, labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Progress of the selected class: progress `[C, T]`, class ids `[T]` -> float32 `[T]`, background 0."""
    selected = progress[labels, np.arange(len(labels))].clip(0, 1)
    return np.where(np.isin(labels, list(background)), 0, selected).astype(np.float32)


def checked(prediction: Prediction, where: str) -> Prediction:
    """The prediction in its proper types, or `InputError`, which begins with `where`, for what cannot be one."""
    labels, reported = prediction.labels, prediction.reported
    if labels.ndim != 1 or labels.shape != reported.shape:
        raise InputError(f"{where}: labels are {labels.shape}, progress is {reported.shape}; expected equal [T]")
    labels = checked_labels(labels, where)
    wrong = ~((reported >= 0) & (reported <= 1))
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise InputError(f"{where}, frame {frame}: progress is {reported[frame]:g}; expected a fraction from 0 to 1")
    for kind, (axes, shape) in CHANNELS.items():
        channels = getattr(prediction, kind)
        if channels is None:
            continue
        expected = (*shape, len(labels))
        fits = channels.ndim == len(expected) and all(
            a in (-1, b) for a, b in zip(expected, channels.shape, strict=True)
        )
        if not fits:
            raise InputError(f"{where}: {kind} is {channels.shape}; expected {axes} with T = {len(labels)}")
        if not np.isfinite(channels).all():
            frame = int(np.argmax(~np.isfinite(np.atleast_2d(channels)).all(axis=0)))
            raise InputError(f"{where}, frame {frame}: {kind} is not finite")
    _check_told(prediction, where)
    return dataclasses.replace(prediction, labels=labels, reported=reported.astype(np.float32))


def _check_told(prediction: Prediction, where: str) -> None:
    if prediction.interval is not None:
        low, high = prediction.interval
        wrong = ~((low >= 0) & (low <= high) & (high <= 1))
        if wrong.any():
            frame = int(np.argmax(wrong))
            raise InputError(
                f"{where}, frame {frame}: the interval is {low[frame]:g} to {high[frame]:g}; not in [0, 1]"
            )
    if prediction.remaining_seconds is not None and (prediction.remaining_seconds < 0).any():
        frame = int(np.argmax(prediction.remaining_seconds < 0))
        raise InputError(
            f"{where}, frame {frame}: {prediction.remaining_seconds[frame]:g} seconds remain; at least 0 can"
        )


def checked_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Class ids `[T]` as int64, or `InputError`, which begins with `where`, for what cannot be one."""
    if labels.dtype.kind == "f":
        wrong = ~(np.isfinite(labels) & (labels == np.floor(labels)) & (labels >= 0))
    else:
        wrong = labels < 0
    if wrong.any():
        raise InputError(f"{where}, frame {int(np.argmax(wrong))}: the label is not a class id")
    return labels.astype(np.int64)
