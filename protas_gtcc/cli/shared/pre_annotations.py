"""Predictions in the files of annotation tools, for a person to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.annotations.files.format import Format
from protas_gtcc.annotations.files.formats import WRITTEN, files_to_write, format_called, write_annotations
from protas_gtcc.annotations.files.timed import Annotation, WriteFacts
from protas_gtcc.cli.shared.annotation_sources import PREDICTED, annotation_of
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import require_absent

if TYPE_CHECKING:
    from protas_gtcc.metrics.prediction_files import PredictionFiles

FOLDER = "annotations"


def wanted_formats(names: Sequence[str], out: Path, videos: Sequence[str], overwrite: bool) -> list[Format]:
    """The formats of these names. Raises `InputError` for others, for a package that is missing, for two that would
    write the same file, and for files that are there: a person may have corrected them.
    """
    # No form makes a layout of its own of the folder, since several share it.
    kinds = [replace(format_called(name), folder="", shared=None) for name in dict.fromkeys(names)]
    written_by: dict[Path, str] = {}
    for kind in kinds:
        kind.require()
        for file in files_to_write(out / FOLDER, kind, [Annotation(video, ()) for video in videos]):
            other = written_by.setdefault(file, kind.name)
            if other != kind.name:
                way_out = "give one of them, and make the other with 'protas-gtcc convert'"
                raise InputError(f"{other} and {kind.name} would both write {file}; {way_out}")
    require_absent(written_by, overwrite)
    return kinds


def write_pre_annotations(
    kinds: Sequence[Format], out: Path, files: PredictionFiles, media: Mapping[str, Path]
) -> list[Path]:
    """Write the predictions of all videos in each format; `media` are the files of videos. Returns what was written."""
    info = files.info
    assert info is not None  # only CSV files lack it
    annotations = [
        replace(
            annotation_of(video, files.read_labels(video), info.class_names, info.background, info.fps),
            annotator=PREDICTED,
            media=str(media[video].resolve()) if video in media else "",
        )
        for video in files.video_names
    ]
    actions = tuple(name for label, name in enumerate(info.class_names) if label not in info.background)
    facts = WriteFacts(actions, info.fps, predicted=True)
    return [path for kind in kinds for path, _ in write_annotations(out / FOLDER, kind, annotations, facts)]


def remove_pre_annotations(out: Path, video: str) -> None:
    """Remove the files of a video whose predictions were replaced."""
    for name in WRITTEN:
        kind = format_called(name)
        if kind.one_video:
            (out / FOLDER / f"{video}{kind.endings[0]}").unlink(missing_ok=True)
