"""The run directory, which holds everything about one run.

config.yaml               the complete configuration
checkpoint.safetensors    the model, with all that predicting needs
last/state.safetensors    what --resume needs
log.csv, events.*         losses and scores of every epoch (TensorBoard reads the events)
task_graph.json           the task graph, counted on the training transcripts
metrics.json, per_class.csv, predictions.h5, tables/, plots/    the evaluation
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from protas_gtcc.config import RunConfig, flat_settings
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.checkpoints import CHECKPOINT, read_fact
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.storage.yaml_configs import from_yaml, to_yaml

Row = dict[str, int | float]
"""An epoch's row of log.csv."""


class RunDirectory:
    """Paths and files of a run."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.checkpoint = self.path / CHECKPOINT
        self.state = self.path / "last" / "state.safetensors"
        self.log = self.path / "log.csv"
        self.task_graph = self.path / "task_graph.json"
        self.metrics = self.path / "metrics.json"
        self.predictions = self.path / "predictions.h5"
        self.tables = self.path / "tables"
        self.plots = self.path / "plots"

    def require_new(self) -> None:
        """Raise `InputError` if a run is there already."""
        if self.config_file.exists() or self.checkpoint.exists():
            raise InputError(f"{self.path} already holds a run; give another --out, or --resume {self.path}")

    def start(self, config: Any) -> None:
        """Make the folder for a new run with its configuration. Raises as `require_new` does."""
        try:
            write_text(self.config_file, to_yaml(config), exclusive=True)
        except FileExistsError:
            self.require_new()

    def only_writer(self) -> AbstractContextManager[int | None]:
        """Hold the folder against other trainings. Raises `InputError` if there is one."""
        return only_writer(self.path / "run", wait=False)

    def config_text(self) -> str:
        """The text of config.yaml. Raises `InputError` if there is none."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path} is not a run directory: it has no config.yaml; correct the path")
        try:
            return self.config_file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.config_file} is not text: {error}; train again") from error

    def read_config(self) -> RunConfig:
        """The run's configuration. Raises `InputError` if there is no run of the progress network here."""
        text = self.config_text()
        if re.search(r"^alignment:", text, re.MULTILINE):
            raise InputError(f"{self.path} is an alignment run, not a run of the progress network: leave it out")
        return from_yaml(text, str(self.config_file), RunConfig)

    def read_settings(self) -> dict[str, Any]:
        """Every setting of the run, by its flag's name. Raises `InputError` if there is no run here."""
        return flat_settings(self.read_config())

    def is_finished(self) -> bool:
        """Whether it is trained and evaluated."""
        return self.is_trained() and self.metrics.is_file()

    def is_trained(self) -> bool:
        """Whether training is over: every epoch done, or patience run out, and the filter calibrated.

        An imported model has no log.
        """
        if not self.log.is_file():
            return self.checkpoint.is_file()
        settings = self.read_settings()
        if not is_over(self.read_log(), settings["epochs"], settings["patience"]):
            return False
        return not (self.checkpoint.is_file() and read_fact(self.checkpoint, "awaits_calibration"))

    def begin_log(self, columns: Iterable[str]) -> None:
        """Write log.csv without a row: until there is one, a checkpoint beside it is no model."""
        write_text(self.log, ",".join(columns) + "\n")

    def write_log(self, rows: Sequence[Mapping[str, int | float]]) -> None:
        """Replace log.csv by one row an epoch, and at least one."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.log, text.getvalue())

    def read_log(self) -> list[Row]:
        """The rows of log.csv. Raises `InputError` if it is damaged."""
        try:
            with self.log.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file, strict=True))
            if any(None in row or None in row.values() for row in rows):
                raise ValueError("a row is longer or shorter than the first one")
            return [
                {name: int(text) if text.isdecimal() else float(text) for name, text in row.items()} for row in rows
            ]
        except (ValueError, TypeError, csv.Error) as error:
            raise InputError(f"{self.log} is no table of epochs ({str(error).splitlines()[0]}); train again") from error


def is_over(rows: Sequence[Row], epochs: int, patience: int) -> bool:
    """Whether every epoch is done, or patience has run out."""
    return len(rows) >= epochs or 0 < patience <= epochs_since_best(rows)


def epochs_since_best(rows: Sequence[Row]) -> int:
    """Epochs after the one that validates best; 0 without validation, where the last one counts."""
    scores = [row["validation_score"] for row in rows if "validation_score" in row]
    # A score that is no number is worse than any.
    ranked = [-math.inf if math.isnan(score) else score for score in scores]
    return len(ranked) - 1 - ranked.index(max(ranked)) if ranked else 0
