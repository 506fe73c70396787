"""`protas-gtcc report`: one HTML page that compares runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.flags import Positional, Repeated


@dataclass(frozen=True)
class Command:
    """Compare evaluated runs on one HTML page: scores, reliability, classes, and every test video.

    The page holds all that it shows and opens without a network. Runs of several splits and datasets may be mixed.
    """

    runs: Positional[tuple[Path, ...]]
    """Run directories that were evaluated."""
    out: Path = Path("report.html")
    """The page."""
    dataset: Repeated[tuple[File, ...]] = ()
    """Dataset file with the true labels, where it is not where the run was trained; one a dataset, each with its
    own --dataset."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Write the page."""
        # torch is slow to import, and --help needs none of it
        from protas_gtcc.errors import InputError
        from protas_gtcc.report.page import write_report
        from protas_gtcc.report.page_data import page_data
        from protas_gtcc.report.runs import open_runs

        if not self.runs:
            raise InputError("no run to report on; name one or more run directories")
        runs = open_runs(self.runs, self.dataset)
        write_report(self.out, page_data(runs))
        facts = [
            {
                "name": run.name,
                "path": str(run.path),
                "dataset": run.metrics["dataset"],
                "split": run.metrics["split"],
                "simulated": run.simulated,
                "num_videos": len(run.videos),
            }
            for run in runs
        ]
        print(json.dumps({"report": str(self.out), "runs": facts}) if self.json else self.out)
