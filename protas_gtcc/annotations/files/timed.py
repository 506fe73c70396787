"""The neutral type between formats: what one annotator wrote about one video in one tier, in seconds.

Times are exact fractions. So frames at any rate, and decimals, come back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath

from protas_gtcc.annotations.resampling import LONGEST_SECONDS
from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import VIDEO_ENDINGS

_TIME = re.compile(r"(?:(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,4}):)?(?P<seconds>\d{1,7}(?:\.\d{0,12})?|\.\d{1,12})")


_SOUND_ENDINGS = (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".aif", ".aiff")


@dataclass(frozen=True)
class TimedSegment:
    """A segment, `[start, end)` in seconds. Start and end are equal if it is an event without a duration."""

    start: Fraction
    end: Fraction
    name: str
    row: int
    """In its file, from 1 on, without headings."""
    detail: str = ""
    """What the file states beside the name, as modifiers of BORIS."""
    unit: str = "row"
    """What `row` counts: rows, lines or segments."""

    def __str__(self) -> str:
        return f"{self.unit} {self.row} ({self.name}, {float(self.start):g} to {float(self.end):g} s)"


@dataclass(frozen=True)
class OpenEvent:
    """A start without a stop."""

    start: Fraction
    name: str
    row: int
    detail: str = ""


@dataclass(frozen=True)
class Annotation:
    """What one annotator wrote about one video in one tier. Segments may overlap, and come in any order."""

    video: str
    segments: tuple[TimedSegment, ...]
    open_events: tuple[OpenEvent, ...] = ()
    annotator: str = ""
    tier: str = ""
    parent_tier: str = ""
    """The tier that this one divides or describes, "" for a tier of its own."""
    seconds: Fraction | None = None
    """Length of the video, where the file has it."""
    media: str = ""
    """Path or address of the video's file, where the file has it."""
    task: str = ""
    subject: str = ""
    source: Path = Path()


@dataclass
class AnnotationFile:
    """What was read from one file, or from the files of a folder."""

    annotations: list[Annotation] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What was understood in an unusual way, or left out."""


@dataclass(frozen=True)
class WriteFacts:
    """What a file states beside the segments."""

    class_names: tuple[str, ...] = ()
    """Labels that the tool offers for corrections, also those that no segment has."""
    fps: float | None = None
    """Frames per second, for formats that count frames."""
    predicted: bool = False
    """The segments are predictions for a person to correct."""


def timed_segment(
    where: str, row: int, start: object, end: object, name: str, detail: str = "", unit: str = "row"
) -> TimedSegment:
    """A segment from the times in a file, numbers or text. Raises `InputError` for bad times, naming the row."""
    place = f"{where}, {unit} {row}"
    first, last = exact_seconds(start, place), exact_seconds(end, place)
    if last < first:
        what = f"{name!r} ends at {float(last):g} s, before its start at {float(first):g} s"
        raise InputError(f"{place}: {what}; correct the times")
    return TimedSegment(first, last, name, row, detail, unit)


def exact_seconds(value: object, where: str) -> Fraction:
    """A time in seconds from a number, or from text: `83.5`, `1:23.5` or `0:01:23.5`.

    A number is taken by its digits, so that 22.425 is exact. Raises `InputError` for anything else, for a negative time
    and for one beyond a day.
    """
    try:
        if isinstance(value, Fraction):
            return _in_a_day(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not 0 <= value <= LONGEST_SECONDS:  # its digits could be hundreds, or it is not a number
                raise ValueError(f"expected 0 to {LONGEST_SECONDS} seconds")
            return Fraction(repr(value))
        if isinstance(value, str):
            return read_seconds(value)
    except (ValueError, OverflowError) as error:
        shown = float(value) if isinstance(value, Fraction) else value
        raise InputError(f"{where}: {repr(shown)[:60]} is no time ({error}); correct it") from error
    raise InputError(f"{where}: {repr(value)[:60]} is no time; expected seconds")


def read_seconds(text: str) -> Fraction:
    """A time in seconds, from `83.5`, `1:23.5` or `0:01:23.5`. Raises `ValueError` for anything else."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected seconds, or h:mm:ss")
    seconds, minutes, hours = Fraction(found["seconds"]), int(found["minutes"] or 0), int(found["hours"] or 0)
    if (found["minutes"] and seconds >= 60) or (found["hours"] and minutes >= 60):
        raise ValueError("minutes and seconds after a colon are below 60")
    return _in_a_day(seconds + 60 * minutes + 3600 * hours)


def _in_a_day(seconds: Fraction) -> Fraction:
    if seconds < 0:
        raise ValueError("a time is 0 or more")
    if seconds > LONGEST_SECONDS:
        raise ValueError("a recording lasts a day at most")
    return seconds


def milliseconds(seconds: Fraction) -> int:
    """Whole milliseconds, to which most formats round."""
    return round(seconds * 1000)


def decimal_seconds(seconds: Fraction) -> str:
    """Seconds with three digits, and up to nine where they are needed: `12.400`, `0.066666667`."""
    text = f"{round(seconds * 10**9):010d}"
    whole, digits = text[:-9], text[-9:].rstrip("0").ljust(3, "0")
    return f"{whole}.{digits}"


def without_ending(name: str) -> str:
    """The name of a video, where its file is written: `anna/tea` for `anna/tea.mp4`."""
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in (*VIDEO_ENDINGS, *_SOUND_ENDINGS) else name


def video_of(path: str, known: str = "") -> str:
    """The name of a video from the path or address of its file: `tea` for `C:\\films\\tea.mp4`.

    It is `known` where that is the same name with the folders that it is in, or where there is no path.
    """
    name = without_ending(PurePosixPath(path.replace("\\", "/").split("?", 1)[0]).name)
    return known if name in ("", known.rpartition("/")[2]) else name


def by_video(annotations: Iterable[Annotation]) -> dict[str, list[Annotation]]:
    """The annotations of each video, videos in the order in which they come first."""
    found: dict[str, list[Annotation]] = {}
    for one in annotations:
        found.setdefault(one.video, []).append(one)
    return found
