"""`protas-gtcc position-encoding`: does relative position mislead a scalar head? A simulation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.console import print_result, progress_bar
from protas_gtcc.cli.shared.parsing import Folder
from protas_gtcc.config import require_range


@dataclass(frozen=True)
class Command:
    """Train heads with and without relative position on simulated actions; write a table and a picture.

    Actions have 5 to 45 frames. The embeddings show which action it is, or nothing, and never the progress: a head
    can only count. The figures are SIMULATED.
    """

    out: Folder = Path("runs/position-encoding")
    """Folder for table.md and position_encoding.png."""
    videos: int = 40
    """Training videos, of ten actions each; a fifth as many are for testing."""
    epochs: int = 12
    """Passes over the training segments."""
    seed: int = 0
    """Seed of the simulation and of the heads."""

    def __post_init__(self) -> None:
        require_range(self, videos=(5, 100_000), epochs=(1, 100_000))

    def run(self) -> None:
        """Simulate, train, write and print."""
        import torch

        from protas_gtcc.heads.config import HeadTraining
        from protas_gtcc.report.position_encoding import draw, markdown
        from protas_gtcc.runs.position_encoding import compare_positions
        from protas_gtcc.storage.atomic import replace_when_whole, write_text

        torch.set_num_threads(1)
        training = HeadTraining(epochs=self.epochs, seed=self.seed)
        with progress_bar("heads") as on_progress:
            results = compare_positions(self.videos, training, on_progress)
        write_text(self.out / "table.md", markdown(results))
        with replace_when_whole(self.out / "position_encoding.png") as temporary:
            draw(results).savefig(temporary, format="png")
        print_result(markdown(results), None, False)
