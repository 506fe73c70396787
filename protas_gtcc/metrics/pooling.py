"""Rows of sums and counts, one a video, and from them every figure of an evaluation, with its interval.

`video_rows.py` describes the rows and the order of the predictors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, plural
from protas_gtcc.metrics.breakdowns import breakdown_statistics
from protas_gtcc.metrics.certainty import LOOKUP, certainty_statistics
from protas_gtcc.metrics.curves import curve_statistics
from protas_gtcc.metrics.details import detailed_figures, skill_lookups
from protas_gtcc.metrics.intervals import figure_intervals, figure_values, map_figures
from protas_gtcc.metrics.left_out import leave_out, one_test_each
from protas_gtcc.metrics.limits import is_count, limits_of
from protas_gtcc.metrics.lookups import LookUps
from protas_gtcc.metrics.online import finished_statistics, online_statistics
from protas_gtcc.metrics.procedure import ProcedureRow, weighted_procedures
from protas_gtcc.metrics.progress import AVERAGES, Averages, progress_averages, progress_statistics, skill
from protas_gtcc.metrics.row_sums import RowSums
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import check_lengths, scores_from_sums, segmentation_statistics
from protas_gtcc.metrics.tasks import task_figures, task_statistics
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums
from protas_gtcc.predictions import Prediction, reported_progress
from protas_gtcc.procedure.result import Procedure

RowOfProcedure = Callable[[str, Procedure], ProcedureRow]
"""From a video's name and what was reported of its procedure."""


def collect_rows(
    videos: Iterable[tuple[str, np.ndarray, Prediction]],
    lookups: LookUps,
    class_names: list[str],
    background: Collection[int],
    fps: float | None = None,
    people: Mapping[str, str] = MappingProxyType({}),
    true_tasks: Mapping[str, str] = MappingProxyType({}),
    tasks: Sequence[str] = (),
    row_of_procedure: RowOfProcedure | None = None,
    together: bool = False,
) -> VideoRows:
    """Visit videos (name, true class ids `[T]`, prediction) once, one at a time.

    `people` has the person in each video, by the video's name, where known, and `true_tasks` the task, where it was
    inferred among `tasks`. Procedures are scored by `row_of_procedure`, where all predictions have one. With
    `together`, the rows of many videos are added up, as `row_sums.py` says. Raises `InputError`, naming the video, if
    labels and prediction do not fit each other or the classes, or if there is no video.
    """
    rows, people_known = RowSums(together), all(people.values())
    names, has_procedures = [], row_of_procedure is not None
    has_oracle, has_progress = True, False
    for name, labels, prediction in videos:
        try:
            _check_classes(labels, prediction, len(class_names))
            reports = _reports(name, labels, prediction, lookups, background)
            video = ScoredVideo(labels, prediction.labels, reports, background, fps)
            row: dict[str, Any] = _statistics(video, prediction, lookups, len(class_names))
            row["tasks"] = task_statistics(prediction, true_tasks.get(name, ""), tasks)
            if row_of_procedure is None or prediction.procedure is None:
                has_procedures, row["procedures"] = False, ProcedureRow()
            else:
                row["procedures"] = row_of_procedure(name, prediction.procedure)
            rows.add(row, (people_known and people.get(name)) or name)
            names.append(name)
        except InputError as error:
            raise InputError(f"video {name}: {error}") from error
        has_oracle &= prediction.progress is not None
        has_progress |= prediction.progress is not None or bool(prediction.reported.any())
    if not names:
        raise InputError("there is no test video to score; choose a split that has some")
    stacked = {**rows.stacked(), "is_added_up": rows.is_added_up}
    stacked |= {"has_oracle": has_oracle, "has_progress": has_progress, "fps": fps}
    if not has_procedures:
        stacked["procedures"] = None
    who = tuple(people.get(name, "") for name in names)
    return VideoRows(class_names, lookups.names, tuple(names), who, **stacked)


def figures(rows: VideoRows) -> dict[str, Any]:
    """All figures over the videos, nested as in metrics.json; None where undefined, whole numbers where counted."""
    values = figure_values(weighted_figures(rows, np.ones((1, len(rows.segmentation)))))
    return map_figures(lambda path, value: int(value) if is_count(path) else value, values)


def intervals(rows: VideoRows) -> dict[str, Any]:
    """The same structure with `[low, high]` at 95 %, over people where all are known, else over videos.

    None for counts, and for figures that fewer than two people (or videos) show.
    """
    (weights,), groups = leave_out(one_test_each(rows.row_clusters))
    return figure_intervals(weighted_figures(rows, weights), groups, limits_of)


