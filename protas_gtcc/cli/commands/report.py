"""`protas-gtcc report`: one HTML page that compares runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import make_console, warn
from protas_gtcc.cli.shared.parsing import File, Folder, Positional, Repeated
from protas_gtcc.config import Text
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.atomic import require_absent

if TYPE_CHECKING:
    from protas_gtcc.report.runs import EvaluatedRun
    from protas_gtcc.report.video_files import PlayedFile


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
    video: Repeated[tuple[Text, ...]] = ()
    """Show only this test video; scores stay those of all. Repeat the flag for each."""
    videos: Folder | None = None
    """Folder of the test videos, as for `prepare --videos`: a click on a segment plays it. The page names the files by
    their place, seen from its own."""
    embed_videos: bool = False
    """Put the files of --videos into the page, which grows by 4/3 of their size."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Write the page."""
        from protas_gtcc.report.page import write_report
        from protas_gtcc.report.page_data import page_data
        from protas_gtcc.report.runs import open_runs

        require_absent([self.out], self.overwrite)
        if self.embed_videos and self.videos is None:
            raise InputError("--embed-videos is for videos; add --videos FOLDER")
        runs = open_runs(self.runs, self.dataset)
        write_report(self.out, page_data(runs, self._files(runs), self.video))
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

    def _files(self, runs: Sequence[EvaluatedRun]) -> dict[str, PlayedFile] | None:
        """The videos' files; what has none is named."""
        from protas_gtcc.report.video_files import played_files

        if self.videos is None:
            return None
        found = played_files(runs, self.videos, self.out, self.embed_videos)
        missing = dict.fromkeys(name for run in runs for name in run.videos if name not in found)
        if missing:
            what = f"{self.videos} has no file of {plural(len(missing), 'test video')}: {listed(missing)}"
            warn(make_console(stderr=True))(what)
        return found
