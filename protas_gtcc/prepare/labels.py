"""Progress and segments from labels: as files, or into a dataset file; and the task graph.

progress/<video>.npy    float32 [C, T], the target of every class (ProTAS's format)
segments/<video>.csv    start, end (exclusive), class_id, class, and times in seconds if the rate is known
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.resampling import resample_indices
from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.annotations.task_graph import TaskGraph, count_task_graph
from protas_gtcc.dataset.changing import changed_dataset
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import write_classes
from protas_gtcc.dataset.writer import LabelWriter, require_track
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.base import Layout
from protas_gtcc.layouts.lengths import ExpectedLengths, frames_of_a_second
from protas_gtcc.layouts.names import find_name
from protas_gtcc.layouts.rates import FrameRates, all_rates, rate_of
from protas_gtcc.prepare.survey import OnProgress, show_nothing
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.csv_tables import Columns, write_csv_table
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.storage.npy_rows import NpyRows


def write_label_files(
    layout: Layout,
    out: Path,
    fps: FrameRates | None = None,
    resample_to: float | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = show_nothing,
) -> tuple[int, int]:
    """Write every video's progress `[C, T]` and segments under `out`; returns the numbers of videos written and kept.

    Labels come at the layout's own rate if it has one, else at `fps`, and are resampled to `resample_to`. A video is
    kept if both of its files exist, unless `overwrite`. Raises `InputError` for bad labels, and if nothing can be
    written.
    """
    if fps is not None:
        layout.sample_labels(resample_to or max(all_rates(fps)) if isinstance(fps, Mapping) else fps)
    rates = layout.annotation_fps or fps
    if resample_to is not None and rates is None:
        raise InputError("--resample-to needs the rate of the labels; give --fps")
    written = 0
    for done, video in enumerate(layout.video_names, start=1):
        progress_file, segments_file = out / "progress" / f"{video}.npy", out / "segments" / f"{video}.csv"
        if overwrite or not (progress_file.is_file() and segments_file.is_file()):
            rate = None if rates is None else rate_of(rates, video)
            new_rate = rate if resample_to is None else resample_to
            labels, _ = _labels_at(layout, video, rate, new_rate)
            _write_progress(progress_file, labels, layout)
            write_csv_table(segments_file, _segment_columns(labels, layout.class_names, new_rate))
            written += 1
        on_progress("labels", done, len(layout.video_names))
    return written, len(layout.video_names) - written


def write_labels_into(
    layout: Layout,
    file: Path,
    fps: FrameRates | None = None,
    on_progress: OnProgress = show_nothing,
    tolerance_frames: int | None = None,
) -> int:
    """Replace labels, progress, segments and tracks in a dataset file by a layout's; returns the number of videos.

    The work is done on a copy that takes the file's name when whole. Labels come at the layout's own rate if it has
    one, else at `fps`, else at the file's rate, and are resampled to the file's rate. Raises `InputError` if the layout
    lacks a video of the file, and if labels and features differ in length.
    """
    with only_writer(file, wait=True):
        return _replace_labels(layout, Dataset(file), fps, on_progress, tolerance_frames)


def _replace_labels(
    layout: Layout, dataset: Dataset, fps: FrameRates | None, on_progress: OnProgress, tolerance_frames: int | None
) -> int:
    file = dataset.path
    known = set(layout.video_names)
    labelled = {video: find_name(video, known) for video in dataset.video_names}
    names = {video: name for video, name in labelled.items() if name is not None}
    absent = [video for video in labelled if video not in names]
    if absent:
        raise InputError(f"{file} has video {absent[0]}, but {layout.path} has no labels for it; add them")
    file_fps = dataset.info.fps
    layout.sample_labels(file_fps if fps is None or isinstance(fps, Mapping) else fps)
    rates = next(known for known in (layout.annotation_fps, fps, file_fps) if known is not None)
    lengths = {names[video]: n * rate_of(rates, names[video]) / file_fps for video, n in dataset.num_frames.items()}
    layout.pair_by_length(file.name, lengths)
    if tolerance_frames is not None:  # it was counted at the features' own rate, which may have been higher
        tolerance_frames = min(tolerance_frames, frames_of_a_second(file_fps))
    with changed_dataset(file) as copy:
        write_classes(copy, layout.class_names, layout.background)
        writer = LabelWriter(copy, len(layout.class_names), layout.background)
        for done, (video, num_frames) in enumerate(dataset.num_frames.items(), start=1):
            labels, chosen = _labels_at(layout, names[video], rate_of(rates, names[video]), file_fps)
            expected = ExpectedLengths({video: float(len(labels))}, tolerance_frames, file_fps)
            # The file's features were cut to the labels that it was made with, so a few labels more are expected.
            if len(labels) < num_frames or not expected.fits(video, num_frames):
                raise InputError(_does_not_fit(len(labels), num_frames, layout.labels_source(names[video]), file))
            track = layout.track(names[video])
            if track is not None:
                track = track.at_frames(chosen[:num_frames])
            require_track(track, len(layout.class_names), num_frames, f"video {video}")
            writer.append(labels[:num_frames], track)
            on_progress("labels", done, len(dataset.num_frames))
        writer.finish()
    return len(dataset.num_frames)


def count_graph(layout: Layout, split: str) -> TaskGraph:
    """The task graph of a split's training videos. Raises `InputError` if there is no such split, or none in it."""
    if not layout.splits:
        raise InputError(f"{layout.path} has no splits; add lists of videos, or draw a split with --test-share 0.2")
    if split not in layout.splits:
        raise InputError(f"{layout.path} has no split {split!r}; choose one of {listed(layout.splits)}")
    training = layout.splits[split].get("train", [])
    if not training:
        raise InputError(f"split {split} of {layout.path} has no training videos for the task graph; list some")
    return count_task_graph(map(layout.labels, training), len(layout.class_names), layout.background)


def _write_progress(path: Path, labels: np.ndarray, layout: Layout) -> None:
    """Write `progress_by_class` of labels `[T]`, class by class: the whole of it, `[C, T]`, may not fit into memory."""
    progress = progress_target(labels, layout.background)
    with replace_when_whole(path) as temporary, open(temporary, "wb") as file:
        rows = NpyRows(file, len(labels), progress.dtype)
        for label in range(len(layout.class_names)):
            rows.append(np.where(labels == label, progress, 0)[None])
        rows.finish()


def _segment_columns(labels: np.ndarray, class_names: list[str], fps: float | None) -> Columns:
    starts, ends, ids = segment_array(labels).T
    columns = {"start": starts, "end": ends, "class_id": ids, "class": [class_names[label] for label in ids]}
    if fps is not None:
        columns |= {"start_seconds": starts / fps, "end_seconds": ends / fps}
    return columns


def _labels_at(layout: Layout, video: str, rate: float | None, new_rate: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a video at a new rate, `[T']`, and the frames of the layout's labels that they are."""
    labels = layout.labels(video)
    if rate is None or new_rate is None or rate == new_rate:
        return labels, np.arange(len(labels))
    chosen = resample_indices(len(labels), rate, new_rate)
    return labels[chosen], chosen


def _does_not_fit(num_labels: int, num_frames: int, source: str, file: Path) -> str:
    return (
        f"{source} has {num_labels} labels, the features in {file} {num_frames} frames; if the file was resampled, "
        "give the labels' rate with --fps; if it was made with --tolerance-frames, give that again; else prepare it "
        "again"
    )
