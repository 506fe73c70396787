"""`segments.parquet`: the predicted segments of all videos in one table, a row each, for programs that read columns.

video, start_seconds, end_seconds, label, name   as in `<video>.segments.csv`
progress         reported progress at the last frame; null in the background
confidence       mean probability of the class over the segment's frames; null where there are no probabilities
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.metrics.predicted_segments import predicted_segments
from protas_gtcc.metrics.prediction_files import PredictionFiles
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.parquet import write_parquet_parts

VIDEOS_A_PART = 1000
_TYPES = {
    "video": "string",
    "start_seconds": "float64",
    "end_seconds": "float64",
    "label": "int32",
    "name": "string",
    "progress": "float32",
    "confidence": "float32",
}


def write_segment_table(path: Path, files: PredictionFiles, info: PredictionInfo) -> None:
    """Write the table of all predictions, video by video. Raises `InputError` without pyarrow."""
    write_parquet_parts(path, _parts(files, info), _TYPES)


def _parts(files: PredictionFiles, info: PredictionInfo) -> Iterator[dict[str, list[Any]]]:
    for first in range(0, len(files.video_names), VIDEOS_A_PART):
        columns: dict[str, list[Any]] = {name: [] for name in _TYPES}
        for video in files.video_names[first : first + VIDEOS_A_PART]:
            prediction = files.read(video)
            for segment, confidence in zip(predicted_segments(prediction, info), _confidences(prediction), strict=True):
                for name, value in {"video": video, **vars(segment), "confidence": confidence}.items():
                    columns[name].append(value)
        yield columns


def _confidences(prediction: Prediction) -> list[float | None]:
    """Of each segment."""
    labels, probs = prediction.labels, prediction.probs
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    if probs is None:
        return [None] * len(starts)
    ends = [*starts[1:].tolist(), len(labels)]
    own = np.asarray(probs)[labels, np.arange(len(labels))]
    return [float(own[start:end].mean()) for start, end in zip(starts.tolist(), ends, strict=True)]
