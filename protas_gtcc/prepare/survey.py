"""The first pass of preparing: every label and header is read, and what is wrong comes up in seconds.

It decides how each feature set is read (a `FeaturePlan`); nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protas_gtcc.annotations.resampling import look_ahead_at
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.base import Layout, subject_of, task_of
from protas_gtcc.layouts.features import FeatureFolder, check_shapes, decide_time_first
from protas_gtcc.layouts.options import LayoutOptions

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
    """In frames of the dataset."""


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
    look_ahead = parse_look_ahead(options.look_ahead_frames, list(layout.feature_folders))
    shapes = {name: _shapes(layout, name, folder) for name, folder in layout.feature_folders.items()}
    first = next(iter(shapes))
    settle_labels(layout, first, shapes[first], rates, options)
    expected = {}
    for done, video in enumerate(layout.video_names, start=1):
        expected[video] = len(layout.labels(video)) * rates.features / rates.labels
        subject_of(video, options.subject_pattern)
        task_of(video, options.task_pattern, layout)
        on_progress("checking", done, len(layout.video_names))
    if not options.look_ahead_frames:
        layout.notices.append("the features' look-ahead is not declared and recorded as 0 (--look-ahead-frames)")
    return {
        name: _plan(
            layout.feature_folders[name],
            of_videos,
            expected,
            look_ahead_at(look_ahead[name], rates.features, rates.dataset),
            options,
        )
        for name, of_videos in shapes.items()
    }


def parse_look_ahead(declared: tuple[str, ...], feature_sets: list[str]) -> dict[str, int]:
    """`("10",)` or `("features=10",)` -> frames of the source by feature set; `InputError` for anything else."""
    frames = dict.fromkeys(feature_sets, 0)
    for item in declared:
        name, equals, number = item.rpartition("=")
        if not number.isdecimal() or (equals and name not in frames):
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
            f"{folder.path} is for split {folder.split}, but there are lists of videos for {listed(layout.splits)}; "
            "add that split's lists, rename the folder, or choose others with --features"
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
