"""`protas-gtcc heads`: train scalar progress heads, and compare them with look-ups and per-class models."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import make_console, print_result, progress_bars
from protas_gtcc.cli.shared.parsing import File, Folder
from protas_gtcc.cli.shared.run_folders import free_run_folder
from protas_gtcc.config import Control
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import VERSIONS, HeadTraining

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command:
    """Train scalar heads on frozen features and score them beside look-ups and per-class models.

    The table is written after every row, so an interrupted command keeps its rows.
    """

    dataset: str
    """A dataset file, or a known name."""
    split: str = "1"
    """Split to train and test on."""
    feature_set: tuple[str, ...] = ()
    """Feature sets to train heads on; by default those tied to the split, else `features`."""
    heads: tuple[str, ...] = tuple(VERSIONS)
    """Heads by name, ARCHITECTURE-LOSS or a published version; by default all of them."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    runs: tuple[Folder, ...] = ()
    """Run directories of per-class models on this dataset and split, for rows of their own."""
    joint: tuple[Folder, ...] = ()
    """Run directories of 'align --head' on this dataset and split; runs that differ in seed alone are one row."""
    published: tuple[File, ...] = ()
    """Checkpoints with a published GRU head, which is applied to the feature sets."""
    control: Control = "none"
    """Replace the features, to see how much a head depends on them; with noise it can only count frames."""
    training: HeadTraining = field(default_factory=HeadTraining)
    out: Folder | None = None
    """Folder for the table; by default a new one under runs/, named by dataset and split."""
    json: bool = False
    """Print the rows as JSON."""

    def __post_init__(self) -> None:
        if self.training.seed != HeadTraining.seed:
            raise InputError("--seed is for one head; here, give --seeds")

    def run(self) -> None:
        """Train, score, print and write."""
        # torch is slow to import, and --help needs none of it
        import torch

        from protas_gtcc.prepare.known_datasets import open_dataset

        torch.set_num_threads(1)
        console = make_console(stderr=True)
        dataset = open_dataset(self.dataset, lambda text: console.print(text, style="bold yellow"))
        self._compare(dataset, self.out or free_run_folder(dataset, self.split, ["heads"]))

    def _compare(self, dataset: Dataset, out: Path) -> None:
        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.report.head_table import long_table, markdown
        from protas_gtcc.runs.head_comparison import HeadComparison

        others = {name: getattr(self, name) for name in ("control", "runs", "joint", "published")}
        comparison = HeadComparison(self.split, self.feature_set, self.heads, self.seeds, self.training, **others)
        console, rows, table = make_console(stderr=True), [], ""
        with progress_bars() as on_progress:
            for row in comparison.rows(dataset, console.print, functools.partial(on_progress, "heads")):
                rows.append(row)
                table = comparison.heading(dataset) + markdown(rows)
                write_tables(out, table, long_table(rows))
        print_result(table, [asdict(row) for row in rows], self.json)
        console.print(f"written: {out / 'table.md'}, {out / 'table.csv'}", highlight=False, soft_wrap=True)
