"""`protas-gtcc simulate`: simulated procedures -> one dataset file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from protas_gtcc.simulate import SMALL, SimulationConfig, simulate


@dataclass(frozen=True)
class Command:
    """Write a dataset of simulated procedures: the truth is known, and nothing was recorded.

    By default it has EgoProceL's size: 325 videos, about 215,000 frames at 1 fps; split 1 is by person.
    """

    out: tyro.conf.Positional[Path]
    """Dataset file to write."""
    config: SimulationConfig
    small: tyro.conf.FlagCreatePairsOff[bool] = False
    """As few videos as a run of a few minutes can learn from, in place of --share-of-videos and --fewest-videos."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write the file again if it is there already."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Simulate, unless the file is there already."""
        config, kept = self.config, self.out.exists() and not self.overwrite
        if self.small:
            config = replace(config, share_of_videos=SMALL.share_of_videos, fewest_videos=SMALL.fewest_videos)
        if not kept:
            simulate(self.out, config)
        line = f"{self.out} exists and is kept; --overwrite simulates it again"
        if not kept:
            line = f"wrote {self.out}: simulated procedures, seed {config.seed}"
        print(json.dumps({"dataset": str(self.out), "written": not kept}) if self.json else line)
