"""From true labels and predictions to `metrics.json` and `per_class.csv`.

Videos are visited once, one at a time, so a test split larger than memory can be scored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import listed
from protas_gtcc.metrics.details import best_lookups
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.notes import notes_on
from protas_gtcc.metrics.pooling import RowOfProcedure, collect_rows, figures, intervals
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.metrics.video_rows import VideoRows
from protas_gtcc.predictions import Prediction
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.csv_tables import write_csv_table
from protas_gtcc.storage.versions import software_versions


@dataclass(frozen=True)
class EvaluationInfo:
    """What was evaluated; the first entries of `metrics.json`."""

    dataset: str
    split: str
    simulated: bool
    feature_set: str | None = None
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    control: str = "none"
    """What replaced the features, in training and here; see `protas_gtcc.dataset.reader`."""
    task_given: bool = False
    """The true task of each video was given to the model, which then predicts its steps alone."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result: what `metrics.json` and `per_class.csv` hold."""

    metrics: dict[str, Any]
    """Plain numbers; None where a figure is undefined; `notes` gives the reason."""
    per_class: dict[str, np.ndarray]
    """Columns `[C]` in order of class id: name, frames, seconds, segments, accuracy (recall), precision, and progress
    errors of the model and every look-up. They are fractions, NaN where undefined. Simulated data has a column
    `simulated`."""


def evaluate_videos(
    videos: Iterable[tuple[str, np.ndarray, Prediction]],
    training_labels: Iterable[np.ndarray],
    class_names: list[str],
    background: Collection[int],
    info: EvaluationInfo,
    fps: float | None = None,
    notes: Iterable[str] = (),
    people: Mapping[str, str] = MappingProxyType({}),
    true_tasks: Mapping[str, str] = MappingProxyType({}),
    tasks: Sequence[str] = (),
    row_of_procedure: RowOfProcedure | None = None,
) -> Evaluation:
    """Score test videos: (name, true class ids `[T]`, prediction) each, which may come from a generator.

    Look-up predictors are fitted on `training_labels` (class ids `[T]` each); without any, only those that need no
    fitting are scored. `background` are class ids. `people` has the person in each video, by its name, and
    `true_tasks` the task, which the model inferred among `tasks`, unless `info.task_given`. What is reported of
    procedures is scored with `row_of_procedure` alone. Intervals are 95 %, over people where all are known, else over
    videos; figures from fewer than two have none. Raises `InputError`, naming the video, if labels and predictions do
    not fit each other or the classes, or if there is no video.
    """
    lookups = fit_lookups(training_labels, len(class_names), background, info.seed or 0)
    inferred = {} if info.task_given else true_tasks
    given = fps, people, inferred, tasks, row_of_procedure
    rows = collect_rows(videos, lookups, class_names, background, *given, together=True)
    metrics = {
        **asdict(info),
        "num_videos": rows.num_videos,
        "num_people": rows.num_people,
        "best_lookups": best_lookups(rows),
        **figures(rows),
        "intervals": intervals(rows),
    }
    metrics["notes"] = [*notes, *notes_on(rows, background, metrics)]
    return Evaluation(metrics, _per_class_table(rows, metrics, fps))


def evaluate_prediction_files(
    predictions: Path | str,
    dataset: Dataset | Path | str,
    split: str,
    feature_set: str | None = None,
    seed: int | None = None,
    control: str = "none",
    notes: Iterable[str] = (),
    task_given: bool = False,
    row_of_procedure: RowOfProcedure | None = None,
) -> Evaluation:
    """Score prediction files (HDF5, or a folder of CSV) on a prepared dataset's test part; needs no model.

    Procedures are scored with `row_of_procedure` alone, since only a model knows the steps of its tasks. Raises
    `InputError` if a test video has no prediction, or classes differ. Predictions of other videos are left out, with a
    note.
    """
    data = dataset if isinstance(dataset, Dataset) else Dataset(dataset)
    test = data.part(split, "test")
    if feature_set is not None:
        feature_set = data.choose_feature_set(split, feature_set)
    files = open_predictions(predictions, data.info.class_names)
    files.require(test, split)
    unused = sorted(set(files.video_names) - set(test))
    unscored = [f"{len(unused)} predictions of other videos were not scored: {listed(unused)}"] if unused else []
    return evaluate_videos(
        ((name, data.labels(name), files.read(name)) for name in test),
        (data.labels(name) for name in data.part(split, "train")),
        data.info.class_names,
        data.info.background,
        EvaluationInfo(
            data.info.name, split, data.info.simulated, feature_set, seed, software_versions(), control, task_given
        ),
        data.info.fps,
        [*notes, *unscored],
        {name: data.attribute(name, "subject") for name in test},
        {name: data.attribute(name, "task") for name in test},
        files.info.tasks if files.info is not None else (),
        row_of_procedure,
    )


def save_evaluation(evaluation: Evaluation, run_folder: Path | str) -> None:
    """Write `metrics.json` and `per_class.csv` into the folder, each in one step."""
    folder = Path(run_folder)
    write_text(folder / "metrics.json", json.dumps(evaluation.metrics, indent=1, allow_nan=False) + "\n")
    write_csv_table(folder / "per_class.csv", evaluation.per_class)


def _per_class_table(rows: VideoRows, metrics: dict[str, Any], fps: float | None) -> dict[str, np.ndarray]:
    true, predicted, both, segments = rows.frames.sum(axis=0)
    with np.errstate(invalid="ignore"):
        columns: dict[str, np.ndarray] = {
            "name": np.array(rows.class_names, dtype=object),
            "frames": true,
            "seconds": true / fps if fps else np.full(len(true), np.nan),
            "segments": segments,
            "accuracy": both / true,
            "precision": both / predicted,
        }

    def errors(scored: dict[str, Any] | None) -> np.ndarray:
        per_class = scored["per_class"] if scored else {}
        return np.array([per_class.get(name, np.nan) for name in rows.class_names], dtype=np.float64)

    for which in ("predicted", "oracle"):
        columns[f"progress_mae_{which}"] = errors(metrics["progress"][which])
    for which, suffix in (("oracle_segments", "on_true"), ("predicted_segments", "on_predicted")):
        for name, scored in metrics["baselines"].items():
            columns[f"{name}_{suffix}"] = errors(scored[which])
    if metrics["simulated"]:
        columns["simulated"] = np.ones(len(rows.class_names), dtype=bool)
    return columns
