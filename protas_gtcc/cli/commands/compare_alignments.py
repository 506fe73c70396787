"""`protas-gtcc compare-alignments`: alignment losses with several seeds -> one table of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from protas_gtcc.cli.commands import align
from protas_gtcc.cli.shared.console import make_console, print_result, progress_bar, warn
from protas_gtcc.cli.shared.folders import group_folder
from protas_gtcc.cli.shared.parsing import Folder, Rest
from protas_gtcc.cli.shared.work_lists import WorkFlags, make_runs
from protas_gtcc.config import PartnerPart, require_range
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs.config import AlignmentGrid
from protas_gtcc.runs.plans import PlannedRun

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset


@dataclass(frozen=True)
class Command(AlignmentGrid):
    """Train encoders with every loss x variant x split x seed, and score them in one table.

    Raw features and untrained encoders are rows of it too. All other flags are those of 'protas-gtcc align'. They hold
    for every run, and the folder is named by them too. Finished runs in the folder are used again, unfinished ones
    continue.
    """

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
    flags: Rest = ()
    work: WorkFlags = field(default_factory=WorkFlags)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, score_every=(1, 10**6))

    def run(self) -> None:
        """Train what is missing, write, score, print."""
        from protas_gtcc.alignment.scores.probes import require_sklearn
        from protas_gtcc.runs.alignments import plan_alignments, remarks_on

        console = make_console(stderr=True)
        require_sklearn()
        dataset = open_dataset(self.dataset, warn(console))
        out = self.out or group_folder("aligned", dataset, self.flags)
        plans = plan_alignments(self, self.flags, dataset, out, lambda flags: align.Command.parse(flags).config)
        for remark in remarks_on(plans, dataset, self.partners):
            warn(console)(remark)
        make_runs(plans, self.work, out, console, lambda made: self._finish(made, dataset, out, console))

    def _finish(self, made: Sequence[PlannedRun], dataset: Dataset, out: Path, console: Console) -> None:
        from protas_gtcc.report.alignment_table import alignment_table, long_table
        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.runs.alignments import score_runs, write_sets

        if self.write:
            written = ", ".join(write_sets(made, dataset))
            console.print(f"{dataset.path} has feature sets {written}", soft_wrap=True)
        with progress_bar("scoring") as on_progress:
            scores = score_runs(made, dataset, self.score_every, self.partners, on_progress)
        table = alignment_table(scores)
        write_tables(out, table, long_table(scores), scores)
        print_result(table, scores, self.json)
