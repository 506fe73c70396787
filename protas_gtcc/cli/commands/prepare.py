"""`protas-gtcc prepare`: a folder of labels and features -> one dataset file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.console import progress_bars
from protas_gtcc.cli.shared.folders import require_absent
from protas_gtcc.cli.shared.parsing import File, Positional
from protas_gtcc.errors import plural
from protas_gtcc.layouts.options import LayoutOptions

if TYPE_CHECKING:
    from protas_gtcc.prepare.writing import Summary


@dataclass(frozen=True)
class Command:
    """Turn a folder of labels and features into one HDF5 dataset file.

    It reads the layout of MS-TCN (groundTruth/, mapping.txt, splits/, features*/), its variants in FACT and EgoPER, and
    the GTCC authors' JSON file of EgoProceL. Each folder features*/ becomes a feature set.
    """

    source: Positional[Path]
    """Folder, or JSON file of EgoProceL."""
    out: File
    """Dataset file to write."""
    fps: float
    """Frames per second of the features."""
    overwrite: bool = False
    """Replace the file, with every feature set that was added to it; the old file stays until the new one is whole."""
    resample_to: float | None = None
    """Frames per second of the dataset, for features and labels; by default the features' own."""
    json: bool = False
    """Print the summary as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)

    def run(self) -> None:
        """Prepare, with a bar on standard error and a summary on standard output."""
        from protas_gtcc.layouts.recognition import open_layout
        from protas_gtcc.prepare.writing import prepare

        require_absent([self.out], self.overwrite)
        opened = open_layout(self.source, self.layout)
        with progress_bars() as on_progress:
            summary = prepare(opened, self.out, self.fps, self.layout, self.resample_to, on_progress)
        print(json.dumps(dataclasses.asdict(summary), indent=1) if self.json else describe(summary))


def describe(summary: Summary) -> str:
    """The summary as a few lines of text."""
    lines = [
        f"{summary.path}: {plural(summary.num_videos, 'video')}, {plural(summary.num_frames, 'frame')} at "
        f"{summary.fps:g} fps, {plural(summary.num_classes, 'class')}, "
        f"background {summary.background_share:.1%} of frames"
    ]
    for name, facts in summary.feature_sets.items():
        stored = f", stored as {facts['axes']}" if "axes" in facts else ""
        tied = f", only for split {facts['split']}" if facts["split"] else ""
        lines.append(
            f"  {name}: D = {facts['dim']}{stored}, looks {plural(facts['look_ahead_frames'], 'frame')} ahead{tied}"
        )
    for split, parts in summary.splits.items():
        lines.append(f"  split {split}: " + ", ".join(f"{count} {part}" for part, count in parts.items()))
    if summary.tasks:
        counts = ", ".join(f"{task} {count}" for task, count in sorted(summary.tasks.items()))
        lines.append(f"  {plural(len(summary.tasks), 'task')}: {counts}")
    if summary.trimmed_videos:
        lines.append(
            f"  {plural(summary.trimmed_videos, 'video')} cut to the shorter of labels and features, "
            f"{plural(summary.trimmed_frames, 'frame')} in all"
        )
    if summary.vanished_segments:
        by_class = ", ".join(f"{name} {count}" for name, count in summary.vanished_segments.items())
        lines.append(
            f"  {plural(sum(summary.vanished_segments.values()), 'segment')} shorter than a frame vanished: {by_class}"
        )
    return "\n".join(lines + [f"  note: {notice}" for notice in summary.notices])
