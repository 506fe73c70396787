"""`protas-gtcc tune`: a search for settings on held-out people of the training videos -> a preset file."""

from __future__ import annotations

import dataclasses
import json
import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from protas_gtcc.cli.commands import train
from protas_gtcc.cli.shared.console import make_console, print_result, warn
from protas_gtcc.cli.shared.folders import group_folder
from protas_gtcc.cli.shared.parsing import Folder, Positional, Rest
from protas_gtcc.cli.shared.work_lists import WorkFlags, do_jobs
from protas_gtcc.config import MAY_CHANGE, RunConfig, Text, flat_settings, require_range
from protas_gtcc.errors import InputError, lacks_package, listed, plural
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs.plans import PlannedRun, refuse_single_run_flags
from protas_gtcc.runs.search_space import USUAL, flags_of, own_point, read_space
from protas_gtcc.runs.trials import Fold, Goal, Trial
from protas_gtcc.runs.tuning import Tuning
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.work.jobs import Job

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command:
    """Search for settings on held-out people of the training videos, and leave the best as a preset file.

    Each trial trains with other settings on every fold of every dataset; the mean score over the folds decides. No test
    video of the split is used. All other flags are those of 'protas-gtcc run', and hold for every trial. The same
    command again continues, and tries what failed once more; with more --trials, it adds some.
    """

    datasets: Positional[tuple[str, ...]]
    """Dataset files, or known names. Several are searched together, and each counts as much as the others. Of a file
    that 'hold-out' wrote, the splits are the folds."""
    split: str = "1"
    """Split whose training people are divided into folds; of a file that 'hold-out' wrote, the split that was divided,
    or the first one of each pair."""
    folds: int = 3
    """Number of folds of each dataset; a file that 'hold-out' wrote may have fewer, and if it has more, the first are
    taken."""
    trials: int = 20
    """Number of trials. The preset is trained as well."""
    search: tuple[Text, ...] = USUAL
    """Settings that are varied: NAME=LOW..HIGH or NAME=A,B,C, where NAME is a flag of run."""
    goal: Goal = "skill"
    """The score to maximise."""
    feature_set: str | None = None
    """Features of all runs; by default as in training."""
    seed: int = 0
    """Seed of the search, the folds and the runs."""
    out: Folder | None = None
    """Folder for trials and results; by default runs/tune-DATASET, with the other flags in its name."""
    json: bool = False
    """Print the results as JSON."""
    flags: Rest = ()
    work: WorkFlags = field(default_factory=WorkFlags)

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
        refuse_single_run_flags(self.flags, "a search sets it; leave it out")
        if any(word.split("=")[0] == "--dataset" for word in self.flags):
            raise InputError("name the datasets without --dataset: tune FILE, or tune FILE FILE")
        console = make_console(stderr=True)
        opened = [open_dataset(name, warn(console)) for name in self.datasets]
        base = train.Command.parse(self._all_flags).config
        space = read_space(self.search, base, self.flags)
        out = self.out or group_folder("tune", opened[0], self._named_by())
        with only_writer(out / "search", wait=False):
            tuning = Tuning(
                out,
                self._folds(opened, out),
                space,
                self.goal,
                self.trials,
                lambda trial, fold: self._plan(trial, fold, base, out),
                own_point(space, base),
                {"settings": _kept_settings(base), "datasets": [_described(one) for one in opened]},
                self.seed,
            )
            runs = plural(len(tuning.folds), "run")
            console.print(f"{plural(self.trials, 'trial')} of {runs} at most, and the preset, in {out}", soft_wrap=True)
            self._search(tuning, base, out, console)
            self._finish(tuning, base, opened, out, console)

    def _search(self, tuning: Tuning, base: RunConfig, out: Path, console: Console) -> None:
        """Make the runs that the search asks for, one after the other's end."""
        like_all = PlannedRun("preset", RunDirectory(out / "preset"), base, "run", []).job()
        engine = self.work.engine(out, like_all)
        plans: dict[str, PlannedRun] = {}

        def jobs_of(runs: Sequence[PlannedRun]) -> list[Job]:
            plans.update({plan.name: plan for plan in runs})
            return [plan.job() for plan in runs]

        def next_jobs(job: Job, failure: str | None) -> list[Job]:
            return jobs_of(tuning.next_runs(plans[job.name], failure))

        # What is left is not known: a trial may be stopped.
        do_jobs(jobs_of(tuning.first_runs(engine.workers)), engine, out, console, next_jobs, with_time_left=False)

    @property
    def _all_flags(self) -> list[str]:
        features = [] if self.feature_set is None else ["--feature-set", self.feature_set]
        return [*features, "--seed", str(self.seed), *self.flags]

    def _named_by(self) -> list[str]:
        """What the default folder is named by: other datasets, and all flags that are not at their default."""
        words = [*self.datasets[1:], f"split{self.split}"]
        for one in dataclasses.fields(self):
            if one.name in ("folds", "search", "goal", "feature_set", "seed"):
                value = getattr(self, one.name)
                words += [f"{one.name}{value}"] if value != one.default else []
        return [*words, *self.flags]

    def _plan(self, trial: Trial, fold: Fold, base: RunConfig, out: Path) -> PlannedRun:
        words = [*self._all_flags, "--dataset", str(fold.dataset), "--split", fold.split, "--title", trial.name]
        words += flags_of(trial.settings, base)
        name = f"{trial.name}/{fold.dataset.stem}-split{fold.split}"
        return PlannedRun(name, RunDirectory(out / name), train.Command.parse(words).config, "run", words)

    def _folds(self, opened: Sequence[Dataset], out: Path) -> list[Fold]:
        """Held-out people: round by round, and in each of them dataset by dataset."""
        if len({dataset.path.stem for dataset in opened}) < len(opened):
            files = listed(dataset.path for dataset in opened)
            raise InputError(f"of {files}, two have the same name; rename a file")
        if len({dataset.info.simulated for dataset in opened}) > 1:
            raise InputError("some datasets are simulated and some are not; search on them apart")
        of_each = [self._folds_of(dataset, out / "held-out" / dataset.path.name) for dataset in opened]
        return [fold for together in zip_longest(*of_each) for fold in together if fold is not None]

    def _folds_of(self, dataset: Dataset, file: Path) -> list[Fold]:
        from protas_gtcc.dataset.file import Dataset as OpenedDataset
        from protas_gtcc.prepare.hold_out import HELD_OUT, by_people, write_held_out

        if HELD_OUT in dataset.info.source:
            splits = [name for name in dataset.info.splits if name.startswith(f"{self.split}-")]
            if not splits:
                known = listed(dataset.info.splits)
                raise InputError(f"{dataset.path} holds out no videos of split {self.split}, but {known}; give --split")
            return [Fold(dataset.path.resolve(), split, number) for number, split in enumerate(splits[: self.folds])]
        try:
            divided, sets = by_people(dataset, self.split, self.folds, self.feature_set, self.seed)
        except InputError as error:
            tied = "--across" in str(error)
            way_out = "; --across is of hold-out, whose file can be searched on" if tied else ""
            where = "" if str(dataset.path) in str(error) else f"{dataset.path}: "
            raise InputError(f"{where}{error}{way_out}") from error
        if not file.is_file() or OpenedDataset(file).info.splits != divided:
            if (file.parents[1] / "search.json").is_file():
                there = f"{file.parents[1]} has a search on other folds of {dataset.path}"
                raise InputError(
                    f"{there}; give another --out, or --split, --folds, --seed and --feature-set of before"
                )
            file.parent.mkdir(parents=True, exist_ok=True)
            write_held_out(dataset, file, divided, sets)
        return [Fold(file.resolve(), split, number) for number, split in enumerate(divided)]

    def _finish(self, tuning: Tuning, base: RunConfig, opened: Sequence[Dataset], out: Path, console: Console) -> None:
        from protas_gtcc.runs.tuning_summary import markdown, summarise, write_best
        from protas_gtcc.storage.atomic import write_text

        summary = summarise(tuning, opened[0].info.simulated)
        command = shlex.join(self._command(opened[0], base, out / "best.yaml"))
        best = write_best(out, tuning, summary, base, command)
        summary["preset_file"] = None if best is None else str(best)
        write_text(out / "table.md", markdown(summary))
        write_text(out / "table.json", json.dumps(summary, indent=1) + "\n")
        print_result(markdown(summary), summary, self.json)
        if best is not None:
            console.print(f"its settings are a preset: {command}", soft_wrap=True)

    def _command(self, dataset: Dataset, base: RunConfig, preset: Path) -> list[str]:
        """What trains with the best settings, on the features and with the graphs of the search."""
        from protas_gtcc.prepare.hold_out import HELD_OUT

        held_out = HELD_OUT in dataset.info.source
        words = {
            "--dataset": None if held_out else str(dataset.path),
            "--split": None if held_out else self.split,
            "--feature-set": base.feature_set,
            "--graphs": base.graphs,
            "--preset": str(preset),
        }
        given = [(flag, value) for flag, value in words.items() if value is not None]
        return ["protas-gtcc", "run", *(word for pair in given for word in pair)]


def _kept_settings(base: RunConfig) -> dict[str, Any]:
    """The settings that must be those of before when a search continues."""
    settings = flat_settings(base)
    return {name: value for name, value in settings.items() if name not in ("dataset", "split", "preset", *MAY_CHANGE)}


def _described(dataset: Dataset) -> list[Any]:
    """What shows that a dataset is another one: its size, labels, splits and feature sets, wherever the file is."""
    labels = b"".join(dataset.labels(video).astype("<i4").tobytes() for video in dataset.video_names)
    sets = {name: str(one) for name, one in dataset.feature_sets.items()}
    facts = json.dumps([dataset.num_frames, dataset.info.splits, sets])
    return [dataset.path.name, dataset.path.stat().st_size, zlib.crc32(labels), zlib.crc32(facts.encode())]
