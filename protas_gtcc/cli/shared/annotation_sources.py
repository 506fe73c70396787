"""What `convert` reads: annotation files, the layouts of `prepare`, dataset files and predictions, as one type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protas_gtcc.annotations.files.formats import read_annotations
from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, TimedSegment
from protas_gtcc.annotations.resampling import exact_rate
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import HDF5, PREDICTIONS_INDEX, kind_of

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import DatasetInfo
    from protas_gtcc.predictions import PredictionInfo

PREDICTED = "protas_gtcc"
"""The annotator of predictions."""


@dataclass(frozen=True)
class Source:
    """What was read, and what a file that is written states beside the segments."""

    file: AnnotationFile
    class_names: tuple[str, ...] = ()
    fps: float | None = None
    predicted: bool = False


def read_source(path: Path, options: AnnotationOptions) -> Source:
    """Read anything with labels. Raises `InputError` for what has none, and as its reader does."""
    from protas_gtcc.layouts.recognition import has_annotation_files

    if not path.exists():
        raise InputError(f"no such file or folder: {path}; correct the path")
    if path.is_file() and (kind_of(path) == HDF5 or path.name == PREDICTIONS_INDEX):
        return _stored(path)
    if (path.is_file() and path.suffix != ".json") or has_annotation_files(path):
        return Source(read_annotations(path, options))
    return _layout(path, options)


def annotation_of(
    video: str, labels: np.ndarray, class_names: Sequence[str], background: Sequence[int], fps: float
) -> Annotation:
    """Class ids `[T]` as an annotation, without background."""
    rate = exact_rate(fps)
    segments = tuple(
        TimedSegment(Fraction(start) / rate, Fraction(end) / rate, class_names[label], row)
        for row, (start, end, label) in enumerate(segment_array(labels).tolist(), start=1)
        if label not in background
    )
    return Annotation(video, segments, seconds=Fraction(len(labels)) / rate)


def with_media(annotations: Sequence[Annotation], folder: Path) -> list[Annotation]:
    """With the path of each video's file in a folder. Raises `InputError` for a folder without videos."""
    from protas_gtcc.video.naming import files_of, find_videos

    files = files_of({one.video for one in annotations}, find_videos([folder])[0])
    return [
        replace(one, media=str(files[one.video].path.resolve())) if one.video in files else one for one in annotations
    ]


def _stored(path: Path) -> Source:
    """Of a dataset, or of predictions in one file or several."""
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.metrics.prediction_files import open_predictions
    from protas_gtcc.metrics.prediction_header import FORMAT
    from protas_gtcc.storage.facts import has_format
    from protas_gtcc.storage.stored import open_stored

    if path.name == PREDICTIONS_INDEX or has_format(open_stored(path, "give a dataset, or predictions.h5"), FORMAT):
        files = open_predictions(path)
        info: DatasetInfo | PredictionInfo | None = files.info
        predicted = True
        labels = {video: files.read_labels(video) for video in files.video_names}
    else:
        dataset = Dataset(path)
        info, predicted = dataset.info, False
        labels = {video: dataset.labels(video) for video in dataset.video_names}
    assert info is not None  # only CSV files lack it
    names, background = info.class_names, info.background
    annotations = [annotation_of(video, of_video, names, background, info.fps) for video, of_video in labels.items()]
    if predicted:
        annotations = [replace(one, annotator=PREDICTED) for one in annotations]
    actions = tuple(name for label, name in enumerate(names) if label not in background)
    return Source(AnnotationFile([replace(one, source=path) for one in annotations]), actions, info.fps, predicted)


def _layout(path: Path, options: AnnotationOptions) -> Source:
    """Of a folder that `prepare` reads."""
    from protas_gtcc.layouts.options import LayoutOptions
    from protas_gtcc.layouts.recognition import open_layout
    from protas_gtcc.layouts.timed import TimedLayout

    layout = open_layout(path, LayoutOptions(no_features=True, annotation=options))
    if isinstance(layout, TimedLayout):  # times stay as exact as they are
        fps = layout.annotation_fps if layout.fps_is_given else None
        found = [Annotation(video, tuple(layout.actions(video))) for video in layout.video_names]
    else:
        fps = options.counted_fps or layout.annotation_fps
        if fps is None:
            raise InputError(f"{path} has a label a frame and does not state their rate; give it with --counted-fps")
        names, background = layout.class_names, layout.background
        found = [annotation_of(video, layout.labels(video), names, background, fps) for video in layout.video_names]
    annotations = [
        replace(one, task=layout.task(one.video), subject=layout.subject(one.video), source=path) for one in found
    ]
    actions = tuple(name for label, name in enumerate(layout.class_names) if label not in layout.background)
    return Source(AnnotationFile(annotations, layout.notices), actions, fps)
