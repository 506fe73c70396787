"""From a foreign layout to one dataset file, in two passes.

    survey          headers and labels of every video, so that errors are found before anything is written (survey.py)
    read_videos     one video at a time: read, put time first, resample, cut to the shorter of labels and features

At most three videos are in memory at a time: one is written, one waits, and one is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.mistakes import TrackCounts
from protas_gtcc.annotations.resampling import resample_indices, vanished_segments
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError, listed, plain
from protas_gtcc.layouts.base import Layout, find_subject, found_in_name
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import FrameRates, all_rates, rate_of
from protas_gtcc.prepare.survey import FeaturePlan, OnProgress, Rates, show_nothing, survey
from protas_gtcc.video.ahead import ahead


@dataclass
class Summary:
    """What is in a new file (`counted`), and how the data was changed on the way."""

    path: str
    num_videos: int = 0
    num_frames: int = 0
    num_classes: int = 0
    background_frames: int = 0
    background_share: float = 0.0
    fps: float = 0.0
    feature_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    """Task -> videos."""
    people: int = 0
    environments: int = 0
    procedure: TrackCounts = field(default_factory=TrackCounts)
    """Steps as annotated, missing steps and mistakes."""
    trimmed_videos: int = 0
    trimmed_frames: int = 0
    vanished_segments: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def prepare(
    layout: Layout,
    out: Path,
    fps: FrameRates,
    options: LayoutOptions,
    resample_to: float | None = None,
    on_progress: OnProgress = show_nothing,
    overwrite: bool = True,
) -> Summary:
    """Write a layout to the dataset file `out`, which appears when whole.

    Labels and features come at `fps`, of each video or of all (labels at the layout's own rate if it has one), and are
    resampled to `resample_to`. Raises `InputError` for bad input, if rates differ without `resample_to`, and if the
    file cannot be written, or is there and `overwrite` is off; an older file then stays.
    """
    lowest, *others = all_rates(fps)
    if others and resample_to is None:
        rates_there = f"{listed(map(plain, (lowest, *others)))} frames per second"
        raise InputError(f"videos come at {rates_there}, and a dataset has one rate; give it with --resample-to")
    dataset_fps = lowest if resample_to is None else resample_to
    # Labels that are in seconds are sampled at the dataset's rate where features have several.
    layout.sample_labels(dataset_fps if others else lowest)
    rates = Rates(layout.annotation_fps or fps, fps, dataset_fps)
    plans = survey(layout, rates, options, on_progress)
    axes = {name: {"axes": "[T, D]" if plan.time_first else "[D, T]"} for name, plan in plans.items()}
    summary = Summary(str(out), feature_sets=axes, notices=layout.notices)
    info = DatasetInfo(
        name=layout.name,
        class_names=layout.class_names,
        background=layout.background,
        fps=rates.dataset,
        splits=layout.splits,
        simulated=layout.simulated,
        source=f"{type(layout).__name__} {layout.path.name}".encode("utf-8", "backslashreplace").decode(),
    )
    feature_sets = {
        name: FeatureSet(
            plan.dim, plan.look_ahead_frames, plan.folder.split, plan.folder.path.name, extractor=plan.extractor
        )
        for name, plan in plans.items()
    }
    with write_dataset(out, info, feature_sets, overwrite) as writer:
        videos = ahead(read_videos(layout, rates, plans, options, summary), depth=1)  # read while others are written
        for done, video in enumerate(videos, start=1):
            writer.add(video)
            on_progress("writing", done, len(layout.video_names))
    return counted(summary)


def counted(summary: Summary) -> Summary:
    """The summary with what the file at its path holds."""
    dataset = Dataset(summary.path)
    info, videos, num_frames = dataset.info, dataset.video_names, sum(dataset.num_frames.values())
    background = sum(int(np.isin(dataset.labels(video), info.background).sum()) for video in videos)
    return replace(
        summary,
        num_videos=len(videos),
        num_frames=num_frames,
        num_classes=info.num_classes,
        background_frames=background,
        background_share=background / max(1, num_frames),
        fps=info.fps,
        feature_sets={
            name: {
                "dim": one.dim,
                **summary.feature_sets.get(name, {}),
                "split": one.split,
                "look_ahead_frames": one.look_ahead_frames,
                **({"extractor": str(one.extractor)} if one.extractor else {}),
            }
            for name, one in dataset.feature_sets.items()
        },
        splits={split: {part: len(names) for part, names in parts.items()} for split, parts in info.splits.items()},
        tasks=dict(Counter(task for video in videos if (task := dataset.attribute(video, "task")))),
        people=len({dataset.attribute(video, "subject") for video in videos} - {""}),
        environments=len({dataset.attribute(video, "environment") for video in videos} - {""}),
        procedure=_count_tracks(dataset),
    )


def _count_tracks(dataset: Dataset) -> TrackCounts:
    counts = TrackCounts()
    for video in dataset.video_names:
        track = dataset.track(video)
        if track is not None:
            counts.add(track, dataset.labels(video))
    return counts


def read_videos(
    layout: Layout, rates: Rates, plans: Mapping[str, FeaturePlan], options: LayoutOptions, summary: Summary
) -> Iterator[Video]:
    """Yield the videos one at a time, labels and features at the dataset's rate; `summary` counts what is changed."""
    vanished: Counter[str] = Counter()
    for name in layout.video_names:
        labels = layout.labels(name)
        chosen = resample_indices(len(labels), rate_of(rates.labels, name), rates.dataset)
        for segment in vanished_segments(labels, chosen):
            vanished[layout.class_names[segment[2]]] += 1
        labels, features = labels[chosen], _load_features(name, plans, rates)
        track = layout.track(name)
        lengths = [len(labels), *map(len, features.values())]
        summary.trimmed_videos += min(lengths) < max(lengths)
        summary.trimmed_frames += max(lengths) - min(lengths)
        labels, features = labels[: min(lengths)], {key: values[: min(lengths)] for key, values in features.items()}
        summary.vanished_segments = dict(vanished)
        task = found_in_name("task", options.task_pattern, name) or layout.task(name)
        yield Video(
            name=name,
            labels=labels,
            features=features,
            task=task,
            subject=find_subject(layout, options, name),
            environment=layout.environment(name),
            track=None if track is None else track.at_frames(chosen[: len(labels)]),
        )


def _load_features(video: str, plans: Mapping[str, FeaturePlan], rates: Rates) -> dict[str, np.ndarray]:
    """The features that a video has, time first, at the dataset's rate."""
    rate = rate_of(rates.features, video)
    features = {
        name: plan.folder.load(video, plan.time_first, rate) for name, plan in plans.items() if plan.folder.has(video)
    }
    if rate == rates.dataset:
        return features
    return {name: values[resample_indices(len(values), rate, rates.dataset)] for name, values in features.items()}
