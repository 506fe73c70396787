"""`protas-gtcc report`: one HTML page that compares runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.cli.shared.parsing import File, Folder, Positional, Repeated
from protas_gtcc.storage.atomic import require_absent


@dataclass(frozen=True)
class Command:
    """Compare evaluated runs on one HTML page: scores, reliability, classes, and every test video.

    The page is one file and needs no network. Runs may differ in split and dataset.
    """

    runs: Positional[tuple[Folder, ...]]
    """Evaluated run directories."""
    out: File = Path("report.html")
    """The page."""
    overwrite: bool = False
    """Replace the page if it exists."""
    dataset: Repeated[tuple[File, ...]] = ()
    """Dataset file with the true labels, if it was moved since the training. Repeat the flag for each dataset."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Write the page."""
        from protas_gtcc.report.page import write_report
        from protas_gtcc.report.page_data import page_data
        from protas_gtcc.report.runs import open_runs

        require_absent([self.out], self.overwrite)
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
