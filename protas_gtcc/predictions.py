"""A model's result for a video, or for the next frames of a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from protas_gtcc.errors import InputError, plural

if TYPE_CHECKING:
    from protas_gtcc.procedure.result import Procedure

INTERVAL_COLUMNS = ["progress_low", "progress_high"]
"""Names of the interval's ends in tables and lines."""
REMAINING_COLUMNS = ["remaining_low_seconds", "remaining_high_seconds"]
"""The same of the interval of the remaining time."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one video, or for the new frames of a stream."""

    labels: np.ndarray
    """Predicted class ids, int64 `[T]`."""
    probs: np.ndarray | None
    """Class probabilities, float32 `[C, T]`; None in prediction files without them."""
    progress: np.ndarray | None
    """Progress of every class, given that it is going on, float32 `[C, T]` in [0, 1]; None in prediction files without
    it."""
    reported: np.ndarray
    """Reported progress, float32 `[T]` in [0, 1]. With a duration filter, the value with the least expected error over
    all classes, where background counts as 0; else progress of the predicted class, 0 where that is background."""
    interval: np.ndarray | None = None
    """Lower and upper end of the reported progress, float32 `[2, T]`, which contain it; None without a duration filter.
    `certainty` in metrics.json has the share of frames whose true progress lies inside."""
    remaining_seconds: np.ndarray | None = None
    """Median of the remaining time of the predicted class, float32 `[T]`; None without a duration filter."""
    remaining_interval: np.ndarray | None = None
    """Lower and upper end of that time, which contain it, in seconds, float32 `[2, T]`; None without a filter."""
    task_probs: np.ndarray | None = None
    """Probability of each task, in the order of `TrainedModel.tasks`, float32 `[K, T]`; None where a model knows fewer
    than two tasks, or has no filter."""
    procedure: Procedure | None = None
    """What is done, next and missing, and how long it still takes; None for a model that has not learnt procedures."""

    @property
    def progress_low(self) -> np.ndarray | None:
        """The interval's lower end, float32 `[T]`; None without an interval."""
        return None if self.interval is None else self.interval[0]

    @property
    def progress_high(self) -> np.ndarray | None:
        """The interval's upper end, float32 `[T]`; None without an interval."""
        return None if self.interval is None else self.interval[1]

    @property
    def probability(self) -> np.ndarray:
        """Probability of the predicted class, float32 `[T]`; NaN without probabilities."""
        if self.probs is None:
            return np.full(len(self.labels), np.nan, dtype=np.float32)
        return self.probs[self.labels, np.arange(len(self.labels))]

    def at(self, t: int) -> Prediction:
        """The prediction for frame t alone, T = 1."""
        values = {name: getattr(self, name) for name in ("labels", "reported", *CHANNELS)}
        arrays = {name: one[..., t : t + 1] for name, one in values.items() if one is not None}
        return dataclasses.replace(self, **arrays, procedure=self.procedure and self.procedure.at(t))

    def __repr__(self) -> str:
        num_frames = len(self.labels)
        if not num_frames:
            return "Prediction: 0 frames"
        num_segments = 1 + int(np.count_nonzero(np.diff(self.labels)))
        num_classes = len(np.unique(self.labels))
        known = plural(num_classes, "class") if self.probs is None else f"{num_classes} of {len(self.probs)} classes"
        return (
            f"Prediction: {plural(num_frames, 'frame')} in {plural(num_segments, 'segment')}, {known}, "
            f"reported progress {self.reported.min():.2f} to {self.reported.max():.2f}"
        )


SMALL = 1e-4
"""How far a value may be out of its range: what rounding makes of it."""
PROBABILITY_LOST = 0.02
"""How far the probabilities of a frame may be from a sum of 1: rounded to three digits, those of 40 classes are."""

CHANNELS: dict[str, tuple[str, tuple[int, ...]]] = {
    "probs": ("[C, T]", (-1,)),
    "progress": ("[C, T]", (-1,)),
    "interval": ("[2, T]", (2,)),
    "remaining_seconds": ("[T]", ()),
    "remaining_interval": ("[2, T]", (2,)),
    "task_probs": ("[K, T]", (-1,)),
}
"""The optional fields of a prediction and their axes; -1 is any size."""


@dataclass(frozen=True)
class Extractor:
    """What made features from pictures: `extract` writes it, and datasets, checkpoints and predictions keep it."""

    backbone: str = ""
    """Name of the backbone; "" if it is not known."""
    fingerprint: str = ""
    """A short hash of its weights and of how pictures are scaled for it."""
    fps: float = 0.0
    """Frames per second at which pictures were taken."""

    def __bool__(self) -> bool:
        """Whether it is known."""
        return bool(self.backbone)

    def __str__(self) -> str:
        return f"{self.backbone} ({self.fingerprint}) at {self.fps:g} fps" if self else "an unknown backbone"

    def has_backbone_of(self, other: Extractor) -> bool:
        """Whether both have the same backbone, weights and scaling; at any rate."""
        return (self.backbone, self.fingerprint) == (other.backbone, other.fingerprint)


@dataclass(frozen=True)
class PredictionInfo:
    """Facts that predictions share: class names and background ids of their labels, frames per second."""

    class_names: list[str]
    background: list[int]
    fps: float
    simulated: bool = False
    """The videos are simulated procedures, or the model was trained on simulated procedures only."""
    extractor: Extractor = field(default_factory=Extractor)
    """What made the features of the model's training, where it is known."""
    tasks: list[str] = field(default_factory=list)
    """Names of the tasks that the model knows, in the order of `Prediction.task_probs`; none if not known."""

    def simulated_note(self, has_truth: bool) -> str:
        """What a picture of a video notes of that; "" if nothing is simulated.

        With the true labels of the videos, `simulated` is that of their dataset. Without, the model's is all that is
        known: the video may be a real one.
        """
        note = "SIMULATED video" if has_truth else "model trained on SIMULATED data"
        return note if self.simulated else ""


