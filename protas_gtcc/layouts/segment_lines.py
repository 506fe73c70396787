"""Text files of one video with a segment a line, in frames."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from protas_gtcc.annotations.files.timed import TimedSegment
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.segment_tables import action_segment
from protas_gtcc.storage.text_files import read_lines


def read_segment_lines(
    file: Path, form: re.Pattern[str], example: str, per_second: int, inclusive: bool = False
) -> list[TimedSegment]:
    """The segments of lines of a `form` with the groups start, end and name.

    With `inclusive`, frames count from 1 and the end is the last frame; else the end is the frame behind it. Raises
    `InputError` for an empty file, another form, which the `example` shows, and as `action_segment` does.
    """
    segments = []
    for number, line in enumerate(read_lines(file), start=1):
        found = form.fullmatch(line.strip())
        if found is None:
            raise InputError(f"{file}, line {number}: expected {example!r}, came {line[:80]!r}; correct it")
        start, end = (Fraction(frame, per_second) for frame in (int(found["start"]) - inclusive, int(found["end"])))
        segments.append(action_segment(start, end, found["name"], str(file), number, "line"))
    if not segments:
        raise InputError(f"{file} is empty; write one segment a line, as {example!r}")
    return segments
