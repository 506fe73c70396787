"""Simulated procedures -> one dataset file.

    nothing  ->  OUT.h5     videos with features, labels, progress, segments; split "1" by person

`python data_prep/simulate.py OUT.h5` makes EgoProceL's size (325 videos, about 215,000 frames at 1 fps),
`--small` a fifth of it. Every number of `SimulationConfig` is a flag. A file that exists is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.simulate.config import SMALL, SimulationConfig
from protas_gtcc.simulate.dataset import simulate


@dataclass(frozen=True)
class Arguments:
    """Write a dataset of simulated procedures: truth known, nothing recorded."""

    out: tyro.conf.Positional[Path]
    """Dataset file to write."""
    config: tyro.conf.OmitArgPrefixes[SimulationConfig]
    small: bool = False
    """As many videos as a run of a few minutes can learn from, instead of --share-of-videos."""


def main(arguments: Arguments) -> None:
    """Simulate unless the file is there already."""
    if arguments.out.exists():
        print(f"{arguments.out} exists; remove it to simulate again")
        return
    config = arguments.config
    if arguments.small:
        config = replace(config, share_of_videos=SMALL.share_of_videos, fewest_videos=SMALL.fewest_videos)
    simulate(arguments.out, config)
    print(f"wrote {arguments.out}: simulated procedures, seed {config.seed}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Arguments)))