def weighted_figures(rows: VideoRows, weights: np.ndarray) -> dict[str, Any]:
    """All figures of R samples of videos at once: nested as in metrics.json, float64 `[R]` each.

    `weights` is `[R, V]`: how often sample r holds video v, or the videos of row v. Ones give the figures of the videos
    as they are, zeros and ones those of a part of the videos. NaN where a figure is undefined in a sample; None for
    figures that the predictions do not allow at all. The best look-ups are chosen on the videos of `rows`, each counted
    once, whatever the weights.
    """
    num_classes = len(rows.class_names)
    totals = weighted_sums(rows.progress, weights)
    averages = [progress_averages(totals[:, predictor], num_classes) for predictor in range(totals.shape[1])]
    nested = _progress_figures(rows, averages)
    lookups = rows.by_lookup(nested)
    return {
        "segmentation": scores_from_sums(weights @ rows.segmentation),
        "progress": {
            "predicted": nested[0] if rows.has_progress else None,
            "oracle": nested[1] if rows.has_oracle else None,
            "background_false_progress": averages[0]["background"] if rows.has_progress else None,
        },
        "baselines": {
            name: {segments: lookups[segments][name] for segments in ("oracle_segments", "predicted_segments")}
            for name in rows.lookups
        },
        **detailed_figures(rows, weights, averages),
        **({"task": task_figures(weights @ rows.tasks)} if rows.tasks.any() else {}),
        **_procedure_figures(rows, weights),
    }


def _procedure_figures(rows: VideoRows, weights: np.ndarray) -> dict[str, Any]:
    if rows.procedures is None:
        return {}
    assert rows.fps is not None  # procedures are reported in seconds
    return {"procedure": weighted_procedures(rows.procedures, weights, rows.fps)}


def _progress_figures(rows: VideoRows, averages: list[Averages]) -> list[dict[str, Any]]:
    """Of every predictor the averages, R² and skill, `[R]` each, and the errors by class."""
    num_classes, references = len(rows.class_names), skill_lookups(rows)
    # Only classes with a true action frame have a figure.
    scored = rows.progress[:, 0, num_classes : 2 * num_classes].sum(axis=0) > 0
    classes = {name: index for index, name in enumerate(rows.class_names) if scored[index]}

    def skill_of(one: Averages) -> np.ndarray | None:
        if references is None:
            return None
        constant, given_truth = (averages[number]["all_frames"] for number in references)
        # Without an action there is nothing to count.
        return np.where(np.isnan(one["frame"]), np.nan, skill(one["all_frames"], constant, given_truth))

    return [
        {name: one[name] for name in AVERAGES}
        | {"skill": skill_of(one), "r2": one["r2"]}
        | {"per_class": {name: one["per_class"][:, index] for name, index in classes.items()}}
        for one in averages
    ]


def _statistics(
    video: ScoredVideo, prediction: Prediction, lookups: LookUps, num_classes: int
) -> dict[str, np.ndarray]:
    """One video's row of every array of `VideoRows`."""
    # Look-ups on predicted segments are the last of all predictors.
    on_predicted = dict(zip(lookups.names, video.reports[-len(lookups.names) :], strict=True))
    return {
        "segmentation": segmentation_statistics([(video.estimate, video.labels)], video.background)[0],
        "progress": progress_statistics(video.reports, video.labels, num_classes, video.background),
        "frames": _count_frames(video.labels, video.estimate, num_classes),
        "breakdowns": breakdown_statistics(video),
        "curves": curve_statistics(video),
        "online": online_statistics(video),
        "finished": finished_statistics(video),
        "certainty": certainty_statistics(video, prediction, on_predicted.get(LOOKUP)),
    }


def _reports(
    name: str, labels: np.ndarray, prediction: Prediction, lookups: LookUps, background: Collection[int]
) -> np.ndarray:
    """Progress by every predictor, in the order that `video_rows.py` gives, `[P, T]`."""
    channels = prediction.progress
    oracle = np.zeros(len(labels)) if channels is None else reported_progress(channels, labels, background)
    on_true, on_predicted = (lookups.report(segments, name) for segments in (labels, prediction.labels))
    return np.stack([prediction.reported, oracle, *on_true, *on_predicted])


def _check_classes(labels: np.ndarray, prediction: Prediction, num_classes: int) -> None:
    check_lengths(prediction.labels, labels)
    for kind, found in (("true", labels), ("predicted", prediction.labels)):
        wrong = (found < 0) | (found >= num_classes)
        if wrong.any():
            frame = int(np.argmax(wrong))
            what = f"{kind} class {found[frame]} is not one of {plural(num_classes, 'class')}"
            raise InputError(f"frame {frame}: {what}; use ids 0 to {num_classes - 1}")
    channels = prediction.progress
    if channels is not None and channels.shape != (num_classes, len(labels)):
        raise InputError(f"progress is {channels.shape}; expected [C, T] = {(num_classes, len(labels))}")


def _count_frames(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    starts = labels[np.append(True, labels[1:] != labels[:-1])]
    counted = (labels, predicted, labels[labels == predicted], starts)
    return np.stack([np.bincount(values, minlength=num_classes) for values in counted])
