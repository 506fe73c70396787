"""`protas-gtcc heads`: train scalar progress heads, and compare them with look-ups and per-class models."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from protas_gtcc.cli.shared.console import make_console, print_result, progress_bar, warn
from protas_gtcc.cli.shared.folders import free_run_folder
from protas_gtcc.cli.shared.parsing import Folder
from protas_gtcc.prepare.known_datasets import open_dataset
from protas_gtcc.runs.config import HeadComparison


@dataclass(frozen=True)
class Command(HeadComparison):
    """Train scalar heads on frozen features and score them beside look-ups and per-class models.

    The table is written after every row, so an interrupted command keeps its rows.
    """

    out: Folder | None = None
    """Folder for the table; by default a new one under runs/, named by dataset and split."""
    json: bool = False
    """Print the rows as JSON."""

    def run(self) -> None:
        """Train, score, print and write."""
        import torch

        from protas_gtcc.report.figures import write_tables
        from protas_gtcc.report.head_table import long_table, markdown
        from protas_gtcc.runs.head_comparison import compare_heads, heading

        torch.set_num_threads(1)
        console, rows, table = make_console(stderr=True), [], ""
        dataset = open_dataset(self.dataset, warn(console))
        out = self.out or free_run_folder(dataset, self.split, ["heads"])
        with progress_bar("heads") as on_progress:
            for row in compare_heads(self, dataset, warn(console), on_progress):
                rows.append(row)
                table = heading(self, dataset) + markdown(rows)
                write_tables(out, table, long_table(rows))
        print_result(table, [asdict(row) for row in rows], self.json)
        console.print(f"written: {out / 'table.md'}, {out / 'table.csv'}", soft_wrap=True)
