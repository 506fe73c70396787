"""Annotations for tests, and small files in the shapes that tools write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.formats import FORMATS, read_annotations, write_annotations
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.settling import settle_file
from protas_gtcc.annotations.files.timed import Annotation, TimedSegment, WriteFacts

FPS = 25.0
WRITTEN = [one for one in FORMATS if one.write is not None]
ROWS = tuple[str, Fraction, Fraction, str]
"""Video, start and end in seconds, and label."""


def needs(kind: Format) -> None:
    """Skip the test where a package of the format is not installed."""
    if kind.name == "elan":
        pytest.importorskip("pympi", reason="the extra [elan] is not installed")


def annotation(video: str, rows: Sequence[tuple[Any, Any, str]], **more: Any) -> Annotation:
    """Of rows with start, end and label."""
    segments = [TimedSegment(Fraction(str(s)), Fraction(str(e)), name, row) for row, (s, e, name) in enumerate(rows, 1)]
    return Annotation(video, tuple(segments), **more)


def rows_of(annotations: Sequence[Annotation]) -> list[ROWS]:
    """What a round trip keeps, in order."""
    return sorted((one.video, s.start, s.end, s.name) for one in annotations for s in one.segments)


def seconds_of(annotations: Sequence[Annotation]) -> list[tuple[str, float, float, str]]:
    """The same, with floats."""
    return [(video, float(start), float(end), name) for video, start, end, name in rows_of(annotations)]


def round_trip(kind: Format, annotations: Sequence[Annotation], folder: Path, fps: float = FPS) -> list[ROWS]:
    """Written, read again and settled."""
    write_annotations(folder, kind, annotations, WriteFacts(("extra", "pour"), fps))
    options = AnnotationOptions(counted_fps=fps if kind.name == "mstcn" else None)
    return rows_of(settle_file(read_annotations(folder / kind.folder, options), options, keep_all=True).annotations)


def boris_project(observations: dict[str, Any]) -> dict[str, Any]:
    """A project with the state `cut`, `stir` and the point `ping`."""
    codes = {"cut": "State event", "stir": "State event", "ping": "Point event"}
    ethogram = {str(number): {"type": kind, "code": code} for number, (code, kind) in enumerate(codes.items())}
    return {"project_format_version": "7.0", "behaviors_conf": ethogram, "observations": observations}


def boris_observation(events: list[list[Any]], media: Sequence[str] = ("tea.mp4",), **more: Any) -> dict[str, Any]:
    """One observation of media that last 10 s each."""
    info = {"length": dict.fromkeys(media, 10.0), "fps": dict.fromkeys(media, 25.0)}
    return {"type": "MEDIA", "file": {"1": [*media]}, "media_info": info, "time offset": 0.0, "events": events, **more}


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def read(path: Path, **options: Any) -> Any:
    """What is in a file or folder."""
    return read_annotations(path, AnnotationOptions(**options))


def settled(path: Path, **options: Any) -> Any:
    """What is in it, one annotation a video, without overlaps."""
    stated = AnnotationOptions(**options)
    return settle_file(read_annotations(path, stated), stated)


def simple_rows(path: Path, **options: Any) -> list[tuple[float, float, str]]:
    """Start, end and label of the only video."""
    return [(float(s), float(e), name) for _, s, e, name in rows_of(settled(path, **options).annotations)]
