"""Episodes of a LeRobotDataset, for `predict`: their features as inputs, and their progress as a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from protas_gtcc.cli.shared.inputs import Input
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.lerobot import LeRobotLayout, is_lerobot, open_annotated
from protas_gtcc.layouts.lerobot_progress import FILE, stages_of, write_progress
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.parquet_folder import ParquetFolder


def open_episodes(folder: Path) -> LeRobotLayout:
    """The dataset, some episodes of which have subtasks. Raises `InputError` for another folder, and as the reader."""
    if not is_lerobot(folder):
        raise InputError(f"{folder} is no LeRobotDataset: it must have meta/info.json and data/; correct --lerobot")
    return open_annotated(folder, LayoutOptions())


def episode_inputs(layout: LeRobotLayout) -> list[Input]:
    """All episodes, with the columns of their data as features."""
    return [Input(one.data, name, False, partial(_features, layout, name)) for name, one in layout.episodes.items()]


def write_episodes(folder: Path, written: Path) -> Path:
    """Write the progress of the episodes whose predictions are written, beside these; returns the file.

    Raises `InputError` as `write_progress` does.
    """
    from protas_gtcc.metrics.prediction_files import open_predictions

    layout, files = open_episodes(folder), open_predictions(written)
    info = files.info
    assert info is not None  # only CSV files lack it
    stages = stages_of(map(layout.labels, layout.videos), layout.class_names, info.class_names)
    predictions = ((video, files.read(video)) for video in files.video_names)
    videos = ((video, one.labels, one.reported) for video, one in predictions)
    frames_each = info.fps / (layout.annotation_fps or info.fps)
    write_progress(written.parent / FILE, layout.episodes, videos, stages, info.background, frames_each)
    return written.parent / FILE


def _features(layout: LeRobotLayout, video: str, dim: int) -> tuple[np.ndarray, float]:
    columns = {name: one for name, one in layout.feature_folders.items() if isinstance(one, ParquetFolder)}
    fitting = [name for name, one in columns.items() if one.dim == dim]
    if len(fitting) != 1:
        dims = listed(f"{name} [{one.dim}]" for name, one in columns.items())
        what = f"the model takes {dim} features, and of {dims} {_counted(fitting)}"
        raise InputError(f"{layout.path}: {what}; give files of features, episode_000000.npy and so on")
    return columns[fitting[0]].load(video, True), float(layout.annotation_fps or 1)


def _counted(fitting: Sequence[str]) -> str:
    return "several have as many" if fitting else "none has as many"
