"""`protas-gtcc labels`: ground truth -> progress and segments, as files or into a dataset; task graph."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.task_graph import save_task_graph
from protas_gtcc.cli.shared.console import progress_bars
from protas_gtcc.cli.shared.flags import Positional
from protas_gtcc.cli.shared.layout_command import LayoutCommand
from protas_gtcc.layouts.base import Layout
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.labels import OnVideo, count_graph, write_label_files, write_labels_into
from protas_gtcc.prepare.survey import Rates, settle_labels


@dataclass(frozen=True, kw_only=True)
class Command(LayoutCommand):
    """Make progress targets, segments and the task graph from ground truth.

    Any layout that 'prepare' reads will do, and no features are needed. Give one or more of --out, --into
    and --graph.
    """

    source: Positional[Path]
    """Folder, or EgoProceL's JSON."""
    out: Path | None = None
    """Folder for progress/<video>.npy, float32 [C, T], and segments/<video>.csv."""
    into: Path | None = None
    """Dataset file whose labels, progress and segments are made anew; changed when whole."""
    graph: Path | None = None
    """JSON file for the task graph, counted on the training videos of --split."""
    split: str = "1"
    """Split whose training videos the graph is counted on."""
    fps: float | None = None
    """Frames per second of the labels, for resampling and for seconds in the segments' files; of the features where
    labels have a rate of their own (EgoProceL's JSON). Default with --into: that of the dataset file."""
    resample_to: float | None = None
    """Frames per second of the files in --out. Default: that of the labels."""
    overwrite: bool = False
    """Make again the files in --out that are there already."""

    def run(self) -> None:
        """Do what was asked for, with a bar on standard error and a line for each result."""
        if self.out is None and self.into is None and self.graph is None:
            print("protas-gtcc labels: give --out FOLDER, --into FILE.h5 or --graph FILE.json", file=sys.stderr)
            sys.exit(2)
        layout = open_layout(self.source, self.layout)
        with progress_bars() as on_progress:
            made = self._make(layout, lambda done, total: on_progress("labels", done, total))
        made["notices"] = layout.notices
        print(json.dumps(made, indent=1) if self.json else describe(made))

    def _make(self, layout: Layout, on_video: OnVideo) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.into is not None:
            count = write_labels_into(layout, self.into, self.fps, on_video, self.layout.tolerance_frames)
            made["into"] = {"path": str(self.into), "num_videos": count}
        elif self.fps is not None:
            settle_by_features(layout, self.fps, self.layout)
        if self.out is not None:
            written, kept = write_label_files(layout, self.out, self.fps, self.resample_to, self.overwrite, on_video)
            made["out"] = {"path": str(self.out), "written": written, "kept": kept}
        if self.graph is not None:
            save_task_graph(count_graph(layout, self.split), layout.class_names, self.graph)
            made["graph"] = {"path": str(self.graph), "split": self.split}
        return made


def describe(made: dict[str, Any]) -> str:
    """What was written, one line each."""
    lines = []
    if "into" in made:
        lines.append("{path}: labels, progress and segments of {num_videos} videos made anew".format(**made["into"]))
    if "out" in made:
        text = "{path}: {written} videos written, {kept} kept as they were (--overwrite renews them)"
        lines.append(text.format(**made["out"]))
    if "graph" in made:
        lines.append("{path}: task graph of the training videos of split {split}".format(**made["graph"]))
    return "\n".join(lines + [f"  note: {notice}" for notice in made["notices"]])


def settle_by_features(layout: Layout, fps: float, options: LayoutOptions) -> None:
    """Let the first folder of features, if there is one, tell the layout the videos' lengths."""
    for name, folder in list(layout.feature_folders.items())[:1]:
        shapes = {video: folder.shape(video) for video in layout.video_names if folder.has(video)}
        settle_labels(layout, name, shapes, Rates(layout.annotation_fps or fps, fps, fps), options)
