"""The rows of an annotated picture: predictions of one video, or the truth, each at its own rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import zip_longest

import numpy as np

from protas_gtcc.annotations.resampling import exact_rate
from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.errors import InputError
from protas_gtcc.predictions import Prediction, PredictionInfo

EARLY = Fraction(1, 2000)
"""Seconds that a picture counts before its time: containers round times (`video/timeline.py`)."""
TRUTH = "truth"


@dataclass(frozen=True)
class Shown:
    """What a row shows at one frame."""

    label: int
    progress: float
    """Reported progress; of the truth, the target."""
    interval: tuple[float, float] | None = None
    """Ends of the 80 % interval around it."""
    confidence: float | None = None
    """Probability of the class."""
    remaining: float | None = None
    """Seconds until the action ends, as its interval."""
    remaining_interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """A prediction of the whole video, or the truth. What is shown at a frame was reported there, not later."""

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
        """What is shown at a frame."""
        one, truth = self.prediction, self.is_truth
        remaining = one.remaining_seconds
        return Shown(
            int(one.labels[frame]),
            float(one.reported[frame]),
            None if truth else _pair(one.interval, frame),
            None if self.confidence is None else float(self.confidence[frame]),
            None if remaining is None else float(remaining[frame]),
            _pair(one.remaining_interval, frame),
        )


def require_same_classes(rows: Sequence[Row]) -> None:
    """Raise `InputError` unless all rows have the same classes: else one colour would mean two of them."""
    for row in rows[1:]:
        pairs = zip_longest(rows[0].info.class_names, row.info.class_names)
        other = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if other is not None:
            what = f"{rows[0].name} and {row.name} have other classes: {other[0]!r} where the other has {other[1]!r}"
            raise InputError(f"{what}; give models and truth of one dataset")


def _pair(ends: np.ndarray | None, frame: int) -> tuple[float, float] | None:
    return None if ends is None else (float(ends[0, frame]), float(ends[1, frame]))
