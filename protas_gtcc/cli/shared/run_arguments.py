"""The flags of a run, shared by `protas-gtcc train` and `experiments/run.py`.

They are the fields of `RunConfig`: the preset (or the run to resume) gives the values that flags then override. Where
simulated procedures stand in for a dataset, the default preset's training is cut to what takes minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import PRESETS, SECTIONS, WHERE_COMPUTED, RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.prepare.known_datasets import hurried, open_dataset, stands_in
from protas_gtcc.runs.evaluate_run import test_videos
from protas_gtcc.training.callbacks import Callback, ProgressBar, TensorBoardLog
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train

RUNS_FOLDER = Path("runs")


@dataclass(frozen=True)
class RunArguments:
    """Train a model on one split of a dataset."""

    config: Annotated[RunConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run directory to make; by default a new one under runs/, named by dataset, split, settings and seed."""
    resume: Path | None = None
    """Go on with this run from its last finished epoch; every other setting is the run's own."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print what came out as JSON."""


def parse_run(arguments: Sequence[str], prog: str, description: str) -> RunArguments:
    """Parse flags on top of the preset's, or of the resumed run's, values."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--preset", default="default")
    first.add_argument("--resume", type=Path)
    first.add_argument("--dataset", default=RunConfig.dataset)
    try:
        known, _ = first.parse_known_args(arguments)
    except argparse.ArgumentError:
        known = argparse.Namespace(preset="default", resume=None, dataset="")  # tyro will say what is wrong
    base = PRESETS.get(known.preset, PRESETS["default"])
    if stands_in(known.dataset) and base.preset == "default":
        base = hurried(base)
    if known.resume is not None:
        base = RunDirectory(known.resume).read_config()
    parsed = parse(RunArguments, arguments, prog, description, RunArguments(base))
    if known.resume is not None:
        _require_unchanged(base, parsed)
    return parsed


def train_run(
    arguments: RunArguments, console: Console, to_evaluate: bool = False
) -> tuple[RunDirectory, Dataset, RunConfig]:
    """Open the dataset, train into a new directory or go on in the one to resume, and say where it is.

    The configuration that comes back, and is kept, names the dataset's file, wherever it was found. A run `to_evaluate`
    is refused before it trains if there is nothing to test it on.
    """
    dataset = open_dataset(arguments.config.dataset, lambda text: console.print(text, style="bold yellow"))
    if to_evaluate:
        test_videos(dataset, arguments.config.split, arguments.config.feature_set)
    config = dataclasses.replace(arguments.config, dataset=str(dataset.path.resolve()))
    run = RunDirectory(arguments.resume or arguments.out or _free_name(config, dataset))
    console.print(f"run directory: {run.path}", highlight=False)
    if stands_in(arguments.config.dataset) and config.preset == "default":
        set_ = config.training
        settings = f"{set_.epochs} epochs, batches of {set_.batch_size}, learning rate {set_.lr:g}, {set_.schedule}"
        console.print(f"training is shortened to a few minutes: {settings}", highlight=False)
    try:
        train(config, dataset, run, training_callbacks(console, run), arguments.resume is not None)
    except KeyboardInterrupt:
        if run.state.is_file():
            console.print(f"finished epochs are kept: go on with --resume {run.path}", highlight=False)
        raise
    return run, dataset, config


def training_callbacks(console: Console, run: RunDirectory) -> list[Callback]:
    """The progress bar and the TensorBoard log."""
    return [ProgressBar(console), TensorBoardLog(run.path)]


def is_first_process() -> bool:
    """Whether this is the process that writes and prints, under torchrun or alone."""
    return int(os.environ.get("RANK", 0)) == 0


def _require_unchanged(base: RunConfig, parsed: RunArguments) -> None:
    if parsed.out is not None:
        raise InputError("--out and --resume exclude each other: a resumed run stays in its directory")
    for section in SECTIONS:
        before, after = (dataclasses.asdict(getattr(one, section)) for one in (base, parsed.config))
        for name, value in before.items():
            if after[name] != value and name not in WHERE_COMPUTED:
                flag = f"--{name.replace('_', '-')}"
                raise InputError(f"{flag} {after[name]} differs from the run's {value}; start a new run instead")
    for name in ("dataset", "split", "feature_set", "control", "preset"):
        if getattr(parsed.config, name) != getattr(base, name):
            raise InputError(f"--{name.replace('_', '-')} differs from the resumed run's; start a new run instead")


def free_run_folder(dataset: Dataset, split: str, parts: Sequence[str]) -> Path:
    """A folder in runs/ that is not taken, named by dataset file, split and parts, and a number if need be."""
    stem = dataset.path.stem
    simulated = "simulated-" if dataset.info.simulated and "simulated" not in stem else ""
    name = "-".join([f"{simulated}{stem}-split{split}", *parts])
    number, path = 1, RUNS_FOLDER / name
    while path.exists():
        number += 1
        path = RUNS_FOLDER / f"{name}-{number}"
    return path


def _free_name(config: RunConfig, dataset: Dataset) -> Path:
    control = [] if config.control == "none" else [config.control]
    features = [] if config.feature_set is None else [config.feature_set]
    return free_run_folder(dataset, config.split, [config.preset, *control, *features, f"seed{config.training.seed}"])
