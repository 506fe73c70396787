"""`protas-gtcc ablate`: decode finished runs in other ways -> one table of scores."""

from __future__ import annotations

from dataclasses import dataclass

from protas_gtcc.cli.shared.console import print_result, progress_bars
from protas_gtcc.cli.shared.parsing import File, Folder, Positional


@dataclass(frozen=True)
class Command:
    """Decode finished runs in other ways: other settings of the duration filter, no filter, the true classes.

    Nothing is trained: each network runs once, and its output is decoded in some twenty ways. All test videos are
    pooled. A figure is bold if the 95 % interval of its difference from the runs' own decoding excludes 0. Settings
    that change the training are compared by cross-validate.
    """

    runs: Positional[tuple[Folder, ...]]
    """Run directories with a duration filter, as the default preset has."""
    dataset: File
    """The dataset file that they were trained on."""
    json: bool = False
    """Print all figures as JSON."""

    def run(self) -> None:
        """Decode, pool, compare and print."""
        from protas_gtcc.dataset.file import Dataset
        from protas_gtcc.runs.ablation import ablate, markdown

        with progress_bars() as on_progress:
            compared = ablate(self.runs, Dataset(self.dataset), on_progress)
        print_result(markdown(compared), compared, self.json)
