"""`protas-gtcc cross-validate`: presets, controls and variants on every split -> one table of pooled scores."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.commands import train
from protas_gtcc.cli.shared.console import make_console, print_result, warn
from protas_gtcc.cli.shared.folders import group_folder
from protas_gtcc.cli.shared.parsing import Folder, Rest
from protas_gtcc.cli.shared.work_lists import WorkFlags, make_runs
from protas_gtcc.errors import InputError, listed
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs.config import RunGrid
from protas_gtcc.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command(RunGrid):
    """Train and evaluate every preset x control x split x seed, then pool all test videos into one table.

    All other flags are those of 'protas-gtcc run'. They hold for every run, and the folder is named by them too.
    Finished runs in the folder are used again, unfinished ones continue. A terminal shows the main figures, a pipe the
    whole table.
    """

    out: Folder | None = None
    """Folder for runs and table; by default runs/cv-DATASET, with the other flags in its name."""
    runs: tuple[Folder, ...] = ()
    """Only pool these finished runs. Without --out, the table is printed and not written."""
    json: bool = False
    """Print the content of table.json instead of the table."""
    flags: Rest = ()
    work: WorkFlags = field(default_factory=WorkFlags)

    def run(self) -> None:
        """Train what is missing, pool, print."""
        from protas_gtcc.runs.cross_validation import dataset_of
        from protas_gtcc.runs.run_grid import plan_grid

        console, runs = make_console(stderr=True), [RunDirectory(path) for path in self.runs]
        if runs:
            if self.flags:
                raise InputError(f"--runs trains nothing: {self.flags[0]} has no meaning with it; leave it out")
            self._pool(runs, open_dataset(self.dataset or dataset_of(runs), warn(console)), self.out)
            return
        if self.dataset is None:
            raise InputError("name a dataset with --dataset, or finished runs with --runs")
        dataset = open_dataset(self.dataset, warn(console))
        out = self.out or group_folder("cv", dataset, self.flags)
        plans = plan_grid(self, self.flags, dataset, out, lambda flags: train.Command.parse(flags).config)
        make_runs(plans, self.work, out, console, lambda made: self._pool([plan.run for plan in made], dataset, out))

    def _pool(self, runs: Sequence[RunDirectory], dataset: Dataset, out: Path | None) -> None:
        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.report.pooled_table import long_table, main_figures, markdown
        from protas_gtcc.runs.cross_validation import summarise

        summary = summarise(runs, dataset)
        if out is not None:
            summary["notes"] += left_out(out / "table.json", summary["kinds"])
            write_tables(out, markdown(summary), long_table(summary), summary)
        on_terminal = (main_figures(summary), where_all_is(out))
        print_result(markdown(summary), summary, self.json, on_terminal)


def where_all_is(out: Path | None) -> str:
    """A line that names the files with every figure, or says how to get them."""
    if out is None:
        return "All figures: give --out FOLDER for table.md, table.csv and table.json."
    return f"All figures: {out / 'table.md'}, table.csv and table.json."


def left_out(table: Path, kinds: Collection[str]) -> list[str]:
    """A note on the kinds of runs that the table in a folder had before, and that the new one has not."""
    try:
        before = list(json.loads(table.read_text(encoding="utf-8"))["kinds"])
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or it is no table of this command
        return []
    gone = [kind for kind in before if kind not in kinds]
    return [f"the table in this folder had {listed(gone)} too, whose runs are kept"] if gone else []
