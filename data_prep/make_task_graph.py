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

from pathlib import Path

import tyro

from protas_gtcc.cli.labels_ import Command
from protas_gtcc.cli.main import run_command


def make(
    source: tyro.conf.Positional[Path],
    graph: tyro.conf.Positional[Path],
    split: str = "1",
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Count the graph, or say that there is nothing to do."""
    if graph.exists() and not overwrite:
        print(f"{graph} is there; --overwrite makes it anew")
        return
    Command(source=source, graph=graph, split=split).run()


if __name__ == "__main__":
    run_command(lambda: tyro.cli(make, description=__doc__))
