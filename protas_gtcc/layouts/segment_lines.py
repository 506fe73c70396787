"""Text files of one video with a segment a line, in frames."""

from __future__ import annotations

import re
from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.segment_tables import TimedSegment, timed_segment
from protas_gtcc.layouts.text import read_lines


def read_segment_lines(
    file: Path, form: re.Pattern[str], example: str, per_second: int, inclusive: bool = False
) -> list[TimedSegment]:
    """The segments of lines of a `form` with the groups start, end and name.

    With `inclusive`, frames count from 1 and the end is the last frame; else the end is the frame behind it. Raises
    `InputError` for an empty file, another form, which the `example` shows, and as `timed_segment` does.
    """
    segments = []
    for number, line in enumerate(read_lines(file), start=1):
        found = form.fullmatch(line.strip())
        if found is None:
            raise InputError(f"{file}, line {number}: expected {example!r}, came {line[:80]!r}; correct it")
        start = int(found["start"]) - inclusive
        segments.append(timed_segment(start, int(found["end"]), found["name"], str(file), number, "line", per_second))
    if not segments:
        raise InputError(f"{file} is empty; write one segment a line, as {example!r}")
    return segments
