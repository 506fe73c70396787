"""Rows of sums and counts, one a video, and from them every figure of an evaluation, with its interval.

`video_rows.py` says what a row holds and in which order the predictors come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.breakdowns import COUNTS, PARTS, STATISTICS, breakdown_statistics
from protas_gtcc.metrics.certainty import LOOKUP, certainty_statistics
from protas_gtcc.metrics.curves import curve_statistics
from protas_gtcc.metrics.details import detailed_figures
from protas_gtcc.metrics.intervals import percentile_interval, resampling_weights
from protas_gtcc.metrics.lookups import LookUps
from protas_gtcc.metrics.online import finished_statistics, online_statistics
from protas_gtcc.metrics.progress import ProgressAverages, progress_averages, progress_statistics
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import check_lengths, segmentation_scores, segmentation_statistics
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums
from protas_gtcc.predictions import Prediction, reported_progress

Path = tuple[str, ...]
"""Names that lead to a figure in metrics.json."""


def collect_rows(
    videos: Iterable[tuple[str, np.ndarray, Prediction]],
    lookups: LookUps,
    class_names: list[str],
    background: Collection[int],
    fps: float | None = None,
) -> VideoRows:
    """Visit videos (name, true class ids `[T]`, prediction) once, one at a time.

    Raises `InputError`, naming the video, if labels and prediction do not fit each other or the classes, or
    if there is no video.
    """
    rows: list[dict[str, np.ndarray]] = []
    has_oracle, has_progress = True, False
    for name, labels, prediction in videos:
        try:
            _check_classes(labels, prediction, len(class_names))
            reports = np.stack(list(_reports(name, labels, prediction, lookups, background)))
            video = ScoredVideo(labels, prediction.labels, reports, background, fps)
            rows.append(_statistics(video, prediction, lookups, len(class_names)))
        except InputError as error:
            raise InputError(f"video {name}: {error}") from error
        has_oracle &= prediction.progress is not None
        has_progress |= prediction.progress is not None or bool(prediction.reported.any())
    if not rows:
        raise InputError("there is no test video to score; is the split's test part empty?")
    stacked: dict[str, Any] = {family: np.stack([row[family] for row in rows]) for family in rows[0]}
    return VideoRows(class_names, lookups.names, **stacked, has_oracle=has_oracle, has_progress=has_progress, fps=fps)


def figures(rows: VideoRows) -> dict[str, Any]:
    """All figures over the videos, nested as in metrics.json; None where undefined."""

    def number(path: Path, values: np.ndarray) -> float | int | None:
        value = float(values[0])
        return None if np.isnan(value) else int(value) if is_count(path) else value

    return map_figures(number, weighted_figures(rows, np.ones((1, rows.num_videos))))


def intervals(rows: VideoRows, seed: int = 0) -> dict[str, Any]:
    """The same structure with `[low, high]` at 95 %; None for figures about fewer than two videos, and for counts."""
    sampled = weighted_figures(rows, resampling_weights(rows.num_videos, seed))
    return intervals_of(sampled, of_one_video(rows), rows.num_videos)


def intervals_of(sampled: dict[str, Any], lone: set[tuple[str, str]], num_videos: int) -> dict[str, Any]:
    """`[low, high]` of every figure over resamples, `[R]` each; None for counts and for what is in `lone`."""

    def interval(path: Path, values: np.ndarray) -> list[float] | None:
        if num_videos < 2 or is_count(path) or lone.intersection(pairwise(path)):
            return None
        bounds = percentile_interval(values)
        return None if bounds is None else list(bounds)

    return map_figures(interval, sampled)


def weighted_figures(rows: VideoRows, weights: np.ndarray) -> dict[str, Any]:
    """All figures of R samples of videos at once: nested as in metrics.json, float64 `[R]` each.

    `weights` is `[R, V]`: how often sample r holds video v. Ones give the figures of the videos as they are, rows of
    `resampling_weights` those of a bootstrap, zeros and ones those of a part of the videos. NaN where a sample leaves a
    figure undefined; None in place of figures that the predictions do not allow at all. Which look-ups are best is
    decided on the videos of `rows` once each, whatever the weights.
    """
    num_classes = len(rows.class_names)
    totals = weighted_sums(rows.progress, weights)
    averages = [progress_averages(totals[:, predictor], num_classes) for predictor in range(totals.shape[1])]
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
        **detailed_figures(rows, weights, averages),
    }


def _statistics(
    video: ScoredVideo, prediction: Prediction, lookups: LookUps, num_classes: int
) -> dict[str, np.ndarray]:
    """One video's row of every array of `VideoRows`."""
    counting = lookups.names.index(LOOKUP) if LOOKUP in lookups.names else None
    # Look-ups on predicted segments are the last predictors of all.
    lookup = None if counting is None else video.reports[counting - len(lookups.names)]
    return {
        "segmentation": segmentation_statistics(video.estimate, video.labels, video.background),
        "progress": progress_statistics(video.reports, video.labels, num_classes, video.background),
        "frames": _count_frames(video.labels, video.estimate, num_classes),
        "breakdowns": breakdown_statistics(video),
        "curves": curve_statistics(video),
        "online": online_statistics(video),
        "finished": finished_statistics(video),
        "certainty": certainty_statistics(video, prediction, lookup),
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


def of_one_video(rows: VideoRows, videos: Sequence[str] | None = None) -> set[tuple[str, str]]:
    """Classes and parts of breakdowns that fewer than two videos show: the last names of their figures' paths.

    `videos` are the names of the rows' videos, where one may have several rows.
    """
    shown = np.concatenate([rows.frames[:, 0], rows.breakdowns[:, 0, STATISTICS.index("frames")]], axis=1) > 0
    numbers = np.arange(len(shown)) if videos is None else np.unique(videos, return_inverse=True)[1]
    by_video = np.zeros((numbers.max() + 1, shown.shape[1]), dtype=bool)
    np.logical_or.at(by_video, numbers, shown)
    names = [("per_class", name) for name in rows.class_names]
    names += [(name, part) for name, parts in PARTS.items() for part in parts]
    return {name for name, count in zip(names, by_video.sum(axis=0).tolist(), strict=True) if count < 2}


def is_count(path: Path) -> bool:
    """Whether the figure at a path is a whole number, which has no interval."""
    return path[0] == "breakdowns" and path[-1] in COUNTS


def map_figures(function: Callable[[Path, np.ndarray], Any], tree: Any, path: Path = ()) -> Any:
    """Apply a function to the path and values of every figure of nested dicts."""
    if not isinstance(tree, dict):
        return None if tree is None else function(path, tree)
    return {name: map_figures(function, branch, (*path, name)) for name, branch in tree.items()}
