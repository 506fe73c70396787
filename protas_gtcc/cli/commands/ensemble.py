"""`protas-gtcc ensemble`: several runs -> one run with all of their networks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.errors import plural
from protas_gtcc.storage.checkpoints import require_model

SAMPLES = 300
"""Frames that each model is timed for."""


@dataclass(frozen=True)
class Command:
    """Join runs that differ by their seed into one run, whose networks are an ensemble.

    It streams, and is evaluated, served and exported, as its runs are. Its networks take as long as those of all runs
    together, the filter as long as that of one: the command times both. Procedures and alarms are the first run's.
    """

    runs: Positional[tuple[Folder, ...]]
    """Run directories."""
    out: Folder
    """Run directory to make."""
    json: bool = False
    """Print what was made as JSON."""

    def run(self) -> None:
        """Join, write, and print what a frame costs."""
        for path in self.runs:
            require_model(path)  # before the seconds that importing torch takes
        from protas_gtcc.inference import load
        from protas_gtcc.network.checkpoint import save_checkpoint
        from protas_gtcc.runs.ensemble import join
        from protas_gtcc.runs.timing import time_stream
        from protas_gtcc.training.run_directory import RunDirectory

        made = RunDirectory(self.out)
        made.require_new()
        network, facts, config = join([Path(one) for one in self.runs])
        made.start(config)
        save_checkpoint(made.checkpoint, network, facts)
        result = {"run": str(self.out), "networks": facts.config.model.stages}
        is_live = facts.config.model.causal and math.isfinite(facts.config.decoding.lag_seconds)
        if is_live:
            one, every = (time_stream(load(path), 0, SAMPLES).p50_ms for path in (self.runs[0], self.out))
            result |= {"ms_of_one": one, "ms": every}
        if self.json:
            print(json.dumps(result))
            return
        print(f"{self.out}: {plural(facts.config.model.stages, 'network')} of {plural(len(self.runs), 'run')}")
        if is_live:
            print(f"a frame takes {every:.2f} ms here, {every / one:.1f} times as long as in {self.runs[0]}")
