"""`protas-gtcc evaluate`: run directory or prediction files -> scores."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import make_console, progress_bars, warn
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.cli.shared.shown_videos import print_test_videos
from protas_gtcc.config import Device
from protas_gtcc.errors import InputError
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX
from protas_gtcc.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Command:
    """Score a run on its test videos, or score prediction files without a model.

    Writes metrics.json, per_class.csv, tables/ and, for a run, predictions.h5 and plots/.
    """

    source: Positional[Path]
    """A run directory, predictions.h5 or predictions.json as `predict` writes them, or a folder of such CSV files."""
    dataset: str | None = None
    """Name or file of the dataset with the true labels; by default the run's. Prediction files need it."""
    split: str | None = None
    """Split whose test videos are scored; by default the run's."""
    feature_set: str | None = None
    """Feature set to predict from; by default the run's."""
    out: Folder | None = None
    """Folder for the results; by default the run's own. Scores of prediction files are only printed without it."""
    task_given: bool = False
    """Give the model the task of each test video, as the dataset has it; by default it is inferred."""
    device: Device = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    pictures: int = 40
    """Number of test videos to draw, beside the classes and the details; 0 draws nothing."""
    parquet: bool = False
    """Also write segments.parquet and videos.parquet: figures of each predicted segment, and of each video, beside the
    truth. Needs the extra [lerobot]."""
    json: bool = False
    """Print the figures as JSON."""
    lag: LagFlag = field(default_factory=LagFlag)

    def run(self) -> None:
        """Score and print."""
        from protas_gtcc.report.tables import print_evaluation

        if self.pictures < 0:
            raise InputError(f"--pictures is {self.pictures}; it must be at least 0")
        run = RunDirectory(self.source)
        is_run = run.config_file.is_file() or run.checkpoint.is_file()
        folder = self.out or (self.source if is_run else None)
        if self.parquet:
            self._require_tables(folder)
        is_again = folder is not None and RunDirectory(folder).metrics.exists()
        evaluation, dataset = self._of_run() if is_run else (self._of_predictions(), None)
        if folder is not None and not self.parquet:
            from protas_gtcc.metrics.prediction_tables import remove_prediction_tables

            remove_prediction_tables(folder, with_truth=True)  # they are of the earlier scores
        if self.json:
            print(json.dumps(evaluation.metrics, allow_nan=False))
        else:
            print_evaluation(evaluation, console := make_console())
            if dataset is not None:
                results = RunDirectory(self.out or self.source)
                print_test_videos(results.predictions, dataset, evaluation.metrics["split"], console)
            if is_again:
                print(f"the earlier scores in {folder} were replaced")

    def _of_run(self) -> tuple[Evaluation, Dataset]:
        from protas_gtcc.inference import choose_device
        from protas_gtcc.runs.evaluate_run import evaluate_run

        run = RunDirectory(self.source)
        config = run.read_config()
        name = self.dataset or config.dataset
        if not name:
            raise InputError(f"{self.source} was imported without a dataset; give --dataset FILE.h5")
        dataset = open_dataset(name, warn(make_console(stderr=True)))
        feature_set = self.feature_set or (config.feature_set if self.dataset is None else None)
        split = self.split or config.split
        dataset.part(split, "test")  # refuses an unknown split
        same_file = dataset.path.resolve() == Path(config.dataset).resolve()
        other = config.dataset and not (same_file and split == config.split)
        if other and self.out is None:
            raise InputError(
                f"{self.source} is a run on split {config.split} of {config.dataset}; "
                "give --out FOLDER for results on anything else"
            )
        with progress_bars() as on_progress:
            device = choose_device(self.device)
            given = self.pictures, self.out, self.task_given, self.lag.lag_seconds
            evaluation = evaluate_run(run, dataset, split, feature_set, device, *given, on_progress)
        if self.parquet:
            results = RunDirectory(self.out or self.source)
            self._write_tables(results.path, results.predictions, dataset, evaluation)
        return evaluation, dataset

    def _of_predictions(self) -> Evaluation:
        from protas_gtcc.dataset.file import Dataset
        from protas_gtcc.dataset.header import is_dataset_file
        from protas_gtcc.metrics.evaluation import evaluate_prediction_files, save_evaluation
        from protas_gtcc.report.detail_files import save_detail_tables

        if not self.source.exists():
            raise InputError(f"no run directory or prediction file {self.source}; correct the path")
        is_index = (self.source / PREDICTIONS_INDEX).is_file()
        if self.source.is_dir() and not is_index and not any(self.source.rglob("*.csv")):
            raise InputError(
                f"{self.source} is neither a run directory (no config.yaml) nor a folder of predictions (no .csv); "
                "correct the path"
            )
        if is_dataset_file(self.source):
            raise InputError(f"{self.source} is a dataset file; name a run directory, or prediction files")
        if self.lag.lag_seconds is not None:
            raise InputError("--lag-seconds is for runs; prediction files are scored as they are: leave it out")
        if self.task_given:
            raise InputError("--task-given is for runs; prediction files are scored as they are: leave it out")
        if self.dataset is None:
            raise InputError("prediction files hold no true labels; give --dataset FILE.h5")
        evaluation = evaluate_prediction_files(self.source, self.dataset, self.split or "1", self.feature_set)
        evaluation = dataclasses.replace(evaluation, metrics={**evaluation.metrics, "predictions": str(self.source)})
        if self.out is not None:
            save_evaluation(evaluation, self.out)
            save_detail_tables(evaluation.metrics, self.out / "tables")
        if self.parquet and self.out is not None:
            self._write_tables(self.out, self.source, Dataset(self.dataset), evaluation)
        return evaluation

    def _require_tables(self, folder: Path | None) -> None:
        from protas_gtcc.storage.parquet import require_parquet

        if folder is None:
            raise InputError("--parquet writes files; give --out FOLDER for them")
        require_parquet(folder / "segments.parquet")

    def _write_tables(self, folder: Path, predictions: Path, dataset: Dataset, evaluation: Evaluation) -> None:
        from protas_gtcc.metrics.prediction_files import open_predictions
        from protas_gtcc.metrics.prediction_tables import Truth, write_prediction_tables
        from protas_gtcc.predictions import PredictionInfo

        own, split = dataset.info, evaluation.metrics["split"]
        files = open_predictions(predictions, own.class_names)
        info = PredictionInfo(own.class_names, own.background, own.fps, own.simulated)
        truth = Truth.of(dataset, split, evaluation.metrics)
        write_prediction_tables(folder, files, info, dataset.part(split, "test"), truth)
