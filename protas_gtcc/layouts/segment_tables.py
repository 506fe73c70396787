"""CSV tables of segments in seconds: `video,start_seconds,end_seconds,name`, or one table a video without `video`.

A time is in seconds, `83.5`, or in minutes or hours, `1:23.5` or `0:01:23.5`. The columns `task` and `subject` may be
there as well; other columns are not read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from protas_gtcc.annotations.resampling import LONGEST_SECONDS
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.names import composed
from protas_gtcc.storage.csv_tables import read_csv_table
from protas_gtcc.storage.file_kinds import VIDEO_ENDINGS

NEEDED = ("start_seconds", "end_seconds", "name")
_OPTIONAL = ("video", "task", "subject")
_TIME = re.compile(r"(?:(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,4}):)?(?P<seconds>\d{1,7}(?:\.\d{0,12})?|\.\d{1,12})")
_LONGEST_HEADER = 4096


@dataclass(frozen=True)
class TimedSegment:
    """A segment, `[start, end)` in seconds."""

    start: Fraction
    end: Fraction
    name: str
    row: int
    """In its table, from 1 on, without the headings."""
    unit: str = "row"
    """What `row` counts: rows, lines or segments."""

    def __str__(self) -> str:
        return f"{self.unit} {self.row} ({self.name}, {float(self.start):g} to {float(self.end):g} s)"


Mistaken = tuple[TimedSegment, str, str]
"""When something was done wrongly, and in which action, with its tag and its description."""


@dataclass
class AnnotatedVideo:
    """The segments of one video, in the order of their starts."""

    table: Path
    segments: list[TimedSegment]
    task: str = ""
    subject: str = ""
    mistakes: list[Mistaken] = field(default_factory=list)


def add_video(videos: dict[str, AnnotatedVideo], name: str, one: AnnotatedVideo) -> None:
    """Add a video. Raises `InputError` if there is one of that name."""
    if name in videos:
        there = f" and in {one.table}" if one.table != videos[name].table else ""
        raise InputError(f"video {name} comes twice, in {videos[name].table}{there}; keep one")
    videos[name] = one


def is_segment_table(path: Path) -> bool:
    """Whether a file is a CSV table with the columns of segments; False if it cannot be read."""
    with suppress(OSError, ValueError, csv.Error), open(path, newline="", encoding="utf-8-sig") as file:
        heads = next(csv.reader([file.readline(_LONGEST_HEADER)]), [])
        return {*NEEDED} <= {head.strip().casefold() for head in heads}
    return False


def read_segment_tables(tables: dict[str, Path]) -> tuple[dict[str, AnnotatedVideo], list[str]]:
    """The segments of every video, and class names in the order in which they come first.

    `tables` has the name of the video whose table it is, if the table has no column `video`. Raises `InputError` for
    times and names that are none, for segments that overlap or end before they start, and for a video with two tasks or
    people, or in two tables.
    """
    videos: dict[str, AnnotatedVideo] = {}
    names: dict[str, str] = {}
    for own_name, path in tables.items():
        for video, segment, task, subject in _rows(path, own_name):
            known = videos.setdefault(video, AnnotatedVideo(path, [], task, subject))
            if known.table != path:
                raise InputError(f"video {video} is in {known.table} and in {path}; keep one table of it")
            _require_same(path, segment.row, video, {"task": (known.task, task), "subject": (known.subject, subject)})
            known.segments.append(segment)
            names.setdefault(composed(segment.name), segment.name)
    for video, one in videos.items():
        one.segments.sort(key=lambda segment: segment.start)
        require_apart(one, video)
    return videos, list(names.values())


def read_seconds(text: str) -> Fraction:
    """A time in seconds, from `83.5`, `1:23.5` or `0:01:23.5`. Raises `ValueError` for anything else."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected seconds, or h:mm:ss")
    seconds, minutes, hours = Fraction(found["seconds"]), int(found["minutes"] or 0), int(found["hours"] or 0)
    if (found["minutes"] and seconds >= 60) or (found["hours"] and minutes >= 60):
        raise ValueError("minutes and seconds after a colon are below 60")
    total = seconds + 60 * minutes + 3600 * hours
    if total > LONGEST_SECONDS:
        raise ValueError("a recording lasts a day at most")
    return total


def timed_segment(
    start: object, end: object, name: object, where: str, number: int, unit: str = "segment", per_second: int = 1
) -> TimedSegment:
    """A segment from what a file has as its times, `per_second` to the second, and as its name.

    It may have no length. Raises `InputError`, which begins with `where`, unless 0 <= start <= end within a day, and
    for a name that is no line of text.
    """
    place = f"{where}, {unit} {number}"
    times = []
    for time in (start, end):
        try:
            seconds = Fraction(repr(float(str(time)))) / per_second
        except (ValueError, OverflowError):
            raise InputError(f"{place}: expected a start and an end as numbers, came {time!r}; correct it") from None
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise InputError(f"{place}: {time!r} must be from 0 on, and within a day; correct it")
        times.append(seconds)
    line = " ".join(name.split()) if isinstance(name, str) else ""
    if not line or not line.isprintable():
        raise InputError(f"{place}: expected the name of an action, came {name!r}; write one")
    if times[1] < times[0]:
        raise InputError(f"{place}: {line} ends at {end}, before its start {start}; correct it")
    return TimedSegment(times[0], times[1], line, number, unit)


def _rows(path: Path, own_name: str) -> Iterator[tuple[str, TimedSegment, str, str]]:
    """Video, segment, task and subject of each row."""
    table = read_csv_table(path, NEEDED, _OPTIONAL)
    if not table["name"]:
        raise InputError(f"{path} has no segments; write one a row")
    blank = [""] * len(table["name"])
    others = [table.get(name, blank) for name in ("task", "subject")]
    columns = (table.get("video", [own_name] * len(blank)), *(table[name] for name in NEEDED), *others)
    for row, cells in enumerate(zip(*columns, strict=True), start=1):
        video, start, end, name, task, subject = (cell.strip() for cell in cells)
        where = f"{path}, row {row}"
        for what, value in (("video", video), ("name", name)):
            if not value:
                raise InputError(f"{where}: the {what} is blank; write one")
        segment = TimedSegment(_time(start, where), _time(end, where), name, row)
        if segment.end <= segment.start:
            raise InputError(f"{where}: the segment of {name} ends at {end}, not after its start {start}; correct it")
        yield _without_ending(video), segment, task, subject


def _time(text: str, where: str) -> Fraction:
    try:
        return read_seconds(text)
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is no time ({error}); correct it") from error


def _without_ending(video: str) -> str:
    """The name of a video, where its file is written: `tea` for `tea.mp4`."""
    ending = Path(video).suffix
    return video.removesuffix(ending) if ending.lower() in VIDEO_ENDINGS else video


def _require_same(path: Path, row: int, video: str, attributes: dict[str, tuple[str, str]]) -> None:
    for what, (before, now) in attributes.items():
        if now != before:
            raise InputError(f"{path}, row {row}: {what} {now!r} of video {video}, before {before!r}; keep one")


def require_apart(one: AnnotatedVideo, video: str) -> None:
    """Raise `InputError` for segments that overlap."""
    for before, after in pairwise(one.segments):
        if after.start < before.end:
            raise InputError(f"{one.table}: of video {video}, {before} and {after} overlap; end one where one starts")
