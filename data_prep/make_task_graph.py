"""Training transcripts of one split -> the task graph.

    gtea/                                 graphs/
        mapping.txt                           gtea_split1.json    classes, predecessors, successors
        groundTruth/<video>.txt     ->
        splits/train.split1.bundle

    python data_prep/make_task_graph.py path/to/gtea graphs/gtea_split1.json --split 1

`train` counts the graph by itself and keeps it with the run; this file is for looking at it. A file that is
there already is left alone unless --overwrite.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from protas_gtcc.cli import labels_
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.layout_command import LayoutCommand


@dataclass(frozen=True, kw_only=True)
class Script(LayoutCommand):
    """Count the task graph on a split's training videos, unless it is there."""

    source: tyro.conf.Positional[Path]
    """Folder, or EgoProceL's JSON."""
    graph: tyro.conf.Positional[Path]
    """JSON file to write."""
    split: str = "1"
    """Split whose training videos the graph is counted on."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make the file again even if it is there."""

    def run(self) -> None:
        """Count the graph, or say that there is nothing to do."""
        if self.graph.exists() and not self.overwrite:
            print(f"{self.graph} is there; --overwrite makes it anew")
            return
        command = labels_.Command(
            source=self.source, graph=self.graph, split=self.split, layout=self.layout, json=self.json
        )
        command.run()


if __name__ == "__main__":
    run_command(lambda: tyro.cli(Script, description=__doc__).run())
