"""Whether features are as long as their labels, and what is likely to be wrong where they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

from protas_gtcc.errors import InputError, plural

LARGEST_DENOMINATOR = 30
"""Of a ratio between the usual rates: 2 for 30 and 15, 25/24, 6/5."""


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
        makes = f"{file} is {list(shapes[video])}, but its labels make {self.frames[video]:g} frames"
        ratio = self._ratio(shapes)
        if ratio is not None:
            known = [video for video in shapes if video in self.frames]
            what = (
                f"labels are {float(ratio):g} times as many as frames of features in all {plural(len(known), 'video')}"
            )
            return f"{makes}; {what}: {self._right_rate(ratio)}"
        allowed = f"and the tolerance is {self.allowed(self.frames[video])}"
        way_out = "correct --fps, extract the features again, or allow more with --tolerance-frames, up to a second"
        return f"{makes}, {allowed}; {way_out}"

    def _ratio(self, shapes: Mapping[str, tuple[int, int]]) -> Fraction | None:
        """How many times as long as their features the labels are, if that is not 1 and the same in all videos."""
        known = {video: shape for video, shape in shapes.items() if video in self.frames}
        for axis in (0, 1):
            lengths = {video: shape[axis] for video, shape in known.items()}
            if len(set(lengths.values())) < 2:
                continue
            middle = median(self.frames[video] / length for video, length in lengths.items())
            ratio = Fraction(middle).limit_denominator(LARGEST_DENOMINATOR)
            if ratio not in (0, 1) and all(self._fits_by(ratio, video, length) for video, length in lengths.items()):
                return ratio
        return None

    def _fits_by(self, ratio: Fraction, video: str, length: int) -> bool:
        expected = self.frames[video] / float(ratio)
        return abs(length - expected) <= default_tolerance(max(float(length), expected), self.fps)

    def _right_rate(self, ratio: Fraction) -> str:
        if self.fps is None:
            return "their rates differ; give both, --fps and --annotation-fps"
        if self.labels_have_own_rate:
            return f"give --fps {self.fps / float(ratio):g}, or correct --annotation-fps"
        return f"give their own rate, --annotation-fps {self.fps * float(ratio):g}, or correct --fps"


def frames_of_a_second(fps: float) -> int:
    """At least one, to which every length is rounded."""
    return max(1, math.floor(fps))
