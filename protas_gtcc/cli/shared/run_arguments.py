"""The flags of a run, shared by `protas-gtcc run` and `protas-gtcc train`.

They are the fields of `RunConfig`: the preset (or the run to resume) gives the values that flags then override. Where
simulated procedures stand in for a dataset, the default preset's training is cut to what takes minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from protas_gtcc.cli.shared.parsing import Folder, parse_resumable
from protas_gtcc.cli.shared.run_folders import free_run_folder, offer_resume, training_callbacks
from protas_gtcc.config import PRESETS, RunConfig
from protas_gtcc.errors import plural

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class RunArguments:
    """Train a model on one split of a dataset."""

    config: RunConfig
    out: Folder | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, settings and seed."""
    resume: Folder | None = None
    """Continue this run after its last finished epoch; all other settings are the run's own."""
    json: bool = False
    """Print the results as JSON."""


def parse_run(arguments: Sequence[str], prog: str, description: str) -> RunArguments:
    """Parse flags on top of the preset's, or of the resumed run's, values."""

    def read(run: Path) -> RunConfig:
        from protas_gtcc.training.run_directory import RunDirectory

        return RunDirectory(run).read_config()

    return parse_resumable(RunArguments, arguments, prog, description, _preset_of, read)


def train_run(
    arguments: RunArguments, console: Console, to_evaluate: bool = False
) -> tuple[RunDirectory, Dataset, RunConfig]:
    """Train into a new run directory, or resume one; return it with its dataset and its configuration.

    The configuration names the dataset's file, wherever it was found. With `to_evaluate`, a split without test videos
    is refused before training.
    """
    # torch is slow to import, and --help needs none of it
    from protas_gtcc.prepare.known_datasets import open_dataset, stands_in
    from protas_gtcc.runs.evaluate_run import test_videos
    from protas_gtcc.training.run_directory import RunDirectory
    from protas_gtcc.training.trainer import train

    dataset = open_dataset(arguments.config.dataset, lambda text: console.print(text, style="bold yellow"))
    if to_evaluate:
        test_videos(dataset, arguments.config.split, arguments.config.feature_set)
    config = dataclasses.replace(arguments.config, dataset=str(dataset.path.resolve()))
    run = RunDirectory(arguments.resume or arguments.out or _free_folder(config, dataset))
    console.print(f"run directory: {run.path}", highlight=False)
    if stands_in(arguments.config.dataset) and config.preset == "default":
        set_ = config.training
        length = f"{plural(set_.epochs, 'epoch')}, batches of {set_.batch_size}"
        settings = f"{length}, learning rate {set_.lr:g}, {set_.schedule}"
        console.print(f"training is shortened to a few minutes: {settings}", highlight=False)
    with offer_resume(console, run):
        train(config, dataset, run, training_callbacks(console, run), arguments.resume is not None)
    return run, dataset, config


def _preset_of(known: Mapping[str, str]) -> RunConfig:
    from protas_gtcc.prepare.known_datasets import shortened, stands_in

    base = PRESETS.get(known.get("preset", "default"), PRESETS["default"])
    on_stand_in = base.preset == "default" and stands_in(known.get("dataset", RunConfig.dataset))
    return shortened(base) if on_stand_in else base


def _free_folder(config: RunConfig, dataset: Dataset) -> Path:
    control = [] if config.control == "none" else [config.control]
    features = [] if config.feature_set is None else [config.feature_set]
    return free_run_folder(dataset, config.split, [config.preset, *control, *features, f"seed{config.training.seed}"])
