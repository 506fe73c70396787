"""The run directory: where everything about one run lies.

config.yaml               the configuration, complete
checkpoint.safetensors    the model; enough alone to predict
last/state.safetensors    what --resume needs
log.csv, events.*         losses and scores of every epoch (TensorBoard reads the events)
task_graph.json           counted on the split's training transcripts
metrics.json, per_class.csv, predictions.h5, tables/, plots/    the evaluation
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from protas_gtcc import config as configuration
from protas_gtcc.config import RunConfig
from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import FORMAT_VERSION, load_tensors, save_tensors
from protas_gtcc.storage.atomic import write_text

STATE_FORMAT = "protas_gtcc training state"


class RunDirectory:
    """Paths and files of a run."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.state = self.path / "last" / "state.safetensors"
        self.log = self.path / "log.csv"
        self.task_graph = self.path / "task_graph.json"
        self.metrics = self.path / "metrics.json"
        self.predictions = self.path / "predictions.h5"
        self.tables = self.path / "tables"
        self.plots = self.path / "plots"

    def start(self, config: Any) -> None:
        """Make the folder for a new run with its configuration. Raises `InputError` if a run is there already."""
        if self.config_file.exists():
            raise InputError(f"{self.path} already holds a run; give another --out, or --resume {self.path}")
        write_text(self.config_file, configuration.to_yaml(config))

    def read_config(self) -> RunConfig:
        """The run's configuration. Raises `InputError` if there is no run here."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path} is not a run directory: it has no config.yaml")
        try:
            text = self.config_file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.config_file} is not text: {error}") from error
        if re.search(r"^alignment:", text, re.MULTILINE):
            raise InputError(f"{self.path} is an alignment (align.py) and not a run of run.py: leave it out")
        return configuration.from_yaml(text, str(self.config_file), RunConfig)

    def read_settings(self) -> dict[str, Any]:
        """Every setting of the run, by its flag's name. Raises `InputError` if there is no run here."""
        return configuration.flat_settings(self.read_config())

    def is_finished(self) -> bool:
        """Whether it is trained and evaluated."""
        return self.is_trained() and self.metrics.is_file()

    def is_trained(self) -> bool:
        """Whether training came to its end: every epoch done, or patience run out. An imported model has no log."""
        if not self.log.is_file():
            return self.checkpoint.is_file()
        settings, rows = self.read_config().training, self.read_log()
        if len(rows) >= settings.epochs or not settings.patience:
            return len(rows) >= settings.epochs
        scores = [row["validation_score"] for row in rows]
        return len(rows) - 1 - scores.index(max(scores)) >= settings.patience

    def write_log(self, rows: Sequence[Mapping[str, int | float]]) -> None:
        """Replace log.csv by one row an epoch."""
        write_text(self.log, pd.DataFrame(rows).to_csv(index=False))

    def read_log(self) -> list[dict[str, int | float]]:
        """The rows of log.csv. Raises `InputError` if it is damaged."""
        try:
            rows = pd.read_csv(self.log).to_dict("records")
        except (OSError, ValueError) as error:
            raise InputError(f"{self.log} is no table of epochs ({str(error).splitlines()[0]}); train again") from error
        return [{str(name): value for name, value in row.items()} for row in rows]

    def save_state(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, facts: Mapping[str, object]
    ) -> None:
        """Write what a resume needs, in one file so that it is always of one moment."""
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        save_tensors(self.state, tensors, {"format": STATE_FORMAT, "format_version": FORMAT_VERSION, **facts})

    def load_state(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        model: Mapping[str, object],
        same: Sequence[str] = (),
    ) -> dict[str, object]:
        """Put network and optimizer back to the last finished epoch; the facts that were saved with them.

        Raises `InputError` if the run was of another `model` (classes, features, fps, and what else must be the
        `same`): its dataset has changed; and if the network was made by another version.
        """
        tensors, facts = load_tensors(self.state, STATE_FORMAT)
        for name in ("class_names", "background", "feature_dim", "fps", "simulated", *same):
            before, now = facts["model"][name], model[name]
            if before != now:
                told = f"was {before} and is {now} now" if len(f"{before}{now}") < 200 else "is another now"
                raise InputError(f"{self.path} cannot be resumed: its dataset's {name} {told}")
        try:
            network.load_state_dict(_under("network.", tensors))
        except RuntimeError as error:
            what = " ".join(str(error).split())[:200]
            raise InputError(f"{self.state} is of another version's network ({what}); start a new run") from error
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, _, slot = name.partition(".")
            state.setdefault(int(index), {})[slot] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return facts


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
