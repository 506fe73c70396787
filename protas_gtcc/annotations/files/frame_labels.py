"""MS-TCN text: one label a line, one line a frame; a line has no tab and no second column.

Of several videos, the layout of MS-TCN is written, which `prepare` reads with its class ids:

    groundTruth/<video>.txt
    mapping.txt                "id name": background is 0, and the others are in the order in which they come first
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from unicodedata import normalize

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.options import AnnotationOptions, FrameCounting, frame_counting
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, TimedSegment, WriteFacts
from protas_gtcc.annotations.resampling import exact_rate, require_length
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.text_files import read_lines

BACKGROUND = "background"


def read(path: Path, video: str, options: AnnotationOptions) -> AnnotationFile:
    """Read the labels of frames at `--counted-fps`. Raises `InputError` without a rate, and for a blank line."""
    lines = [line.strip() for line in read_lines(path)]
    if not lines:
        raise InputError(f"{path} is empty; write one label a line, one line a frame")
    if "" in lines:
        raise InputError(f"{path}, line {lines.index('') + 1}: a blank line where a label is expected; write one")
    counting = FrameCounting(frame_counting(options, path).fps)
    require_length(len(lines), counting.fps, str(path))
    segments, frame = [], 0
    for name, run in groupby(lines):
        end = frame + len(list(run))
        if not is_background(name):
            segments.append(TimedSegment(counting.start(frame), counting.start(end), name, frame + 1))
        frame = end
    return AnnotationFile([Annotation(video, tuple(segments), seconds=counting.start(frame))])


def write(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write a label for each frame; frame i at F frames a second has the segment at time i / F.

    Raises `InputError` without a rate. A video of unknown length ends with its last segment.
    """
    if facts.fps is None:
        raise InputError(f"{path}: one label a frame needs their rate; give it with --fps")
    (one,) = annotations
    labels = frame_labels(one.segments, facts.fps, one.seconds, str(path))
    write_text(path, "".join(f"{BACKGROUND if not name or is_background(name) else name}\n" for name in labels))


def write_mapping(path: Path, annotations: Sequence[Annotation], facts: WriteFacts) -> None:
    """Write the id and the name of each class: the background, the known classes, and then those of segments.

    Names that differ in their Unicode form alone are one class.
    """
    names = [*facts.class_names, *(segment.name for one in annotations for segment in one.segments)]
    classes = {"": BACKGROUND}
    for name in names:
        if not is_background(name):
            classes.setdefault(normalize("NFC", name), name)
    write_text(path, "".join(f"{number} {name}\n" for number, name in enumerate(classes.values())))


def is_background(name: str) -> bool:
    """Whether a label is one of the background's."""
    return name.casefold() in (BACKGROUND, "bg")


def frame_labels(
    segments: Sequence[TimedSegment], fps: float, seconds: Fraction | None = None, where: str = "a video"
) -> list[str]:
    """The name of each frame of segments in time order, "" in the background, up to `seconds` or the last end."""
    rate = exact_rate(fps)
    length = round(max([seconds or Fraction(0), *(one.end for one in segments)]) * rate)
    require_length(length, fps, where)
    labels = [""] * max(1, length)
    for one in segments:
        # Times may be rounded to milliseconds: half of one later is still this frame.
        first, end = (max(0, -int(-(time * rate - rate / 2000) // 1)) for time in (one.start, one.end))
        end = min(end, len(labels))
        labels[first:end] = [one.name] * max(0, end - first)
    return labels


def _is_it(head: str) -> bool:
    """Whether some label goes on for a second frame, and there is no blank line: other texts are not so."""
    lines = [line.strip() for line in head.rstrip().splitlines()]
    return "\t" not in head and "" not in lines and any(one == other for one, other in pairwise(lines))


FORMAT = Format(
    "mstcn", "MS-TCN text", (".txt",), read, write, _is_it, folder="groundTruth", shared=("mapping.txt", write_mapping)
)