def reported_progress(progress: np.ndarray, labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Progress of the selected class: progress `[C, T]`, class ids `[T]` -> float32 `[T]`, background 0."""
    selected = progress[labels, np.arange(len(labels))].clip(0, 1)
    return np.where(np.isin(labels, list(background)), 0, selected).astype(np.float32)


def checked(prediction: Prediction, where: str, num_classes: int | None = None) -> Prediction:
    """The prediction with the documented types; `num_classes` is None where the classes are not known.

    Raises `InputError`, which starts with `where`, if it is not valid: labels beyond the classes, values out of range.
    """
    labels, reported = prediction.labels, prediction.reported
    if labels.ndim != 1 or labels.shape != reported.shape:
        raise InputError(f"{where}: labels are {labels.shape}, progress is {reported.shape}; expected equal [T]")
    labels = checked_labels(labels, where, num_classes)
    frame = _first(~((reported >= 0) & (reported <= 1)))
    if frame is not None:
        raise InputError(f"{where}, frame {frame}: progress is {reported[frame]:g}; expected a fraction from 0 to 1")
    for kind, (axes, shape) in CHANNELS.items():
        channels = getattr(prediction, kind)
        if channels is None:
            continue
        sizes = (*shape, len(labels))
        if channels.ndim != len(sizes) or any(a not in (-1, b) for a, b in zip(sizes, channels.shape, strict=True)):
            raise InputError(f"{where}: {kind} is {channels.shape}; expected {axes} with T = {len(labels)}")
        if not np.isfinite([channels.min(initial=0), channels.max(initial=0)]).all():  # NaN is in both
            first = int(np.argmin(np.isfinite(np.atleast_2d(channels)).all(axis=0)))
            raise InputError(f"{where}, frame {first}: {kind} is not finite; expected numbers")
    _check_channels(prediction, where, num_classes)
    _check_filtered(prediction, where)
    return dataclasses.replace(prediction, labels=labels, reported=reported.astype(np.float32))


def _check_channels(prediction: Prediction, where: str, num_classes: int | None) -> None:
    for kind in ("probs", "progress", "task_probs"):
        channels = getattr(prediction, kind)
        if channels is None:
            continue
        expected = len(channels) if num_classes is None or kind == "task_probs" else num_classes
        if len(channels) != expected:
            raise InputError(f"{where}: {kind} has {len(channels)} classes; expected {num_classes}")
        if channels.min(initial=0) < -SMALL or channels.max(initial=0) > 1 + SMALL:
            wrong = (channels < -SMALL) | (channels > 1 + SMALL)
            first = int(np.argmax(wrong.any(axis=0)))
            value = channels[np.argmax(wrong[:, first]), first]
            raise InputError(f"{where}, frame {first}: {kind} has {value:g}; expected values from 0 to 1")
    for kind in ("probs", "task_probs"):
        if getattr(prediction, kind) is not None:
            total = getattr(prediction, kind).sum(axis=0)
            frame = _first(np.abs(total - 1) > PROBABILITY_LOST)
            if frame is not None:
                raise InputError(f"{where}, frame {frame}: {kind} sum to {total[frame]:g}; expected about 1")


def _check_filtered(prediction: Prediction, where: str) -> None:
    if prediction.interval is not None:
        low, high = prediction.interval
        frame = _first(~((low >= 0) & (low <= high) & (high <= 1)))
        if frame is not None:
            ends = f"{low[frame]:g} to {high[frame]:g}"
            raise InputError(f"{where}, frame {frame}: the interval is {ends}; expected ends in [0, 1]")
    seconds = prediction.remaining_seconds
    frame = None if seconds is None else _first(seconds < 0)
    if seconds is not None and frame is not None:
        raise InputError(f"{where}, frame {frame}: {seconds[frame]:g} seconds remain; expected at least 0")
    if prediction.remaining_interval is not None:
        low, high = prediction.remaining_interval
        frame = _first(~((low >= 0) & (low <= high)))
        if frame is not None:
            ends = f"{low[frame]:g} to {high[frame]:g}"
            raise InputError(f"{where}, frame {frame}: {ends} seconds remain; expected ends from 0 on, in order")


def _first(wrong: np.ndarray) -> int | None:
    """The first wrong frame; None if there is none."""
    return int(np.argmax(wrong)) if wrong.any() else None


def checked_labels(labels: np.ndarray, where: str, num_classes: int | None = None) -> np.ndarray:
    """Class ids `[T]` as int64. Raises `InputError`, which starts with `where`, if one is not a class id."""
    frame = _first(~(np.isfinite(labels) & (labels == np.floor(labels)) & (labels >= 0)))
    if frame is not None:
        raise InputError(f"{where}, frame {frame}: the label is not a class id; expected a whole number from 0 on")
    frame = None if num_classes is None else _first(labels >= num_classes)
    if frame is not None:
        what = f"the label is {labels[frame]:g}, the classes are 0 to {num_classes - 1 if num_classes else 0}"
        raise InputError(f"{where}, frame {frame}: {what}; expected one of them")
    return labels.astype(np.int64)
