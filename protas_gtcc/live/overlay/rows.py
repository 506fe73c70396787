"""The rows of an annotated picture: predictions of one video, or the truth, each at its own rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from protas_gtcc.annotations.palette import known_colours
from protas_gtcc.annotations.resampling import exact_rate
from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.errors import InputError, listed
from protas_gtcc.predictions import Prediction, PredictionInfo

EARLY = Fraction(1, 2000)
"""Seconds that a picture counts before its time: containers round times (`video/timeline.py`)."""
TRUTH = "truth"


@dataclass(frozen=True)
class Shown:
    """What a row shows at one frame."""

    label: int
    progress: float
    """Reported progress; of the truth, the target; 0 in background."""
    interval: tuple[float, float] | None = None
    """Ends of the 80 % interval around it."""
    confidence: float | None = None
    """Probability of the class."""
    remaining: float | None = None
    """Seconds until the action ends, as its interval."""
    remaining_interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """A prediction of the whole video, or the truth. What is shown at a frame was reported then; with a lag, for it."""

    name: str
    prediction: Prediction
    info: PredictionInfo
    is_truth: bool = False
    confidence: np.ndarray | None = None
    """Probability of the predicted class, float32 `[T]`."""

    @classmethod
    def of(cls, name: str, prediction: Prediction, info: PredictionInfo) -> Row:
        """The row of a prediction, without what it does not show: `[C, T]` of a long video are much."""
        confidence = None if prediction.probs is None else prediction.probability
        return cls(name, dataclasses.replace(prediction, probs=None, progress=None), info, confidence=confidence)

    @classmethod
    def of_truth(cls, labels: np.ndarray, info: PredictionInfo, name: str = TRUTH) -> Row:
        """The row of the true labels `[T]`."""
        return cls(name, Prediction(labels, None, None, progress_target(labels, info.background)), info, is_truth=True)

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.prediction.labels)

    @property
    def seconds(self) -> Fraction:
        """From the first frame to the end of the last one."""
        return self.num_frames / self.rate

    @cached_property
    def rate(self) -> Fraction:
        """Frames a second."""
        return exact_rate(self.info.fps)

    @cached_property
    def segments(self) -> np.ndarray:
        """Start, end and class id of each segment, in frames, int64 `[N, 3]`."""
        return segment_array(self.prediction.labels)

    def frame_at(self, seconds: Fraction) -> int:
        """The newest frame at a time from the first picture; the last one beyond the end."""
        return min(int((seconds + EARLY) * self.rate), self.num_frames - 1)

    def shown(self, frame: int) -> Shown:
        """What is shown at a frame; of background, neither progress nor time that is left."""
        one, label = self.prediction, int(self.prediction.labels[frame])
        confidence = None if self.confidence is None else float(self.confidence[frame])
        if label in self.info.background:
            return Shown(label, 0.0, confidence=confidence)
        remaining = one.remaining_seconds
        return Shown(
            label,
            float(one.reported[frame]),
            None if self.is_truth else _pair(one.interval, frame),
            confidence,
            None if remaining is None else float(remaining[frame]),
            _pair(one.remaining_interval, frame),
        )


def with_shared_classes(rows: Sequence[Row]) -> list[Row]:
    """The rows with one list of classes, by their names: one colour means one class.

    Raises `InputError` if a row has no action of the first one, or an action is background in another row.
    """
    in_order = sorted(rows, key=lambda row: row.is_truth)  # colours are those of the model's report
    colours = {name: colour for row in reversed(in_order) for name, colour in _colours(row.info).items()}
    names = list(dict.fromkeys(name for row in in_order for name in row.info.class_names))
    background = {row.info.class_names[label] for row in rows for label in row.info.background}
    number = {name: label for label, name in enumerate(names)}
    for row in rows:
        _require_shared(row, rows[0], background)
    ids = [number[name] for name in sorted(background)]
    shared = []
    for row in rows:
        labels = np.array([number[name] for name in row.info.class_names])[row.prediction.labels]
        prediction = dataclasses.replace(row.prediction, labels=labels)
        info = dataclasses.replace(
            row.info, class_names=names, background=ids, class_colours=[colours[name] for name in names]
        )
        shared.append(dataclasses.replace(row, prediction=prediction, info=info))
    return shared


def _require_shared(row: Row, first: Row, background: set[str]) -> None:
    actions = _actions(row)
    both = sorted(actions & background)
    if both or not actions & _actions(first):
        what = f"{both[0]!r} is background in one alone" if both else f"{listed(sorted(actions))} is in one alone"
        raise InputError(f"{first.name} and {row.name} have other classes: {what}; give those of one dataset")


def _colours(info: PredictionInfo) -> dict[str, str]:
    known = known_colours(info.class_colours, len(info.class_names), info.background)
    return dict(zip(info.class_names, known, strict=True))


def _actions(row: Row) -> set[str]:
    return set(row.info.class_names) - {row.info.class_names[label] for label in row.info.background}


def _pair(ends: np.ndarray | None, frame: int) -> tuple[float, float] | None:
    return None if ends is None else (float(ends[0, frame]), float(ends[1, frame]))
