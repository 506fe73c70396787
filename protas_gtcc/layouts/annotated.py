"""Files of annotation tools beside features or videos: one file, or a folder of them (`annotations/files/`).

They become segments in seconds, and so the layout of such: what no segment covers is background, class 0.
"""

from __future__ import annotations

from pathlib import Path

from protas_gtcc.annotations.files.formats import annotation_files, format_of, read_annotations
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.settling import settle_file
from protas_gtcc.annotations.files.timed import Annotation
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.names import composed
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.seconds import SecondsLayout, open_seconds, seconds_layout
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, is_segment_table


def is_annotated(path: Path) -> bool:
    """Whether a path is a file of an annotation tool, or a folder with one and without tables of segments."""
    if path.is_file():
        return format_of(path) is not None and not is_segment_table(path)
    return any(not is_segment_table(file) for file in annotation_files(path))


def open_annotated(path: Path, options: LayoutOptions) -> SecondsLayout:
    """Open annotation files. Raises `InputError` as the formats and `settle_file` do, and for --no-background."""
    read = read_annotations(path, options.annotation)
    settled = settle_file(read, options.annotation)
    videos = {one.video: _video(one) for one in settled.annotations}
    names: dict[str, str] = {}
    for one in settled.annotations:
        for segment in one.segments:
            names.setdefault(composed(segment.name), segment.name)
    if not names:
        raise InputError(f"{path} has no segment with a label; annotate one")
    return seconds_layout(path, options, videos, list(names.values()), settled.notices)


def open_tables(path: Path, options: LayoutOptions) -> SecondsLayout:
    """Open tables of segments, with the rules of annotation files where the user states one."""
    return (open_seconds if options.annotation == AnnotationOptions() else open_annotated)(path, options)


def _video(one: Annotation) -> AnnotatedVideo:
    return AnnotatedVideo(one.source, list(one.segments), one.task, one.subject, seconds=one.seconds)
