"""Figures of predictions in two tables, for programs that read columns: a row a segment, and a row a video.

    segments.parquet    SEGMENT_COLUMNS; where the truth is known, SEGMENT_TRUTH too
    videos.parquet      VIDEO_COLUMNS; where the truth is known, VIDEO_TRUTH too

Each column has its unit and its meaning in its metadata. What has no value is null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.metrics.lookups import PER_CLASS, LookUps, fit_lookups
from protas_gtcc.metrics.predicted_segments import predicted_segments
from protas_gtcc.metrics.prediction_files import PredictionFiles
from protas_gtcc.metrics.progress import skill
from protas_gtcc.metrics.segmentation import is_action, score_segmentation
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.parquet import Column, has_columns, parquet_parts

SEGMENT_TABLE, VIDEO_TABLE = "segments.parquet", "videos.parquet"
_ERROR = "mean |reported - true progress|"
_NULL = "null in the background, and of models without progress"
SEGMENT_COLUMNS = (
    Column("video", "string", "", "name of the video"),
    Column("start_seconds", "float64", "s", "time of the first frame"),
    Column("end_seconds", "float64", "s", "time of the first frame after the segment"),
    Column("label", "int32", "", "class id"),
    Column("name", "string", "", "name of the class"),
    Column("mean_probability", "float32", "fraction", "mean probability of the class; null without probabilities"),
    Column("progress", "float32", "fraction", f"reported progress at the last frame; {_NULL}"),
    Column("mean_progress", "float32", "fraction", f"mean reported progress; {_NULL}"),
    Column("mean_interval_width", "float32", "fraction", "mean width of the interval of reported progress"),
    Column("remaining_seconds", "float32", "s", "predicted remaining time of the class at the last frame"),
)
SEGMENT_TRUTH = (
    Column("right_frames", "float32", "fraction", "share of the frames whose true class is the segment's"),
    Column("progress_error", "float32", "fraction", f"{_ERROR} over the frames of true actions"),
)
VIDEO_COLUMNS = (
    Column("video", "string", "", "name of the video"),
    Column("seconds", "float64", "s", "length of the video"),
    Column("num_segments", "int32", "", "number of predicted segments, background included"),
    Column("mean_probability", "float32", "fraction", "mean probability of the predicted class"),
    Column("mean_interval_width", "float32", "fraction", "mean width of the interval of reported progress"),
)
VIDEO_TRUTH = (
    Column("acc", "float32", "%", "share of frames whose class is right"),
    Column("edit", "float32", "%", "edit score"),
    Column("f1@50", "float32", "%", "F1 of segments with an overlap of 50 %"),
    Column("progress_error", "float32", "fraction", f"{_ERROR} over the frames of true actions"),
    Column("all_frames_error", "float32", "fraction", f"{_ERROR} over all frames; 0 is true in the background"),
    Column("skill", "float32", "0 to 1, or beyond", "skill, with the errors of this video alone"),
)


@dataclass(frozen=True, eq=False)
class Truth:
    """The true labels of videos, and the look-ups that skill compares with."""

    labels: Callable[[str], np.ndarray]
    """Class ids `[T]` of a video."""
    lookups: LookUps
    counting: str | None
    """The per-class look-up with the least error over all frames, given the true segments."""
    has_progress: bool
    """Whether progress is reported, so that it has errors."""

    @classmethod
    def of(cls, dataset: Dataset, split: str, metrics: Mapping[str, Any]) -> Truth:
        """That of a dataset; the look-ups are those of an evaluation on the split."""
        train = (dataset.labels(name) for name in dataset.part(split, "train"))
        lookups = fit_lookups(train, len(dataset.info.class_names), dataset.info.background)
        scored = {name: (metrics["baselines"].get(name) or {}).get("oracle_segments") for name in PER_CLASS}
        errors = {name: one["all_frames"] for name, one in scored.items() if one and one["all_frames"] is not None}
        counting = min(errors, key=errors.__getitem__, default=None)
        return cls(dataset.labels, lookups, counting, metrics["progress"]["predicted"] is not None)


def write_prediction_tables(
    folder: Path, files: PredictionFiles, info: PredictionInfo, videos: Iterable[str], truth: Truth | None = None
) -> None:
    """Write both tables of these videos; only some videos are in memory. Raises `InputError` without pyarrow."""
    of_segments = SEGMENT_COLUMNS + (SEGMENT_TRUTH if truth else ())
    of_videos = VIDEO_COLUMNS + (VIDEO_TRUTH if truth else ())
    with (
        parquet_parts(folder / SEGMENT_TABLE, of_segments) as add_segments,
        parquet_parts(folder / VIDEO_TABLE, of_videos) as add_video,
    ):
        for video in videos:
            prediction = files.read(video)
            labels = truth.labels(video) if truth else None
            segments = _segments(video, prediction, info, labels, has_errors=truth is not None and truth.has_progress)
            add_segments(segments)
            scores = _scores(video, prediction, info, labels, truth) if truth and labels is not None else {}
            add_video([_video(video, prediction, info, len(segments)) | scores])


def remove_prediction_tables(folder: Path, with_truth: bool = False) -> None:
    """Remove both tables, if they are there and ours; with `with_truth`, only those beside the truth."""
    tables = (SEGMENT_TABLE, SEGMENT_COLUMNS, SEGMENT_TRUTH), (VIDEO_TABLE, VIDEO_COLUMNS, VIDEO_TRUTH)
    for name, columns, beside_truth in tables:
        if (folder / name).exists() and has_columns(folder / name, beside_truth if with_truth else columns):
            (folder / name).unlink(missing_ok=True)


def _segments(
    video: str, prediction: Prediction, info: PredictionInfo, labels: np.ndarray | None, has_errors: bool
) -> list[dict[str, Any]]:
    predicted, remaining = prediction.labels, prediction.remaining_seconds
    starts = np.flatnonzero(np.append(True, predicted[1:] != predicted[:-1]))
    lengths = np.diff(np.append(starts, len(predicted)))
    last = starts + lengths - 1
    # A model without progress reports 0 at every frame.
    is_reported = prediction.progress is not None or prediction.reported.any()
    with_progress = is_action(predicted[starts], info.background) & is_reported

    def means(values: np.ndarray | None, where: np.ndarray | None = None) -> np.ndarray:
        """Of each segment, over the frames `where`; NaN over none."""
        if values is None:
            return np.full(len(starts), np.nan)
        counts = lengths if where is None else np.add.reduceat(where.astype(np.int64), starts)
        sums = np.add.reduceat(np.where(True if where is None else where, values, 0).astype(np.float64), starts)
        with np.errstate(invalid="ignore"):
            return sums / counts

    columns = {
        "mean_probability": means(prediction.probability),
        "progress": np.where(with_progress, prediction.reported[last], np.nan),
        "mean_progress": np.where(with_progress, means(prediction.reported), np.nan),
        "mean_interval_width": means(_widths(prediction)),
        "remaining_seconds": means(None) if remaining is None else remaining[last],
    }
    if labels is not None:
        errors = np.abs(prediction.reported - progress_target(labels, info.background))
        columns["right_frames"] = means(labels == predicted)
        if has_errors:
            columns["progress_error"] = means(errors, is_action(labels, info.background))
    return [
        {"video": video, **vars(segment)} | {name: _known(values[number]) for name, values in columns.items()}
        for number, segment in enumerate(predicted_segments(prediction, info))
    ]


def _video(video: str, prediction: Prediction, info: PredictionInfo, num_segments: int) -> dict[str, Any]:
    widths = _widths(prediction)
    return {
        "video": video,
        "seconds": len(prediction.labels) / info.fps,
        "num_segments": num_segments,
        "mean_probability": _known(prediction.probability.mean()),
        "mean_interval_width": None if widths is None else _known(widths.mean()),
    }


def _scores(
    video: str, prediction: Prediction, info: PredictionInfo, labels: np.ndarray, truth: Truth
) -> dict[str, Any]:
    target, actions = progress_target(labels, info.background), is_action(labels, info.background)
    errors = np.abs(prediction.reported - target)
    scores = score_segmentation([(prediction.labels, labels)], info.background)
    found = {name: _known(scores[name]) for name in ("acc", "edit", "f1@50")}
    if not truth.has_progress:
        return found
    found["progress_error"] = _known(errors[actions].mean()) if actions.any() else None
    found["all_frames_error"] = _known(errors.mean())
    if truth.counting is not None and actions.any():
        names = truth.lookups.names
        lookups = np.abs(truth.lookups.report(labels, video) - target).mean(axis=1)
        constant, counting = (lookups[[names.index(name)]] for name in ("best_constant", truth.counting))
        found["skill"] = _known(skill(errors.mean(keepdims=True), constant, counting).item())
    return found


def _widths(prediction: Prediction) -> np.ndarray | None:
    return None if prediction.interval is None else prediction.interval[1] - prediction.interval[0]


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
