"""CSV tables of segments in seconds: `video,start_seconds,end_seconds,name`, or one table a video without `video`.

A time is in seconds, `83.5`, or in minutes or hours, `1:23.5` or `0:01:23.5`. The columns `task` and `subject` may be
there as well; other columns are not read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from protas_gtcc.annotations.files.timed import TimedSegment, read_seconds, timed_segment
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.names import composed
from protas_gtcc.storage.csv_tables import read_csv_table
from protas_gtcc.storage.file_kinds import VIDEO_ENDINGS

NEEDED = ("start_seconds", "end_seconds", "name")
_OPTIONAL = ("video", "task", "subject")
_SEVERAL = ("annotator", "tier")
"""Columns of tables that several people or tiers share: they are read as annotation files."""
_LONGEST_HEADER = 4096


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
    seconds: Fraction | None = None
    """Length of the video, where its annotations have it."""


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
        names = {head.strip().casefold() for head in heads}
        return {*NEEDED} <= names and not {*_SEVERAL} & names
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


def action_segment(
    start: object, end: object, name: object, where: str, number: int, unit: str = "segment"
) -> TimedSegment:
    """A segment of a published file: as `timed_segment`, with the name of an action.

    It may have no length. Raises `InputError`, which begins with `where`, as `timed_segment` does, and for a name that
    is no line of text.
    """
    line = " ".join(name.split()) if isinstance(name, str) else ""
    if not line or not line.isprintable():
        raise InputError(f"{where}, {unit} {number}: expected the name of an action, came {name!r}; write one")
    return timed_segment(where, number, start, end, line, unit=unit)


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
