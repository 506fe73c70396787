"""Whether features are as long as their labels, and what is likely to be wrong where they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

from protas_gtcc.errors import InputError, plain, plural

LARGEST_DENOMINATOR = 30
"""Of a ratio between the usual rates: 2 for 30 and 15, 25/24, 6/5."""
_USUAL_RATES = (1, 2, 5, 10, 12, 12.5, 15, 20, 24, 25, 30, 50, 60, 100, 120)
"""Frames per second of cameras and features, 29.97 as 30."""


def default_tolerance(num_frames: float, fps: float | None = None) -> int:
    """How many frames features and labels may differ in length: 2 or 0.5 %, whichever is more, within a second.

    Extractors round a video's length in their own way and lose a frame or two at its end. They lose more if they
    convert frame rates (29.97 and 30 differ by 0.1 %). A larger difference shifts labels visibly. Without `fps`, the
    second is not known.
    """
    allowed = max(2, math.ceil(0.005 * num_frames))
    return allowed if fps is None else min(allowed, frames_of_a_second(fps))


@dataclass(frozen=True)
class ExpectedLengths:
    """The number of frames that the labels of each video make, and how far features may be from it."""

    frames: Mapping[str, float]
    tolerance_frames: int | None = None
    """None for the default. Raises `InputError` if it is more than a second."""
    fps: float | None = None
    """Frames per second of the features, the lowest rate if they differ; None if it is unknown."""
    labels_have_own_rate: bool = False
    """Whether labels have a rate of their own, or that of the features."""

    def __post_init__(self) -> None:
        if self.fps and self.tolerance_frames and self.tolerance_frames > frames_of_a_second(self.fps):
            what = f"--tolerance-frames {self.tolerance_frames} is more than a second at {self.fps:g} frames per second"
            way_out = "labels would be shifted; correct --fps or --annotation-fps, or extract the features again"
            raise InputError(f"{what}: {way_out}")

    def allowed(self, num_frames: float) -> int:
        """The largest difference from a number of frames."""
        return default_tolerance(num_frames, self.fps) if self.tolerance_frames is None else self.tolerance_frames

    def fits(self, video: str, length: int) -> bool:
        """Whether a video's number of frames equals the expected one within the tolerance."""
        expected = self.frames[video]
        return abs(length - expected) <= self.allowed(max(float(length), expected))

    def explain(self, file: Path, video: str, shapes: Mapping[str, tuple[int, int]]) -> str:
        """The message about a video's file whose array does not fit; `shapes` are those of all videos."""
        makes = f"{file} is {list(shapes[video])}, but its labels make {self.frames[video]:.8g} frames"
        ratio = self._ratio(shapes)
        if ratio is not None:
            known = [video for video in shapes if video in self.frames]
            where = f"all {plural(len(known), 'video')}" if len(known) > 1 else "the only video"
            what = f"labels are {float(ratio):g} times as many as frames of features in {where}"
            return f"{makes}; {what}: {self._way_out(ratio)}"
        allowed = f"and the tolerance is {self.allowed(self.frames[video])}"
        off = min(abs(length - self.frames[video]) for length in shapes[video])
        if self.fps and off > frames_of_a_second(self.fps):
            return f"{makes}, {allowed}; correct --fps, or extract the features again"
        way_out = "correct --fps, extract the features again, or allow more with --tolerance-frames, up to a second"
        return f"{makes}, {allowed}; {way_out}"

    def _ratio(self, shapes: Mapping[str, tuple[int, int]]) -> Fraction | None:
        """How many times as long as their features the labels are, if that is not 1 and the same in all videos.

        Either axis may be time; the ratio that fits best is taken. Where all videos have one length, some ratio always
        fits nearly, so it must lead to a usual rate.
        """
        found: dict[Fraction, float] = {}
        for axis in (0, 1):
            lengths = {video: shape[axis] for video, shape in shapes.items() if video in self.frames}
            middle = median(self.frames[video] / length for video, length in lengths.items())
            ratio = Fraction(middle).limit_denominator(LARGEST_DENOMINATOR)
            if ratio in (0, 1) or not all(self._fits_by(ratio, *one) for one in lengths.items()):
                continue
            if len(set(lengths.values())) > 1 or self._is_usual(ratio):
                found[ratio] = abs(middle / float(ratio) - 1)
        return min(found, key=found.__getitem__, default=None)

    def _is_usual(self, ratio: Fraction) -> bool:
        if self.fps is None:
            return 1 in ratio.as_integer_ratio()
        return any(math.isclose(self._right_rate(ratio), rate, rel_tol=2e-3) for rate in _USUAL_RATES)

    def _fits_by(self, ratio: Fraction, video: str, length: int) -> bool:
        expected = self.frames[video] / float(ratio)
        return abs(length - expected) <= default_tolerance(max(float(length), expected), self.fps)

    def _right_rate(self, ratio: Fraction) -> float:
        """Of the features if labels have their own rate, else of the labels."""
        fps = Fraction(self.fps or 1)
        return float(fps / ratio if self.labels_have_own_rate else fps * ratio)

    def _way_out(self, ratio: Fraction) -> str:
        if self.fps is None:
            return "their rates differ; give both, --fps and --annotation-fps"
        rate = plain(self._right_rate(ratio))
        if self.labels_have_own_rate:
            return f"give --fps {rate}, or correct --annotation-fps"
        return f"give their own rate, --annotation-fps {rate}, or correct --fps"


def frames_of_a_second(fps: float) -> int:
    """At least one, to which every length is rounded."""
    return max(1, math.floor(fps))
