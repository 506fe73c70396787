"""`protas-gtcc labels`: ground truth -> progress and segments, as files or into a dataset; task graph."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from protas_gtcc.cli.prepare_ import progress_bar
from protas_gtcc.label_files import OnVideo, count_graph, write_label_files, write_labels_into
from protas_gtcc.layouts import Layout, LayoutOptions, open_layout
from protas_gtcc.prepare import Rates, settle_labels
from protas_gtcc.task_graph import save_task_graph


@dataclass(frozen=True)
class Command:
    """Make progress targets, segments and the task graph from ground truth.

    Any layout that 'prepare' reads will do, and no features are needed. Give one or more of --out, --into
    and --graph.
    """

    source: tyro.conf.Positional[Path]
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
    """Frames per second of the labels, for resampling and for seconds in the segments' files."""
    resample_to: float | None = None
    """Frames per second of the files in --out. Default: that of the labels."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make again the files in --out that are there already."""
    layout: tyro.conf.OmitArgPrefixes[tyro.conf.FlagCreatePairsOff[LayoutOptions]] = field(
        default_factory=LayoutOptions
    )

    def run(self) -> None:
        """Do what was asked for, with a bar on standard error and a line for each result."""
        if self.out is None and self.into is None and self.graph is None:
            print("protas-gtcc labels: give --out FOLDER, --into FILE.h5 or --graph FILE.json", file=sys.stderr)
            sys.exit(2)
        layout = open_layout(self.source, self.layout)
        with progress_bar() as bar:
            task = bar.add_task("labels", total=None)
            results = self._make(layout, lambda done, total: bar.update(task, completed=done, total=total))
        print("\n".join(results + [f"  note: {notice}" for notice in layout.notices]))

    def _make(self, layout: Layout, on_video: OnVideo) -> list[str]:
        results = []
        if self.into is not None:
            count = write_labels_into(layout, self.into, on_video)
            results.append(f"{self.into}: labels, progress and segments of {count} videos made anew")
        elif self.fps is not None:
            settle_by_features(layout, self.fps, self.layout)
        if self.out is not None:
            written, kept = write_label_files(layout, self.out, self.fps, self.resample_to, self.overwrite, on_video)
            results.append(f"{self.out}: {written} videos written, {kept} kept as they were (--overwrite renews them)")
        if self.graph is not None:
            save_task_graph(count_graph(layout, self.split), layout.class_names, self.graph)
            results.append(f"{self.graph}: task graph of the training videos of split {self.split}")
        return results


def settle_by_features(layout: Layout, fps: float, options: LayoutOptions) -> None:
    """Let the first folder of features, if there is one, tell the layout the videos' lengths."""
    for name, folder in list(layout.feature_folders.items())[:1]:
        shapes = {video: folder.shape(video) for video in layout.video_names if folder.has(video)}
        settle_labels(layout, name, shapes, Rates(layout.annotation_fps or fps, fps, fps), options)
