"""`protas-gtcc position-encoding`: what each change between published scalar heads does. A simulation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.console import print_result, progress_bar
from protas_gtcc.cli.shared.parsing import Folder
from protas_gtcc.config import require_range


@dataclass(frozen=True)
class Command:
    """Train the published heads, and each change between them alone, on simulated actions; write table and picture.

    Actions have 5 to 45 frames. The embeddings show which action it is, or nothing, and never the progress: a head
    can only count. The table shows which change moves outputs out of the middle, and which lowers the error. Relative
    position is one of them. The figures are SIMULATED.
    """

    out: Folder = Path("runs/position-encoding")
    """Folder for table.md and position_encoding.png."""
    videos: int = 80
    """Training videos, of ten actions each; a fifth as many are for testing."""
    epochs: int = 10
    """Passes over the training segments."""
    seeds: int = 3
    """Number of seeds of the simulation and of the heads, from 0 on; the picture is of the first."""
    processes: int = 2
    """Heads that are trained at the same time, each on one processor core."""

    def __post_init__(self) -> None:
        require_range(self, videos=(5, 100_000), epochs=(1, 100_000), seeds=(1, 1000), processes=(1, 256))

    def run(self) -> None:
        """Simulate, train, write and print."""
        from protas_gtcc.report.position_encoding import draw, markdown
        from protas_gtcc.runs.position_encoding import compare_positions
        from protas_gtcc.storage.atomic import replace_when_whole, write_text

        with progress_bar("heads") as on_progress:
            results = compare_positions(self.videos, self.epochs, self.seeds, self.processes, on_progress)
        write_text(self.out / "table.md", markdown(results))
        with replace_when_whole(self.out / "position_encoding.png") as temporary:
            draw({name: of_seeds[0] for name, of_seeds in results.items()}).savefig(temporary, format="png")
        print_result(markdown(results), None, False)
