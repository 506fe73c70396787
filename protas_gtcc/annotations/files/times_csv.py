"""CSV tables of segments, `video,start_seconds,end_seconds,name`, and the columns that other programs call otherwise.

Times are in seconds, or in frames (`start_frame`). Columns may be separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from protas_gtcc.annotations.files.format import Format, head_of
from protas_gtcc.annotations.files.options import AnnotationOptions, frame_counting
from protas_gtcc.annotations.files.tables import Table, headings_of, point_of, read_table
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    TimedSegment,
    WriteFacts,
    by_video,
    decimal_seconds,
    exact_seconds,
    timed_segment,
    video_of,
    without_ending,
)
from protas_gtcc.errors import InputError
from protas_gtcc.storage.csv_tables import without_apostrophe, write_csv_table
from protas_gtcc.storage.json_values import a_whole

_NAMES = ("name", "label", "action", "behavior", "behaviour", "class", "step", "phase")
_STARTS = ("start_seconds", "start", "start_time", "begin", "onset", "start (s)", "start_sec")
_ENDS = ("end_seconds", "end", "end_time", "stop", "offset", "stop (s)", "end (s)", "end_sec")
_DURATIONS = ("duration", "duration_seconds", "duration (s)")
_START_FRAMES, _END_FRAMES = ("start_frame", "startframe", "start frame"), ("end_frame", "endframe", "end frame")
_ANY_START = (*_STARTS, *_START_FRAMES)
_VIDEOS = ("video", "video_id", "file", "filename", "media file")
_OTHERS = ("annotator", "tier", "task", "subject")


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read a table. Raises `InputError` for columns that are not there, and for times that are none."""
    table = read_table(path, [name for name in _found(path) if name])
    columns = (table.column(*_VIDEOS), table.need(*_NAMES), *(table.column(name) for name in _OTHERS))
    times = _times(table, options)
    found: dict[tuple[str, ...], list[TimedSegment]] = {}
    for (line, (of_video, name, *others)), (start, end) in zip(table.cells(*columns), times, strict=True):
        key = (_video(without_apostrophe(of_video)) or video, *map(without_apostrophe, others))
        found.setdefault(key, []).append(timed_segment(str(path), line, start, end, without_apostrophe(name)))
    annotations = [
        Annotation(key[0], tuple(segments), annotator=key[1], tier=key[2], task=key[3], subject=key[4])
        for key, segments in found.items()
    ]
    if not annotations:
        raise InputError(f"{path} has no segments; write one a row")
    return AnnotationFile(annotations)


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write the table that `prepare` reads; with annotators and tiers where a video has several annotations."""
    rows = [(one, segment) for one in annotations for segment in one.segments]
    columns = {
        "video": [one.video for one, _ in rows],
        "start_seconds": [decimal_seconds(segment.start) for _, segment in rows],
        "end_seconds": [decimal_seconds(segment.end) for _, segment in rows],
        "name": [segment.name for _, segment in rows],
    }
    several = any(len(own) > 1 for own in by_video(annotations).values())
    others = {name: [getattr(one, name) for one, _ in rows] for name in (_OTHERS if several else _OTHERS[2:])}
    write_csv_table(path, columns | {name: cells for name, cells in others.items() if any(cells)})


def _found(path: Path) -> list[str]:
    """Headings that the table needs, those that it has of each kind."""
    head = head_of(path)
    return next(([name, start] for name in _NAMES for start in _ANY_START if headings_of(head, [name, start])), [])


def _is_it(head: str) -> bool:
    return any(headings_of(head, [name, start]) for name in _NAMES for start in _ANY_START)


def _times(table: Table, options: AnnotationOptions) -> list[tuple[object, object]]:
    """Start and end of each row, in seconds."""
    start, end, duration = table.column(*_STARTS), table.column(*_ENDS), table.column(*_DURATIONS)
    if start is not None and end is not None:
        return [(point_of(table, first), point_of(table, last)) for _, (first, last) in table.cells(start, end)]
    if start is not None and duration is not None:
        return [_with_duration(table, line, *cells) for line, cells in table.cells(start, duration)]
    start, end = table.need(*_STARTS, *_START_FRAMES), table.need(*_ENDS, *_END_FRAMES)
    counting = frame_counting(options, table.path)
    frames = list[tuple[object, object]]()
    for line, cells in table.cells(start, end):
        first, last = (a_whole(_whole(cell), f"{table.path}, row {line}") for cell in cells)
        if first < counting.first_frame:
            raise InputError(f"{table.path}, row {line}: frame {first} where frames count from 1; give --first-frame 0")
        frames.append((counting.start(first), counting.end(last)))
    return frames


def _with_duration(table: Table, line: int, start: str, duration: str) -> tuple[object, object]:
    where = f"{table.path}, row {line}"
    first = exact_seconds(point_of(table, start), where)
    return first, first + exact_seconds(point_of(table, duration), where)


def _whole(cell: str) -> object:
    """The number of a frame, which some programs write as `25.0`."""
    return int(cell.partition(".")[0]) if re.fullmatch(r"[0-9]{1,12}(\.0{0,6})?", cell) else cell


def _video(cell: str) -> str:
    """The name of a video in a cell: `anna/tea` stays, of a whole path there is the file's own name."""
    return video_of(cell) if re.match(r"/|[A-Za-z]:[/\\]|\\\\|[a-z]+://", cell) else without_ending(cell)


FORMAT = Format(
    "csv", "CSV", (".csv", ".tsv"), read, write, _is_it, one_video=False, has_tiers=True, usual_stem="segments"
)
