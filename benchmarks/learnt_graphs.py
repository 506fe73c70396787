"""Which steps wait for which: graphs learnt from training recordings, beside the drawn ones.

    python benchmarks/learnt_graphs.py --dataset captaincook4d-all.h5 --graphs captaincook4d/task_graphs

Graphs are learnt from the training and validation recordings of a split: from all, and from those in which nothing is
wrong or missing. *Nearly always* is how graphs are learnt by default (`procedure/learnt_graph.py`). Beside it are two
other levels, and a chain: the steps in the order of their mean rank. Intervals are 95 %, over tasks. *Broken* are the
test recordings without mistakes in which some two steps come in another order than the graph's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts, known_tasks
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import DecodingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.layouts.drawn_graphs import read_drawn_graphs
from protas_gtcc.metrics.procedure_graphs import compare_graphs
from protas_gtcc.procedure.drawn_graph import drawn_needs
from protas_gtcc.procedure.learnt_graph import CONFIDENCE, LEAST_SHARE, broken_orders, learnt_needs, mean_order
from protas_gtcc.procedure.tables import ProcedureTables, Recording, count_procedures, steps_of

LEVELS = {
    "always": (1e-12, 1 - 1e-9),  # a bound so near to 1 has no recording in the other order
    "nearly always": (CONFIDENCE, LEAST_SHARE),
    "more often than not, at 95 %": (0.95, 0.5),
}
"""Confidence and least share of an edge."""
COLUMNS = ("learnt from", "edges", "found", "precision", "recall", "precision, closure", "recall, closure", "broken")


@dataclass(frozen=True)
class Arguments:
    """Compare learnt task graphs with drawn ones."""

    dataset: Path
    """Dataset file with tasks; features are not needed."""
    graphs: Path
    """Folder of drawn graphs, a JSON file each."""
    split: str = "recordings"
    """Learn from its training and validation videos."""


def rows(arguments: Arguments) -> Iterator[Sequence[str]]:
    """The cells of the table, row by row."""
    dataset = Dataset(arguments.dataset)
    info, videos = dataset.info, [v for part in ("train", "validation") for v in dataset.part(arguments.split, part)]
    of_video = [dataset.attribute(video, "task") for video in videos]
    tasks = known_tasks(of_video)
    labels = [dataset.labels(video) for video in videos]
    states = count_transcripts(labels, info.num_classes, DecodingConfig(), info.fps, of_video)
    graphs, notices = read_drawn_graphs(arguments.graphs, tasks)
    for notice in notices:
        print(notice, file=sys.stderr)
    drawn = drawn_needs(graphs, states, tasks, info.class_names)
    tested = count(dataset, without_mistakes(dataset, dataset.part(arguments.split, "test")), tasks, states)
    yield "–", "drawn", f"{drawn.sum():.0f}", *["–"] * 4, broken(drawn, tested)
    for name, chosen in (("all", videos), ("without mistakes", without_mistakes(dataset, videos))):
        tables = count(dataset, chosen, tasks, states)
        found = {level: learnt_needs(tables, *bound) for level, bound in LEVELS.items()}
        for level, needs in {**found, "chain": mean_order(tables)}.items():
            figures = compare_graphs(needs, drawn, states.state_task, tasks or [""])
            cells = [cell(figures, *path) for path in paths()]
            yield f"{name}: {len(chosen)}", level, f"{needs.sum():.0f}", *cells, broken(needs, tested)


def paths() -> list[tuple[str, str]]:
    """Of the figures that the table has."""
    return [(kind, figure) for kind in ("edges", "closure") for figure in ("precision", "recall")]


def cell(figures: dict[str, Any], kind: str, figure: str) -> str:
    """A figure with its interval; "–" where there is none."""
    value, ends = figures[kind][figure], figures["intervals"][kind][figure]
    interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else ""
    return "–" if value is None else f"{value:.2f}{interval}"


def broken(needs: np.ndarray, tables: ProcedureTables) -> str:
    """How many recordings break a graph."""
    found = broken_orders(needs, tables)
    return f"{found.sum()} of {len(found)}"


def without_mistakes(dataset: Dataset, videos: Sequence[str]) -> list[str]:
    """Those with a track in which nothing is wrong or missing."""
    tracks = {video: dataset.track(video) for video in videos}
    return [video for video, track in tracks.items() if track and not track.mistakes and not track.missing]


def count(dataset: Dataset, videos: Sequence[str], tasks: Sequence[str], states: TranscriptTables) -> ProcedureTables:
    """The orders of some videos; those of a task without training videos are left out."""
    of_video = {video: dataset.attribute(video, "task") for video in videos}
    recordings = [
        Recording(steps(dataset, video), list(tasks).index(task) if tasks else 0)
        for video, task in of_video.items()
        if not tasks or task in tasks
    ]
    return count_procedures(recordings, states, dataset.info.background, dataset.info.fps)


def steps(dataset: Dataset, video: str) -> np.ndarray:
    """The steps as annotated, else those of the labels."""
    track = dataset.track(video)
    if track is None:
        return steps_of(dataset.labels(video), dataset.info.background)
    return np.array([[one.start, one.end, one.label] for one in track.steps], dtype=np.int64).reshape(-1, 3)


def main(arguments: Arguments) -> None:
    """Print the table."""
    for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows(arguments)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "learnt_graphs.py", __doc__)))
