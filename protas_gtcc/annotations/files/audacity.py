"""Audacity's label tracks: a line `start<tab>end<tab>label` in seconds, as its manual describes for "Export Labels".

A line that begins with a backslash is the frequencies of the label above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, WriteFacts, decimal_seconds, timed_segment
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.text_files import read_lines


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read a label track. Raises `InputError` for lines that are none."""
    segments = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("\\") or not line.strip():
            continue
        cells = line.rstrip("\r").split("\t", 2)
        if len(cells) < 2:
            raise InputError(
                f"{path}, row {number}: expected start, tab, end, tab, label, came {line[:60]!r}; correct it"
            )
        start, end = (cell.replace(",", ".") for cell in cells[:2])  # some countries write 1,5
        segments.append(timed_segment(str(path), number, start, end, cells[2] if len(cells) > 2 else ""))
    if not segments:
        raise InputError(f"{path} has no labels; export the label track again")
    return AnnotationFile([Annotation(video, tuple(segments))])


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write the segments of one video as a label track."""
    segments = [segment for one in annotations for segment in one.segments]
    lines = [f"{decimal_seconds(one.start)}\t{decimal_seconds(one.end)}\t{one.name}\n" for one in segments]
    write_text(path, "".join(lines))


def _is_it(head: str) -> bool:
    first = next((line for line in head.splitlines() if line.strip()), "").split("\t")
    return len(first) > 1 and all(_is_number(cell) for cell in first[:2])


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


FORMAT = Format("audacity", "Audacity labels", (".txt",), read, write, _is_it)
