"""What BORIS exports: tabular events (one row a start or a stop) and aggregated events (one row a segment), CSV or TSV.

Columns have changed with its versions. Tabular events may stand below rows about the observation. Times have the
observation's offset in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.annotations.files.boris import NO_SUBJECT, without_offset
from protas_gtcc.annotations.files.format import Format, head_of
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.state_events import POINT, START, STOP, Event, paired
from protas_gtcc.annotations.files.tables import Table, headings_of, read_table
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    OpenEvent,
    TimedSegment,
    timed_segment,
    video_of,
)
from protas_gtcc.errors import InputError, listed, plural

_AGGREGATED = ("behavior", "start (s)", "stop (s)")
_TABULAR = ("behavior", "time")
_MEDIA = ("media file name", "media file", "media file path")
_OBSERVATION = "observation id"
_OFFSET = "time offset (s)"


@dataclass(frozen=True)
class _Row:
    line: int
    observation: str
    media: str
    subject: str
    name: str
    detail: str
    offset: str
    """Time of the observation's first picture, which is in all its times; "" for 0."""
    cells: list[str]


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read an export. Raises `InputError` for columns that are not there, and for times and states that are none."""
    with_stops = headings_of(head_of(path), _AGGREGATED) is not None
    table = read_table(path, _AGGREGATED if with_stops else _TABULAR)
    rows = _rows(table, _AGGREGATED[1:] if with_stops else _TABULAR[1:])
    if not rows:
        raise InputError(f"{path} has no events; export observations with events")
    names, notices = _videos(rows, video)
    groups: dict[tuple[str, str, str], list[_Row]] = {}
    for row in rows:
        groups.setdefault((names[row.observation, row.media], row.observation, row.subject), []).append(row)
    observations = Counter(name for name, _ in {(name, observation) for name, observation, _ in groups})
    found, lost = [], 0
    for (name, observation, subject), own in groups.items():
        if with_stops:
            segments, opened, without = [_segment(row, path) for row in own], list[OpenEvent](), 0
        else:
            segments, opened, without = paired([_event(row, path) for row in own], ())
        lost += without
        by = observation if observations[name] > 1 else ""
        found.append(Annotation(name, tuple(segments), tuple(opened), by, subject or NO_SUBJECT))
    if lost:
        notices.append(f"{plural(lost, 'event')} with a stop and no start left out")
    return AnnotationFile(found, notices)


def _rows(table: Table, times: Sequence[str]) -> list[_Row]:
    modifiers = [number for number, name in enumerate(table.headings) if name.startswith("modifier")]
    status = table.column("behavior type", "status")
    about = {row[0].strip().casefold(): row[1].strip() for row in table.before if len(row) > 1}
    columns = [table.column(_OBSERVATION), table.column(*_MEDIA), table.column("subject"), table.need("behavior")]
    columns.append(table.column(_OFFSET))
    number = len(columns) + len(modifiers)
    found = []
    for line, cells in table.cells(*columns, *modifiers, status, *(table.need(name) for name in times)):
        observation, media, subject, name, offset = cells[:5]
        detail = "|".join(cell for cell in cells[4:number] if cell and cell.casefold() != "none")
        observation, offset = observation or about.get(_OBSERVATION, ""), offset or about.get(_OFFSET, "")
        subject = "" if subject == NO_SUBJECT else subject
        found.append(_Row(line, observation, media, subject, name, detail, offset, cells[number:]))
    return found


def _videos(rows: Sequence[_Row], video: str) -> tuple[dict[tuple[str, str], str], list[str]]:
    """The video of each observation and medium.

    Times run on over the media of an observation, whose lengths are not read here. So an observation of several
    media is one video, of the observation's name.
    """
    media: dict[str, set[str]] = {}
    for row in rows:
        media.setdefault(row.observation, set()).add("" if row.media in ("NA", "Not found") else row.media)
    joined = sorted(observation for observation, files in media.items() if len(files) > 1)
    names = {}
    for row in rows:
        file = "" if row.observation in joined or row.media in ("NA", "Not found") else row.media
        names[row.observation, row.media] = video_of(file, row.observation) or video
    what = "several media whose lengths are not read from an export, read as one video of the observation's name"
    notices = [f"{plural(len(joined), 'observation')} of {what}: {listed(joined)}"] if joined else []
    return names, notices


def _segment(row: _Row, path: Path) -> TimedSegment:
    kind, start, stop = row.cells
    where = f"{path}, row {row.line}"
    end = start if kind.upper() == POINT or stop in ("", "NA") else stop
    first, last = (without_offset(time, row.offset, where) for time in (start, end))
    return timed_segment(str(path), row.line, first, last, row.name, row.detail)


def _event(row: _Row, path: Path) -> Event:
    kind, time = row.cells
    where = f"{path}, row {row.line}"
    if kind.upper() not in (POINT, START, STOP):
        raise InputError(f"{where}: {kind!r} is no state; expected START, STOP or POINT")
    seconds = without_offset(time, row.offset, where)
    return Event(seconds, row.name, row.subject, row.detail, row.line, where, kind.upper())


def _is_it(head: str) -> bool:
    if headings_of(head, _AGGREGATED) is not None:
        return True
    headings = headings_of(head, _TABULAR)
    return headings is not None and bool({"status", "behavior type"} & {*headings})


FORMAT = Format("boris-export", "BORIS exports", (".csv", ".tsv", ".txt"), read, None, _is_it, one_video=False)
