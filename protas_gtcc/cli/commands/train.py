"""`protas-gtcc train`: dataset file -> run directory with a trained model.

The flags are the fields of `RunConfig`: the preset (or the run to resume) gives the values that flags then override.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from protas_gtcc.cli.shared.console import is_first_process, make_console, warn
from protas_gtcc.cli.shared.folders import free_run_folder
from protas_gtcc.cli.shared.parsing import Folder, parse_resumable
from protas_gtcc.config import RunConfig, preset_title
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.storage.preset_files import read_preset
from protas_gtcc.training.callbacks import training_callbacks
from protas_gtcc.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command:
    """Train a model on one split of a dataset and leave a run directory.

    'protas-gtcc evaluate' scores it; 'protas-gtcc run' does both.
    """

    verb: ClassVar[str] = "train"
    config: RunConfig
    out: Folder | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, settings and seed."""
    resume: Folder | None = None
    """Continue this run after its last finished epoch; all other settings are the run's own."""
    json: bool = False
    """Print the results as JSON."""

    @classmethod
    def parse(cls, arguments: Sequence[str], prog: str = "protas-gtcc train") -> Command:
        """Parse flags on top of the preset's, or of the resumed run's, settings."""
        return parse_resumable(cls, arguments, prog, _preset_of, lambda path: RunDirectory(path).read_config())

    def run(self) -> None:
        """Train, or resume a run."""
        console = make_console(stderr=self.json)
        run, _, config = self.train(console)
        if self.json and is_first_process():
            rows = run.read_log()
            print(json.dumps({"run": str(run.path), "dataset": config.dataset, "epochs": len(rows), "last": rows[-1]}))
        console.print(f"trained: {run.path}")

    def train(self, console: Console, to_evaluate: bool = False) -> tuple[RunDirectory, Dataset, RunConfig]:
        """Train into a new run directory, or resume one; return it with its dataset and its configuration.

        The configuration names the dataset's file, wherever it was found. With `to_evaluate`, a split without test
        videos is refused before training.
        """
        from protas_gtcc.runs.evaluate_run import test_videos
        from protas_gtcc.training.trainer import train

        dataset = open_dataset(self.config.dataset, warn(console))
        if to_evaluate:
            test_videos(dataset, self.config.split, self.config.feature_set)
        config = dataclasses.replace(self.config, dataset=str(dataset.path.resolve()))
        control = None if config.control == "none" else config.control
        parts = (preset_title(config.preset), control, config.feature_set, f"seed{config.training.seed}")
        run = RunDirectory(self.resume or self.out or free_run_folder(dataset, config.split, parts))
        if self.resume is None:
            run.require_new()
        console.print(f"run directory: {run.path}")
        with training_callbacks(console, run, self.verb) as callbacks:
            train(config, dataset, run, callbacks, self.resume is not None)
        return run, dataset, config


def _preset_of(known: Mapping[str, str]) -> RunConfig:
    return read_preset(known.get("preset", "default"))
