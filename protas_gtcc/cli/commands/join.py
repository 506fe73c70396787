"""`protas-gtcc join`: dataset files -> one that reads their features from them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from protas_gtcc.cli.shared.console import progress_bars, wrong_usage
from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.parsing import File, Positional, Repeated
from protas_gtcc.config import Text
from protas_gtcc.storage.atomic import require_absent


@dataclass(frozen=True)
class Command:
    """Make one dataset of several dataset files, without copying their features.

    The new file has the labels, the splits and all that is known of the videos, and reads features from the files that
    were joined. Keep them; a folder with all of them may be moved. Splits of one name become one. 'align' and others
    add feature sets to the new file, never to the joined ones.
    """

    datasets: Positional[tuple[File, ...]]
    """Dataset files with the same classes, frames per second and feature sets, and with different videos."""
    out: File
    """Dataset file to write."""
    feature_set: Repeated[tuple[Text, ...]] = ()
    """Join only this feature set; by default all. Repeat the flag for each."""
    overwrite: bool = False
    """Replace the file to write if it exists, with every feature set that was added to it."""
    json: bool = False
    """Print what was written as JSON."""

    def run(self) -> None:
        """Join, with a bar on standard error and a summary on standard output."""
        from protas_gtcc.dataset.file import Dataset
        from protas_gtcc.prepare.joining import join
        from protas_gtcc.prepare.writing import Summary, counted

        if not self.datasets:
            wrong_usage("join", "name the dataset files to join")
        require_absent([self.out], self.overwrite)
        with progress_bars() as on_progress:
            join(self.datasets, self.out, self.feature_set, self.overwrite, on_progress)
        if self.json:
            written = {"dataset": str(self.out), "videos": len(Dataset(self.out).video_names)}
            print(json.dumps(written | {"joined": [str(one) for one in self.datasets]}))
        else:
            print(describe(counted(Summary(str(self.out)))))
