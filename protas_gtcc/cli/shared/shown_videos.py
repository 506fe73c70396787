"""Test videos shown at the end of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from protas_gtcc.dataset.file import Dataset


def print_test_videos(predictions: Path, dataset: Dataset, split: str, console: Console) -> None:
    """Print the best, the median and the worst test video as coloured bars, where the terminal has colours."""
    from protas_gtcc.metrics.prediction_files import open_predictions
    from protas_gtcc.report.terminal_bars import print_videos, shows_colours
    from protas_gtcc.report.video_sheet import SheetVideo

    if not shows_colours(console):
        return
    files = open_predictions(predictions)
    videos = (SheetVideo(name, dataset.labels(name), files.read_labels(name)) for name in dataset.part(split, "test"))
    print_videos(videos, dataset.info, console)
