"""`protas-gtcc prepare`: a folder of labels and features -> one dataset file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from protas_gtcc.cli.shared.console import progress_bars
from protas_gtcc.cli.shared.dataset_summary import describe
from protas_gtcc.cli.shared.parsing import File, Positional, RateOrTable
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.storage.atomic import require_absent


@dataclass(frozen=True)
class Command:
    """Turn a folder of labels and features into one HDF5 dataset file.

    It reads the layout of MS-TCN (groundTruth/, mapping.txt, splits/, features*/), its variants in FACT and EgoPER, the
    GTCC authors' JSON file of EgoProceL, and the published folder of CaptainCook4D. Each folder features*/ becomes a
    feature set.
    """

    source: Positional[Path]
    """Folder, or JSON file of EgoProceL."""
    out: File
    """Dataset file to write."""
    fps: RateOrTable
    """Frames per second of the features; where videos differ, a CSV file with the columns video and fps."""
    overwrite: bool = False
    """Replace the file, with every feature set that was added to it; the old file stays until the new one is whole."""
    resample_to: float | None = None
    """Frames per second of the dataset, for features and labels; by default the features' own, if all are alike."""
    json: bool = False
    """Print the summary as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)

    def run(self) -> None:
        """Prepare, with a bar on standard error and a summary on standard output."""
        from protas_gtcc.layouts.rates import frame_rates
        from protas_gtcc.layouts.recognition import open_layout
        from protas_gtcc.prepare.writing import prepare

        require_absent([self.out], self.overwrite)
        opened = open_layout(self.source, self.layout)
        with progress_bars() as on_progress:
            rates = frame_rates(self.fps, opened.video_names)
            given = self.layout, self.resample_to, on_progress, self.overwrite
            summary = prepare(opened, self.out, rates, *given)
        print(json.dumps(dataclasses.asdict(summary), indent=1) if self.json else describe(summary))
