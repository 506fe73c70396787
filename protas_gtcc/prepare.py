"""From a foreign layout to one dataset file, in two passes.

    survey    headers and labels of every video: what is wrong comes up in seconds, before anything is written
    stream    one video at a time: read, put time first, resample, cut to the shorter, write

Memory holds one video, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.dataset import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset_writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout, LayoutOptions, subject_of
from protas_gtcc.layouts.features import FeatureFolder, check_shapes, decide_time_first
from protas_gtcc.resample import resample_indices, vanished_segments

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many videos of it are done, and of how many."""


@dataclass(frozen=True)
class Rates:
    """Frames per second of labels and features as they come, and of the dataset that is made."""

    labels: float
    features: float
    dataset: float

    def __post_init__(self) -> None:
        for rate in (self.labels, self.features, self.dataset):
            if not 0 < rate < float("inf"):
                raise InputError(f"frames per second must be positive, came {rate:g}")


@dataclass(frozen=True)
class FeaturePlan:
    """How to read one feature set."""

    folder: FeatureFolder
    time_first: bool
    dim: int
    look_ahead_frames: int


@dataclass
class Summary:
    """What was made, and what was done to the data on the way."""

    path: str
    num_videos: int = 0
    num_frames: int = 0
    num_classes: int = 0
    background_frames: int = 0
    background_share: float = 0.0
    fps: float = 0.0
    feature_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    trimmed_videos: int = 0
    trimmed_frames: int = 0
    vanished_segments: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def prepare(
    layout: Layout,
    out: Path,
    fps: float,
    options: LayoutOptions,
    resample_to: float | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> Summary:
    """Write a layout to the dataset file `out`, which appears when whole.

    Labels and features come at `fps` (labels at the layout's own rate if it has one) and go to `resample_to`.
    Raises `InputError` for bad input and where the file cannot be written; an older file then stays.
    """
    rates = Rates(layout.annotation_fps or fps, fps, fps if resample_to is None else resample_to)
    plans = survey(layout, rates, options, on_progress)
    summary = _begin_summary(layout, out, rates, plans)
    info = DatasetInfo(
        name=layout.name,
        class_names=layout.class_names,
        background=layout.background,
        fps=rates.dataset,
        splits=layout.splits,
        source=f"{type(layout).__name__} {layout.path.name}",
    )
    feature_sets = {
        name: FeatureSet(plan.dim, plan.look_ahead_frames, plan.folder.split, plan.folder.path.name)
        for name, plan in plans.items()
    }
    with write_dataset(out, info, feature_sets) as writer:
        for done, video in enumerate(stream(layout, rates, plans, options, summary), start=1):
            writer.add(video)
            on_progress("writing", done, len(layout.video_names))
    summary.background_share = summary.background_frames / max(1, summary.num_frames)
    return summary


def survey(
    layout: Layout,
    rates: Rates,
    options: LayoutOptions,
    on_progress: Progress = lambda what, done, total: None,
) -> dict[str, FeaturePlan]:
    """Read every label and every header, and decide how to read each feature set.

    `InputError` for what does not fit.
    """
    if not layout.feature_folders:
        raise InputError(f"no features*/ beside {layout.path}; say where they are with --features FOLDER")
    shapes = {name: _shapes(layout, name, folder) for name, folder in layout.feature_folders.items()}
    first = next(iter(shapes))
    settle_labels(layout, first, shapes[first], rates, options)
    expected = {}
    for done, video in enumerate(layout.video_names, start=1):
        expected[video] = len(layout.labels(video)) * rates.features / rates.labels
        subject_of(video, options.subject_pattern)
        on_progress("checking", done, len(layout.video_names))
    look_ahead = parse_look_ahead(options.look_ahead_frames, list(shapes))
    if not options.look_ahead_frames:
        layout.notices.append("the features' look-ahead is not declared and recorded as 0 (--look-ahead-frames)")
    return {
        name: _plan(layout.feature_folders[name], of_videos, expected, look_ahead[name], options)
        for name, of_videos in shapes.items()
    }


def stream(
    layout: Layout, rates: Rates, plans: Mapping[str, FeaturePlan], options: LayoutOptions, summary: Summary
) -> Iterator[Video]:
    """Yield the videos one at a time, labels and features at the dataset's rate, and count into `summary`."""
    vanished: Counter[str] = Counter()
    for name in layout.video_names:
        labels = layout.labels(name)
        features = {
            feature_set: plan.folder.load(name, plan.time_first)
            for feature_set, plan in plans.items()
            if plan.folder.has(name)
        }
        chosen = resample_indices(len(labels), rates.labels, rates.dataset)
        for segment in vanished_segments(labels, chosen):
            vanished[layout.class_names[segment[2]]] += 1
        labels = labels[chosen]
        if rates.features != rates.dataset:
            features = {
                key: values[resample_indices(len(values), rates.features, rates.dataset)]
                for key, values in features.items()
            }
        labels, features = _cut_to_shortest(labels, features, summary)
        summary.num_videos += 1
        summary.num_frames += len(labels)
        summary.background_frames += int(np.isin(labels, layout.background).sum())
        summary.vanished_segments = dict(vanished)
        yield Video(name, labels, features, layout.task(name), subject_of(name, options.subject_pattern))


def parse_look_ahead(declared: tuple[str, ...], feature_sets: list[str]) -> dict[str, int]:
    """`("10",)` or `("features=10",)` -> frames by feature set; `InputError` for anything else."""
    frames = dict.fromkeys(feature_sets, 0)
    for item in declared:
        name, equals, number = item.rpartition("=")
        if not number.isdigit() or (equals and name not in frames):
            raise InputError(f"--look-ahead-frames {item}: expected N or NAME=N, NAME one of {', '.join(feature_sets)}")
        frames.update({name: int(number)} if equals else dict.fromkeys(feature_sets, int(number)))
    return frames


def settle_labels(
    layout: Layout,
    feature_set: str,
    shapes: Mapping[str, tuple[int, int]],
    rates: Rates,
    options: LayoutOptions,
) -> None:
    """Tell a layout how long its videos' features are: EgoProceL's pairs labels with videos by that.

    Time is the axis that varies between videos; where both or none do, the layout is not told.
    """
    columns = list(zip(*shapes.values(), strict=True))
    varying = [axis for axis, lengths in enumerate(columns) if len(set(lengths)) > 1]
    axis = {"TD": 0, "DT": 1}.get(options.feature_axes, varying[0] if len(varying) == 1 else None)
    if axis is not None:
        lengths = {video: shape[axis] * rates.labels / rates.features for video, shape in shapes.items()}
        layout.settle(feature_set, lengths)


def _shapes(layout: Layout, name: str, folder: FeatureFolder) -> dict[str, tuple[int, int]]:
    # A video may lack a feature set only if no split that the set is for names it.
    if folder.split is not None and folder.split not in layout.splits:
        raise InputError(
            f"{folder.path} is tied to split {folder.split}, but there are lists only of "
            f"{', '.join(layout.splits) or 'none'}; add lists, rename it, or choose others with --features"
        )
    splits = [layout.splits[folder.split]] if folder.split is not None else list(layout.splits.values())
    needed = {video for split in splits for part in split.values() for video in part}
    if not layout.splits:
        needed = set(layout.video_names)
    absent = [video for video in layout.video_names if not folder.has(video)]
    missing = [video for video in absent if video in needed]
    if missing:
        raise InputError(f"no features {folder.file(missing[0])}, for {len(missing)} videos of the splits in all")
    if absent:
        layout.notices.append(f"{len(absent)} videos have no {name}: {', '.join(absent[:5])}")
    known = set(layout.video_names)
    unlabelled = sorted(file.stem for file in folder.path.glob("*.npy") if file.stem not in known)
    if unlabelled:
        layout.notices.append(
            f"{len(unlabelled)} files of {name} have no labels, left out: {', '.join(unlabelled[:5])}"
        )
    return {video: folder.shape(video) for video in layout.video_names if video not in absent}


def _plan(
    folder: FeatureFolder,
    shapes: Mapping[str, tuple[int, int]],
    expected: Mapping[str, float],
    look_ahead_frames: int,
    options: LayoutOptions,
) -> FeaturePlan:
    tolerance = options.tolerance_frames
    if options.feature_axes == "auto":
        time_first = decide_time_first(folder, shapes, expected, tolerance)
    else:
        time_first = options.feature_axes == "TD"
    dim = check_shapes(folder, shapes, expected, time_first, tolerance)
    return FeaturePlan(folder, time_first, dim, look_ahead_frames)


def _cut_to_shortest(
    labels: np.ndarray, features: dict[str, np.ndarray], summary: Summary
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    lengths = [len(labels), *map(len, features.values())]
    shortest, longest = min(lengths), max(lengths)
    if shortest < longest:
        summary.trimmed_videos += 1
        summary.trimmed_frames += longest - shortest
        labels, features = labels[:shortest], {name: values[:shortest] for name, values in features.items()}
    return labels, features


def _begin_summary(layout: Layout, out: Path, rates: Rates, plans: Mapping[str, FeaturePlan]) -> Summary:
    return Summary(
        path=str(out),
        num_classes=len(layout.class_names),
        fps=rates.dataset,
        feature_sets={
            name: {
                "dim": plan.dim,
                "axes": "[T, D]" if plan.time_first else "[D, T]",
                "split": plan.folder.split,
                "look_ahead_frames": plan.look_ahead_frames,
            }
            for name, plan in plans.items()
        },
        splits={split: {part: len(names) for part, names in parts.items()} for split, parts in layout.splits.items()},
        notices=layout.notices,
    )
