"""The runs that a report compares: their scores, predictions and true labels, found and checked against each other."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed
from protas_gtcc.metrics.lookups import LookUps, fit_lookups
from protas_gtcc.metrics.prediction_files import PredictionFiles, open_predictions
from protas_gtcc.prepare.known_datasets import DATA_FOLDER
from protas_gtcc.training.run_directory import RunDirectory

NEEDED = {"dataset", "split", "simulated", "segmentation", "progress", "baselines", "intervals"}
NEEDED |= {"num_people", "best_lookups", "breakdowns", "curves", "online", "margin"}
"""Entries of metrics.json that the page needs."""
_KINDS = {"dataset": str, "split": str, "simulated": bool, "predictions": str}
"""Of the entries that say what the run is; all others are figures."""
_WAY_OUT = "evaluate the run again"


@dataclass(frozen=True, eq=False)
class EvaluatedRun:
    """One run: a name of its own within the report, and the content of its folder."""

    name: str
    path: Path
    metrics: dict[str, Any]
    predictions: PredictionFiles
    dataset: Dataset
    videos: list[str]
    """Its test videos."""

    @property
    def simulated(self) -> bool:
        """Whether its videos are simulated, or its model has seen nothing else."""
        info = self.predictions.info
        return bool(self.metrics["simulated"] or self.dataset.info.simulated or (info and info.simulated))


def open_runs(folders: Sequence[Path], datasets: Sequence[Path] = ()) -> list[EvaluatedRun]:
    """Open evaluated run directories, each folder once; `datasets` are files to use before those the runs name.

    Raises `InputError` for a folder without metrics.json or predictions, for a run whose dataset file is not found,
    and for one whose predictions do not fit the dataset.
    """
    folders = list({folder.resolve(): folder for folder in folders}.values())
    given = [Dataset(path) for path in datasets]
    opened: dict[Path, Dataset] = {}
    return [
        _open_run(folder, name, given, opened) for folder, name in zip(folders, distinct_names(folders), strict=True)
    ]


def _open_run(folder: Path, name: str, given: list[Dataset], opened: dict[Path, Dataset]) -> EvaluatedRun:
    run = RunDirectory(folder)
    metrics = _read_metrics(run)
    path = run.predictions if run.predictions.is_file() else Path(metrics.get("predictions", run.predictions))
    if not path.exists():
        raise InputError(f"{folder} has no predictions.h5; evaluate it again: 'protas-gtcc evaluate {folder}'")
    predictions = open_predictions(path)
    dataset = _find_dataset(run, metrics, given, opened)
    videos = dataset.part(metrics["split"], "test")
    predictions.require(videos, metrics["split"])
    return EvaluatedRun(name, folder, metrics, predictions, dataset, videos)


def _read_metrics(run: RunDirectory) -> dict[str, Any]:
    if not run.path.is_dir():
        raise InputError(f"no run directory {run.path}; correct the path")
    if not run.metrics.is_file() and run.config_file.is_file() and not run.is_trained():
        raise InputError(f"{run.path} is not finished: go on with --resume, or leave it out")
    if not run.metrics.is_file():
        raise InputError(f"{run.path} was not evaluated (no metrics.json); 'protas-gtcc evaluate {run.path}' does it")
    try:
        metrics = json.loads(run.metrics.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)
        missing = NEEDED - set(metrics)
        json.dumps(metrics, ensure_ascii=False).encode()  # an escape may stand for what no page can have
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{run.metrics} is not whole JSON ({error}); {_WAY_OUT}") from error
    if missing or not isinstance(metrics, dict):
        raise InputError(f"{run.metrics} lacks {listed(sorted(missing))}; {_WAY_OUT}")
    for name, kind in _KINDS.items():
        if not isinstance(metrics.get(name, kind()), kind):
            raise InputError(f"{run.metrics}: {name} cannot be {metrics[name]!r}; {_WAY_OUT}")
    return metrics


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


@contextmanager
def reading_metrics(run: EvaluatedRun) -> Iterator[None]:
    """Turn the error of reading a figure that metrics.json lacks, or has in another form, into `InputError`.

    Nothing else belongs into the block: it would hide programming errors.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        what = f"is not as 'evaluate' writes it ({type(error).__name__}: {error})"
        raise InputError(f"{RunDirectory(run.path).metrics} {what}; {_WAY_OUT}") from error


def _find_dataset(
    run: RunDirectory, metrics: dict[str, Any], given: list[Dataset], opened: dict[Path, Dataset]
) -> Dataset:
    """The given dataset of that name, else the file that the run was trained on."""
    wanted = metrics["dataset"]
    for dataset in given:
        if dataset.info.name == wanted:
            return dataset
    named = run.read_config().dataset if run.config_file.is_file() else ""
    candidates = [Path(named), DATA_FOLDER / f"{named}.h5"] if named else []
    for path in candidates:
        if not path.is_file():
            continue
        dataset = opened.setdefault(path, Dataset(path))
        if dataset.info.name == wanted:
            return dataset
    looked = [*(f"{one.path} (it is {one.info.name})" for one in given), *map(str, candidates[:1])]
    where = f"; looked at {listed(looked)}" if looked else ""
    raise InputError(f"{run.path}: no file of its dataset {wanted!r} is found{where}; give --dataset FILE.h5")


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Names for folders or files: the last parts of each path, as many as make it differ from all others."""
    parts = [folder.resolve().parts for folder in folders]

    def name(own: tuple[str, ...]) -> str:
        for depth in range(1, len(own)):
            if sum(other[-depth:] == own[-depth:] for other in parts) == 1:
                return "/".join(own[-depth:])
        return str(Path(*own))

    return [name(own) for own in parts]


def true_labels(run: EvaluatedRun) -> list[np.ndarray]:
    """Class ids `[T]` of every test video of the run."""
    return [run.dataset.labels(video) for video in run.videos]


def training_lookups(runs: Sequence[EvaluatedRun]) -> list[LookUps]:
    """Of each run the look-ups of its training videos, fitted once for all runs on one dataset and split.

    Without an action in training, they are those that need no fitting.
    """
    parts = [(run.dataset, run.metrics["split"]) for run in runs]
    fitted = {part: _fit(*part) for part in set(parts)}
    return [fitted[part] for part in parts]


def _fit(dataset: Dataset, split: str) -> LookUps:
    info = dataset.info
    training = map(dataset.labels, info.splits[split].get("train", []))
    try:
        return fit_lookups(training, info.num_classes, info.background)
    except InputError:
        return fit_lookups([], info.num_classes, info.background)
