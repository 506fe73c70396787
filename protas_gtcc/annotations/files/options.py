"""What a user states about annotation files, because they do not."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from protas_gtcc.annotations.resampling import exact_rate, require_rate
from protas_gtcc.errors import InputError

Overlaps = Literal["latest", "earliest", "refuse"]
OpenEvents = Literal["end", "drop", "refuse"]


@dataclass(frozen=True)
class AnnotationOptions:
    """What a user states about files of annotation tools. Raises `InputError` for rates and scales that are none."""

    tier: tuple[str, ...] | None = None
    """Tiers to take: of ELAN, subjects of BORIS. Several become one. Default: the only one that is no sub-tier."""
    annotator: tuple[str, ...] | None = None
    """Whose annotations to take where a video has several annotators; of several names, the first that the video has.
    Videos with one annotator keep theirs. Observations of BORIS count as annotators where a video has several."""
    annotator_folders: bool = False
    """The first folder in the path of a file names its annotator: anna/tea.eaf, ben/tea.eaf."""
    overlaps: Overlaps | None = None
    """Which of several segments at one time counts: the one that began latest, or earliest; or refuse the file.
    Overlaps are counted. Default: latest. A table of segments in seconds that 'prepare' reads is refused."""
    open_events: OpenEvents = "end"
    """A start without a stop: end it with its video, drop it, or refuse the file. They are counted."""
    counted_fps: float | None = None
    """Frames per second by which the file counts, if it has frames in place of times: MS-TCN text, tables of frames,
    Label Studio."""
    first_frame: Literal[0, 1] | None = None
    """Number of the first frame in a file that counts frames. Default: 1 for Label Studio, else 0."""
    end_frame: Literal["inclusive", "exclusive"] | None = None
    """Whether the last frame that a file gives belongs to the segment. Default: inclusive for Label Studio, else
    exclusive."""
    time_scale: float = 1.0
    """Multiply all times: 25/24.97 where the tool took a video of 24.97 frames per second for one of 25."""
    details: bool = False
    """Modifiers of BORIS and descriptions of Vidat become a part of the label, 'cut: onion'."""

    def __post_init__(self) -> None:
        if self.counted_fps is not None:
            require_rate(self.counted_fps)
        if not 0.01 <= self.time_scale <= 100:
            raise InputError(f"--time-scale is {self.time_scale:g}; give a factor near 1, such as 25/24.97")

    @property
    def scale(self) -> Fraction:
        """The factor of times, as exactly as it was meant."""
        return Fraction(self.time_scale).limit_denominator(10_000_000)


@dataclass(frozen=True)
class FrameCounting:
    """How a file counts frames."""

    fps: float
    first_frame: int = 0
    end_inclusive: bool = False

    def start(self, frame: int) -> Fraction:
        """When a frame begins, in seconds."""
        return Fraction(frame - self.first_frame) / exact_rate(self.fps)

    def end(self, frame: int) -> Fraction:
        """When a segment ends whose end is this frame."""
        return self.start(frame + self.end_inclusive)

    def frames(self, start: Fraction, end: Fraction) -> tuple[int, int]:
        """The numbers that the nearest segment of at least one frame has in the file."""
        first = round(start * exact_rate(self.fps))
        last = max(first + 1, round(end * exact_rate(self.fps)))
        return first + self.first_frame, last + self.first_frame - self.end_inclusive


def frame_counting(
    options: AnnotationOptions, where: object, fps: float | None = None, first_frame: int = 0, inclusive: bool = False
) -> FrameCounting:
    """How a file counts: as the user states, else as the format does, at the file's own `fps` if it has one.

    Raises `InputError` if no rate is known.
    """
    rate = fps if options.counted_fps is None else options.counted_fps
    if rate is None:
        raise InputError(f"{where} counts frames and does not state their rate; give it with --counted-fps")
    require_rate(rate)
    first = first_frame if options.first_frame is None else options.first_frame
    is_inclusive = inclusive if options.end_frame is None else options.end_frame == "inclusive"
    return FrameCounting(rate, first, is_inclusive)
