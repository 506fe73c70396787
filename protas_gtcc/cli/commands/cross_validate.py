"""`protas-gtcc cross-validate`: presets, controls and variants on every split -> one table of pooled scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.console import make_console, print_result
from protas_gtcc.cli.shared.parsing import Folder, parse_known
from protas_gtcc.cli.shared.run_arguments import parse_run
from protas_gtcc.cli.shared.run_folders import group_folder
from protas_gtcc.config import Control
from protas_gtcc.errors import InputError

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.training.run_directory import RunDirectory


@dataclass(frozen=True)
class Options:
    """Train and evaluate every preset x control x split x seed, then pool all test videos into one table.

    All other flags are those of 'protas-gtcc run', and hold for every run; they name the folder too, so that commands
    with other flags do not meet there. Finished runs in the folder are used again, unfinished ones continue.
    """

    dataset: str | None = None
    """A dataset file, or a known name; with --runs by default theirs."""
    splits: str | None = None
    """Splits, with commas between; by default all that have test videos."""
    seeds: int = 3
    """Number of seeds, from 0 on."""
    preset: tuple[str, ...] = ("default",)
    """Presets; PRESET:N for another number of seeds."""
    control: tuple[Control, ...] = ("none",)
    """Controls; none is the dataset's own features."""
    variant: tuple[str, ...] = ()
    """Beside each preset, the same with other flags; each is written 'NAME: FLAGS', {seed} for the seed."""
    jobs: int | None = None
    """Runs at once; by default one for each GPU, else as many as the usable cores have room for."""
    out: Folder | None = None
    """Folder for runs and table; by default runs/cv-DATASET, with the other flags in its name."""
    runs: tuple[Folder, ...] = ()
    """Only pool these finished runs. Without --out, the table is printed and not written."""
    json: bool = False
    """Print the content of table.json instead of the table."""


@dataclass(frozen=True)
class Command:
    """The options, and the flags for the runs."""

    options: Options
    flags: tuple[str, ...]

    def run(self) -> None:
        """Train what is missing, pool, print."""
        # torch is slow to import, and --help needs none of it
        from protas_gtcc.cli.shared.launch_display import make_runs, raise_failures
        from protas_gtcc.prepare.known_datasets import open_dataset
        from protas_gtcc.runs.run_grid import RunGrid

        if self.options.runs:
            return self._pool()
        console, options = make_console(stderr=True), self.options
        if options.dataset is None:
            raise InputError("name a dataset with --dataset, or finished runs with --runs")
        dataset = open_dataset(options.dataset, console.print)
        out = options.out or group_folder("cv", dataset, self.flags)
        splits = tuple(dict.fromkeys(options.splits.split(","))) if options.splits else ()
        kinds = (options.preset, options.control, options.variant)
        grid = RunGrid(options.dataset, splits, options.seeds, *kinds, self.flags)
        plans = grid.plan(dataset, out, lambda flags: parse_run(flags, "protas-gtcc cross-validate", "").config)
        finished, failed = make_runs(plans, options.jobs, out, console)
        if finished:
            self._show([plan.run for plan in finished], dataset, out)
        return raise_failures(failed, len(plans), console)

    def _pool(self) -> None:
        from protas_gtcc.prepare.known_datasets import open_dataset
        from protas_gtcc.runs.cross_validation import dataset_of
        from protas_gtcc.training.run_directory import RunDirectory

        if self.flags:
            raise InputError(f"--runs trains nothing: {self.flags[0]} has no meaning with it")
        runs = [RunDirectory(path) for path in self.options.runs]
        dataset = open_dataset(self.options.dataset or dataset_of(runs), make_console(stderr=True).print)
        self._show(runs, dataset, self.options.out)

    def _show(self, runs: Sequence[RunDirectory], dataset: Dataset, out: Path | None) -> None:
        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.report.pooled_table import long_table, markdown
        from protas_gtcc.runs.cross_validation import summarise

        summary: dict[str, Any] = summarise(runs, dataset)
        if out is not None:
            write_tables(out, markdown(summary), long_table(summary), summary)
        print_result(markdown(summary), summary, self.options.json)


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Parse the command's own flags; all others are for the runs."""
    options, flags = parse_known(Options, arguments, prog)
    return Command(options, tuple(flags))
