"""`protas-gtcc labels`: labels -> progress targets and segments, as files or into a dataset; task graph."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protas_gtcc.cli.shared.console import progress_bars, wrong_usage
from protas_gtcc.cli.shared.parsing import File, Folder, Positional, RateOrTable
from protas_gtcc.errors import plural
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.storage.atomic import require_absent

if TYPE_CHECKING:
    from protas_gtcc.layouts.base import Layout
    from protas_gtcc.prepare.survey import OnProgress


@dataclass(frozen=True)
class Command:
    """Make progress targets, segments and the task graph from labels.

    It reads the layouts that 'prepare' reads, and needs no features. Give one or more of --out, --into and --graph.
    """

    source: Positional[Path]
    """Folder, CSV file of segments, JSON file of EgoProceL, or file of an annotation tool."""
    out: Folder | None = None
    """Folder for progress/<video>.npy, float32 [C, T], and segments/<video>.csv; files that exist are kept. Of a
    LeRobotDataset, sarm_progress.parquet is written too."""
    into: File | None = None
    """Dataset file whose labels, progress, segments, and annotated steps and mistakes are replaced."""
    graph: File | None = None
    """JSON file to write: the task graph, counted on the training videos of --split."""
    split: str = "1"
    """Split on whose training videos the graph is counted."""
    fps: RateOrTable | None = None
    """Frames per second of the labels, or of the features where the labels have a rate of their own (EgoProceL's JSON);
    where videos differ, a CSV file with the columns video and fps. Needed for resampling and for seconds in segments/;
    with --into, by default that of the dataset file."""
    resample_to: float | None = None
    """Frames per second of the files in --out; by default that of the labels."""
    overwrite: bool = False
    """Replace the files of --out and --graph that exist."""
    json: bool = False
    """Print the result as JSON."""
    layout: LayoutOptions = field(default_factory=LayoutOptions)

    def run(self) -> None:
        """Make the files, with a bar on standard error and a line for each result."""
        from protas_gtcc.layouts.recognition import open_layout

        if self.out is None and self.into is None and self.graph is None:
            wrong_usage("labels", "give --out FOLDER, --into FILE.h5 or --graph FILE.json")
        require_absent([self.graph] if self.graph else [], self.overwrite)
        layout = open_layout(self.source, self.layout)
        with progress_bars() as on_progress:
            made = self._make(layout, on_progress)
        print(json.dumps(made, indent=1) if self.json else _describe(made))

    def _make(self, layout: Layout, on_progress: OnProgress) -> dict[str, Any]:
        from protas_gtcc.annotations.task_graph import save_task_graph
        from protas_gtcc.layouts.rates import frame_rates
        from protas_gtcc.prepare.labels import count_graph, write_label_files, write_labels_into
        from protas_gtcc.prepare.survey import pair_labels_by_features

        made: dict[str, Any] = {}
        rates = None if self.fps is None else frame_rates(self.fps, layout.video_names)
        if self.into is not None:
            count = write_labels_into(layout, self.into, rates, on_progress, self.layout.tolerance_frames)
            made["into"] = {"path": str(self.into), "num_videos": count}
        elif rates is not None:
            pair_labels_by_features(layout, rates, self.layout)
        if self.out is not None:
            written, kept = write_label_files(layout, self.out, rates, self.resample_to, self.overwrite, on_progress)
            made["out"] = {"path": str(self.out), "written": written, "kept": kept}
            if layout.progress_file is not None:
                table = self.out / layout.progress_file
                made["progress"] = {"path": str(table), "written": self.overwrite or not table.exists()}
                if made["progress"]["written"]:
                    layout.write_progress(table)
        if self.graph is not None:
            save_task_graph(count_graph(layout, self.split), layout.class_names, self.graph)
            made["graph"] = {"path": str(self.graph), "split": self.split}
        return {**made, "notices": layout.notices}


def _describe(made: dict[str, Any]) -> str:
    """What was written, one line each."""
    lines = []
    if "into" in made:
        videos = plural(made["into"]["num_videos"], "video")
        lines.append(f"{made['into']['path']}: labels, progress and segments of {videos} replaced")
    if "out" in made:
        written = plural(made["out"]["written"], "video")
        kept = f"{made['out']['kept']} kept as before (--overwrite replaces them)"
        lines.append(f"{made['out']['path']}: {written} written, {kept}")
    if "progress" in made:
        kept = "" if made["progress"]["written"] else ", kept as before (--overwrite replaces it)"
        lines.append(f"{made['progress']['path']}: progress of every frame{kept}")
    if "graph" in made:
        graph = made["graph"]
        lines.append(f"{graph['path']}: task graph of the training videos of split {graph['split']}")
    return "\n".join(lines + [f"  note: {notice}" for notice in made["notices"]])
