"""A model's result for a video, or for the next frames of a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from protas_gtcc.errors import plural
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

    @classmethod
    def joined(cls, parts: Sequence[Prediction]) -> Prediction:
        """Those of frames that follow each other, or of several streams, as one; all with the same fields."""
        if len(parts) == 1:
            return parts[0]
        names = [name for name in ("labels", "reported", *CHANNELS) if getattr(parts[0], name) is not None]
        arrays = {name: np.concatenate([getattr(one, name) for one in parts], axis=-1) for name in names}
        procedures = [one.procedure for one in parts if one.procedure is not None]
        return dataclasses.replace(parts[0], **arrays, procedure=Procedure.joined(procedures) if procedures else None)

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
class JoinedSet:
    """One of the feature sets that are joined along D for a model; as text `hands (42)`."""

    name: str
    """Its name in the dataset file."""
    dim: int
    extractor: Extractor = field(default_factory=Extractor)
    """What made it of the pictures, where that is known."""

    def __str__(self) -> str:
        return f"{self.name} ({self.dim})"


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
    class_colours: list[str] = field(default_factory=list)
    """Of each class, as the dataset has them; none in files of earlier versions."""
    lag_seconds: float = 0.0
    """How much later than its features a frame is reported; inf once the whole video is known."""

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
