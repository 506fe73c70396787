"""RTTM (NIST, "The Rich Transcription Time Marked format"): `SPEAKER file channel start duration <NA> <NA> label …`.

Blanks separate fields. So blanks in names of videos and labels are written as `%20`, and `%` as `%25`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote, unquote

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import (
    Annotation,
    AnnotationFile,
    TimedSegment,
    WriteFacts,
    decimal_seconds,
    exact_seconds,
    timed_segment,
)
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.text_files import read_lines

_NOTHING = "<NA>"
_FIELDS = 8
"""Those up to the label. Older files lack the last ones."""


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read the lines of type SPEAKER; the channel is the tier, unless it is 1. Raises `InputError` for broken lines."""
    found: dict[tuple[str, str], list[TimedSegment]] = {}
    others = 0
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words or words[0].startswith(";;"):
            continue
        if words[0] != "SPEAKER":
            others += 1
            continue
        if len(words) < _FIELDS:
            what = f"expected at least {_FIELDS} fields separated by blanks, came {len(words)}"
            raise InputError(f"{path}, row {number}: {what}; correct the line")
        name, channel, start, duration, label = words[1], words[2], words[3], words[4], words[7]
        where = f"{path}, row {number}"
        end: Fraction = exact_seconds(start, where) + exact_seconds(duration, where)
        tier = "" if channel in ("1", _NOTHING) else channel
        segment = timed_segment(str(path), number, start, end, "" if label == _NOTHING else _decoded(label))
        found.setdefault((_decoded(name), tier), []).append(segment)
    if not found:
        raise InputError(f"{path} has no lines of type SPEAKER; expected SPEAKER file 1 start duration <NA> <NA> label")
    notices = [f"{plural(others, 'line')} of other types than SPEAKER left out"] if others else []
    return AnnotationFile([Annotation(name, tuple(own), tier=tier) for (name, tier), own in found.items()], notices)


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a line for each segment."""
    lines = []
    for one in annotations:
        for segment in one.segments:
            start, length = decimal_seconds(segment.start), decimal_seconds(_written_length(segment))
            label = _encoded(segment.name)
            lines.append(f"SPEAKER {_encoded(one.video)} 1 {start} {length} {_NOTHING} {_NOTHING} {label} <NA> <NA>\n")
    write_text(path, "".join(lines))


def _written_length(segment: TimedSegment) -> Fraction:
    """So that the sum of what is written gives the end that would be written."""
    return Fraction(decimal_seconds(segment.end)) - Fraction(decimal_seconds(segment.start))


def _encoded(text: str) -> str:
    return re.sub(r"[%\s]", lambda found: quote(found[0]), text) if text != _NOTHING else "%3CNA>"


def _decoded(text: str) -> str:
    return unquote(text)


FORMAT = Format("rttm", "RTTM", (".rttm",), read, write, one_video=False)
