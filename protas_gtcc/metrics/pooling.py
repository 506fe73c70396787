"""Rows of sums and counts, one a video, and from them every figure of an evaluation, with its interval.

Predictors of progress come in this order: the reported progress (`predicted`), the progress of the true class
(`oracle`), each look-up given the true segments, each look-up given the predicted segments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.intervals import percentile_interval, resampling_weights
from protas_gtcc.metrics.lookups import LookUps
from protas_gtcc.metrics.progress import ProgressAverages, progress_averages, progress_statistics
from protas_gtcc.metrics.segmentation import check_lengths, segmentation_scores, segmentation_statistics
from protas_gtcc.predictions import Prediction, reported_progress


@dataclass(frozen=True, eq=False)
class VideoRows:
    """What is kept of V videos of C classes, with P predictors of progress."""

    class_names: list[str]
    lookups: tuple[str, ...]
    segmentation: np.ndarray
    """`[V, len(segmentation.STATISTICS)]`."""
    progress: np.ndarray
    """`[V, P, 2 C + progress.NUM_SCALARS]`."""
    frames: np.ndarray
    """`[V, 4, C]`: of each class, its true frames, predicted frames, frames that are both, true segments."""
    has_oracle: bool
    """Whether all predictions hold every class's progress; without it `oracle` has no figures."""
    has_progress: bool
    """Whether any does, or reports some; a model without a progress head has no figures at all."""

    @property
    def num_videos(self) -> int:
        """Number of videos, at least 1."""
        return len(self.segmentation)


def collect_rows(
    videos: Iterable[tuple[str, np.ndarray, Prediction]],
    lookups: LookUps,
    class_names: list[str],
    background: Collection[int],
) -> VideoRows:
    """Visit videos (name, true class ids `[T]`, prediction) once, one at a time.

    Raises `InputError`, naming the video, if labels and prediction do not fit each other or the classes, or
    if there is no video.
    """
    segmentation, progress, frames = [], [], []
    has_oracle, has_progress = True, False
    for name, labels, prediction in videos:
        try:
            _check_classes(labels, prediction, len(class_names))
            segmentation.append(segmentation_statistics(prediction.labels, labels, background))
            reports = np.stack(list(_reports(name, labels, prediction, lookups, background)))
            progress.append(progress_statistics(reports, labels, len(class_names), background))
        except InputError as error:
            raise InputError(f"video {name}: {error}") from error
        frames.append(_count_frames(labels, prediction.labels, len(class_names)))
        has_oracle &= prediction.progress is not None
        has_progress |= prediction.progress is not None or bool(prediction.reported.any())
    if not segmentation:
        raise InputError("there is no test video to score; is the split's test part empty?")
    rows = (np.stack(segmentation), np.stack(progress), np.stack(frames))
    return VideoRows(class_names, lookups.names, *rows, has_oracle, has_progress)


def figures(rows: VideoRows) -> dict[str, Any]:
    """All figures over the videos, nested as in metrics.json; None where undefined."""
    return _map(lambda values: _number(float(values[0])), weighted_figures(rows, np.ones((1, rows.num_videos))))


def intervals(rows: VideoRows, seed: int = 0) -> dict[str, Any]:
    """The same structure with `[low, high]` at 95 %; None for figures about fewer than two videos."""
    num_with_class = (rows.frames[:, 0] > 0).sum(axis=0)
    lone = {name for name, count in zip(rows.class_names, num_with_class, strict=True) if count < 2}

    def interval(values: np.ndarray) -> list[float] | None:
        bounds = percentile_interval(values) if rows.num_videos > 1 else None
        return None if bounds is None else list(bounds)

    return _map(interval, weighted_figures(rows, resampling_weights(rows.num_videos, seed)), without=lone)


def weighted_figures(rows: VideoRows, weights: np.ndarray) -> dict[str, Any]:
    """All figures, `[R]` each, when video v counts `weights[r, v]` times."""
    num_classes, num_predictors = len(rows.class_names), rows.progress.shape[1]
    totals = (weights @ rows.progress.reshape(rows.num_videos, -1)).reshape(len(weights), num_predictors, -1)
    averages = [progress_averages(totals[:, predictor], num_classes) for predictor in range(num_predictors)]
    # Only classes with a true action frame have a figure.
    scored = rows.progress[:, 0, num_classes : 2 * num_classes].sum(axis=0) > 0
    classes = {name: index for index, name in enumerate(rows.class_names) if scored[index]}
    predicted, oracle, *baselines = [_nested(one, classes) for one in averages]
    on_true, on_predicted = baselines[: len(rows.lookups)], baselines[len(rows.lookups) :]
    return {
        "segmentation": segmentation_scores(weights @ rows.segmentation),
        "progress": {
            "predicted": predicted if rows.has_progress else None,
            "oracle": oracle if rows.has_oracle else None,
            "background_false_progress": averages[0].background if rows.has_progress else None,
        },
        "baselines": {
            name: {"oracle_segments": true, "predicted_segments": estimated}
            for name, true, estimated in zip(rows.lookups, on_true, on_predicted, strict=True)
        },
    }


def _nested(averages: ProgressAverages, classes: dict[str, int]) -> dict[str, Any]:
    simple = {name: getattr(averages, name) for name in ("macro", "frame", "video", "segment")}
    return {**simple, "per_class": {name: averages.per_class[:, index] for name, index in classes.items()}}


def _reports(
    name: str, labels: np.ndarray, prediction: Prediction, lookups: LookUps, background: Collection[int]
) -> Iterator[np.ndarray]:
    """Progress `[T]` by every predictor, in the order that the module names."""
    yield prediction.reported
    channels = prediction.progress
    yield np.zeros(len(labels)) if channels is None else reported_progress(channels, labels, background)
    yield from lookups.report(labels, name)
    yield from lookups.report(prediction.labels, name)


def _check_classes(labels: np.ndarray, prediction: Prediction, num_classes: int) -> None:
    check_lengths(prediction.labels, labels)
    for kind, found in (("true", labels), ("predicted", prediction.labels)):
        wrong = (found < 0) | (found >= num_classes)
        if wrong.any():
            frame = int(np.argmax(wrong))
            raise InputError(f"frame {frame}: {kind} class {found[frame]} is not one of {num_classes} classes")
    channels = prediction.progress
    if channels is not None and channels.shape != (num_classes, len(labels)):
        raise InputError(f"progress is {channels.shape}; expected [C, T] = {(num_classes, len(labels))}")


def _count_frames(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    starts = labels[np.append(True, labels[1:] != labels[:-1])]
    counted = (labels, predicted, labels[labels == predicted], starts)
    return np.stack([np.bincount(values, minlength=num_classes) for values in counted])


def _map(function: Callable[[np.ndarray], Any], tree: Any, without: Collection[str] = (), key: str = "") -> Any:
    """Apply a function to every figure of nested dicts; classes in `without` become None in `per_class`."""
    if not isinstance(tree, dict):
        return None if tree is None else function(tree)
    left_out = without if key == "per_class" else ()
    return {name: None if name in left_out else _map(function, branch, without, name) for name, branch in tree.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
