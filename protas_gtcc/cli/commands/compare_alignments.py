"""`protas-gtcc compare-alignments`: alignment losses with several seeds -> one table of scores."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from protas_gtcc.cli.shared.align_arguments import parse_align
from protas_gtcc.cli.shared.console import make_console, print_result, progress_bars
from protas_gtcc.cli.shared.parsing import Folder, parse_known
from protas_gtcc.cli.shared.run_folders import group_folder
from protas_gtcc.config import PartnerPart
from protas_gtcc.errors import InputError

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.runs.plans import PlannedRun

LOSSES = ("tcc", "gtcc", "lav", "vava")


@dataclass(frozen=True)
class Options:
    """Train encoders with every loss x variant x split x seed, and score them in one table.

    Raw features and untrained encoders are rows of it too. All other flags are those of 'protas-gtcc align', and hold
    for every run; they name the folder too, so that commands with other flags do not meet there. Finished runs in the
    folder are used again, unfinished ones continue.
    """

    dataset: str
    """A dataset file, or a known name."""
    splits: str = "1"
    """Splits, with commas between; a figure is the mean over them."""
    loss: tuple[str, ...] = LOSSES
    """Losses; one with settings of its own is written 'LOSS: FLAGS'."""
    seeds: int = 1
    """Number of seeds, from 0 on."""
    variant: tuple[str, ...] = ()
    """Beside each loss, the same with other flags; each is written 'NAME: FLAGS'."""
    jobs: int | None = None
    """Runs at once; by default one for each GPU, else as many as the usable cores have room for."""
    out: Folder | None = None
    """Folder for runs and table; by default runs/aligned-DATASET, with the other flags in its name."""
    write: bool = False
    """Write the embeddings into the dataset file, as aligned-LOSS[-VARIANT]-seedN; older ones are replaced."""
    score_every: int = 1
    """Score one frame in this many."""
    partners: PartnerPart = "test"
    """Videos that test videos are matched with: other test videos of their task, or its training videos."""
    json: bool = False
    """Print the content of table.json instead of the table."""

    def __post_init__(self) -> None:
        if self.score_every < 1:
            raise InputError(f"--score-every is {self.score_every}; it must be at least 1")


@dataclass(frozen=True)
class Command:
    """The options, and the flags for the runs."""

    options: Options
    flags: tuple[str, ...]

    def run(self) -> None:
        """Train what is missing, write, score, print."""
        # torch is slow to import, and --help needs none of it
        from protas_gtcc.alignment.scores.probes import require_sklearn
        from protas_gtcc.cli.shared.launch_display import make_runs, raise_failures
        from protas_gtcc.prepare.known_datasets import open_dataset
        from protas_gtcc.runs.alignments import AlignmentComparison, remarks_on

        console, options = make_console(stderr=True), self.options
        require_sklearn()
        dataset = open_dataset(options.dataset, console.print)
        out = options.out or group_folder("aligned", dataset, self.flags)
        splits = tuple(dict.fromkeys(options.splits.split(",")))
        comparison = AlignmentComparison(splits, options.seeds, options.loss, options.variant, self.flags)
        plans = comparison.plan(dataset, out, lambda flags: parse_align(flags).config)
        for remark in remarks_on(plans, dataset, options.partners):
            console.print(remark, style="yellow", highlight=False, soft_wrap=True, markup=False)
        finished, failed = make_runs(plans, options.jobs, out, console)
        if finished:
            self._finish(finished, dataset, out, console)
        raise_failures(failed, len(plans), console)

    def _finish(self, finished: Sequence[PlannedRun], dataset: Dataset, out: Path, console: Console) -> None:
        from protas_gtcc.report.alignment_table import alignment_table, long_table
        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.runs.alignments import score_runs, write_sets

        if self.options.write:
            written = ", ".join(write_sets(finished, dataset))
            console.print(f"{dataset.path} has feature sets {written}", highlight=False, soft_wrap=True)
        with progress_bars() as on_progress:
            on_probe = functools.partial(on_progress, "scoring")
            scores = score_runs(finished, dataset, self.options.score_every, self.options.partners, on_probe)
        table = alignment_table(scores)
        write_tables(out, table, long_table(scores), scores)
        print_result(table, scores, self.options.json)


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Parse the command's own flags; all others are for the runs."""
    options, flags = parse_known(Options, arguments, prog)
    return Command(options, tuple(flags))
