"""`protas-gtcc simulate`: simulated procedures -> one dataset file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.parsing import File, Positional
from protas_gtcc.simulate.config import SMALL, SimulationConfig
from protas_gtcc.storage.atomic import require_absent


@dataclass(frozen=True)
class Command:
    """Write a dataset of simulated procedures: the truth is known, and nothing was recorded.

    By default it has EgoProceL's size: 325 videos, about 215,000 frames at 1 fps; split 1 is by person.
    """

    out: Positional[File]
    """Dataset file to write."""
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    small: bool = False
    """As few videos as a run of a few minutes can learn from, in place of --share-of-videos and --fewest-videos."""
    overwrite: bool = False
    """Replace the file if it exists."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Simulate."""
        from protas_gtcc.prepare.writing import Summary, counted
        from protas_gtcc.simulate.dataset import simulate

        require_absent([self.out], self.overwrite)
        config = self.simulation
        if self.small:
            config = replace(config, share_of_videos=SMALL.share_of_videos, fewest_videos=SMALL.fewest_videos)
        simulate(self.out, config, self.overwrite)
        written = {"dataset": str(self.out), "seed": config.seed}
        summary = Summary(str(self.out), notices=[f"simulated procedures, not recordings; seed {config.seed}"])
        print(json.dumps(written) if self.json else describe(counted(summary)))
