"""`protas-gtcc tune`: a search for settings on held-out people of the training videos -> a preset file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from protas_gtcc.cli.commands import train
from protas_gtcc.cli.shared.console import make_console, print_result, warn
from protas_gtcc.cli.shared.folders import group_folder
from protas_gtcc.cli.shared.launch_display import launch_display, runs_at_once
from protas_gtcc.cli.shared.parsing import Folder, Positional, Rest
from protas_gtcc.config import RunConfig, Text, require_range
from protas_gtcc.errors import InputError, lacks_package, listed, plural
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs.launching import launch
from protas_gtcc.runs.plans import PlannedRun, refuse_single_run_flags
from protas_gtcc.runs.search_space import USUAL, flags_of, own_point, read_space
from protas_gtcc.runs.tuning import Fold, Goal, Trial, Tuning
from protas_gtcc.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset

HELD_OUT = "training videos held out"
"""In the source of a file that `hold-out` wrote."""


@dataclass(frozen=True)
class Command:
    """Search for settings on held-out people of the training videos, and leave the best as a preset file.

    Each trial trains with other settings on every fold of every dataset; the mean score over all folds decides. Test
    videos are not looked at. All other flags are those of 'protas-gtcc run', and hold for every trial. The same command
    again continues; with more --trials, it adds some.
    """

    datasets: Positional[tuple[str, ...]]
    """Dataset files, or known names; several are searched together. The training people of --split are divided into
    folds. Of a file that 'hold-out' wrote, its splits are the folds."""
    split: str = "1"
    """Split whose training people are divided."""
    folds: int = 3
    """Folds of each dataset; of a file that 'hold-out' wrote, at most."""
    trials: int = 20
    """Trials, beside the preset as it is."""
    search: tuple[Text, ...] = USUAL
    """What is searched: NAME=LOW..HIGH or NAME=A,B,C, where NAME is a flag of run."""
    goal: Goal = "skill"
    """The score that is sought."""
    feature_set: str | None = None
    """Features of all runs; by default as in training."""
    jobs: int | None = None
    """Runs at once; by default one for each GPU, else as many as the usable cores have room for."""
    seed: int = 0
    """Seed of the search, the folds and the runs."""
    out: Folder | None = None
    """Folder for trials and results; by default runs/tune-DATASET, with the other flags in its name."""
    json: bool = False
    """Print the results as JSON."""
    flags: Rest = ()

    def __post_init__(self) -> None:
        require_range(self, folds=(1, 1000), trials=(1, 100_000), seed=(0, 2**32 - 1))
        if not self.datasets:
            raise InputError("name a dataset to search on")

    def run(self) -> None:
        """Divide, train what is missing, choose, write and print."""
        try:
            import optuna  # noqa: F401
        except ImportError as error:
            raise lacks_package("tune", error, "tune") from error
        refuse_single_run_flags(self.flags)
        console = make_console(stderr=True)
        opened = [open_dataset(name, warn(console)) for name in self.datasets]
        own = [] if self.feature_set is None else ["--feature-set", self.feature_set]
        flags = [*own, "--seed", str(self.seed), *self.flags]
        out = self.out or group_folder("tune", opened[0], [*self.datasets[1:], f"split{self.split}", *own, *self.flags])
        base = train.Command.parse(flags).config
        space = read_space(self.search, base)
        folds = self._folds(opened, out)

        def plan(trial: Trial, fold: Fold) -> PlannedRun:
            words = ["--dataset", str(fold.dataset), "--split", fold.split, "--title", trial.name]
            words += [*flags, *flags_of(trial.settings)]
            name = f"{trial.name}/{fold.dataset.stem}-split{fold.split}"
            return PlannedRun(name, RunDirectory(out / name), train.Command.parse(words).config, "run", words)

        tuning = Tuning(out, folds, space, self.goal, self.seed, plan, {"flags": flags})
        at_once, gpus = runs_at_once(self.jobs, base.training)
        console.print(
            f"{plural(self.trials, 'trial')} of {plural(len(folds), 'run')} at most, in {out}", soft_wrap=True
        )
        with launch_display(console) as display:
            first = tuning.start(self.trials, at_once, own_point(space, base))
            launch(first, at_once, gpus, display, follow=tuning.follow)
        self._finish(tuning, base, out, console)

    def _folds(self, opened: Sequence[Dataset], out: Path) -> list[Fold]:
        """Held-out people: fold by fold, and in each of them dataset by dataset."""
        stems = [dataset.path.stem for dataset in opened]
        if len({*stems}) < len(stems):
            raise InputError(f"two datasets have one name, of {listed(stems)}; rename a file")
        of_each = [self._folds_of(dataset, out / "held-out" / dataset.path.name) for dataset in opened]
        return [fold for together in zip_longest(*of_each) for fold in together if fold is not None]

    def _folds_of(self, dataset: Dataset, file: Path) -> list[Fold]:
        from protas_gtcc.prepare.hold_out import by_people, write_held_out

        if HELD_OUT in dataset.info.source:
            splits = [name for name, parts in dataset.info.splits.items() if parts.get("test")]
            return [Fold(dataset.path.resolve(), split) for split in splits[: self.folds]]
        try:
            divided, sets = by_people(dataset, self.split, self.folds, self.feature_set, self.seed)
        except InputError as error:
            way_out = f"or divide it first, with hold-out {dataset.path} --across 1 2 3, and tune that file"
            raise InputError(f"{dataset.path}: {error}; {way_out}") from error
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_held_out(dataset, file, divided, sets)
        return [Fold(file.resolve(), split) for split in divided]

    def _finish(self, tuning: Tuning, base: RunConfig, out: Path, console: Console) -> None:
        from protas_gtcc.runs.tuning_summary import markdown, summarise, write_best
        from protas_gtcc.storage.atomic import write_text

        summary = summarise(tuning)
        best = write_best(out, tuning, summary, base)
        write_text(out / "table.md", markdown(summary))
        write_text(out / "table.json", json.dumps(summary, indent=1) + "\n")
        print_result(markdown(summary), summary, self.json)
        if best is not None:
            console.print(f"its settings are a preset: protas-gtcc run --preset {best}", soft_wrap=True)
