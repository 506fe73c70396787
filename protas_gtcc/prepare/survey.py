"""The first pass of preparing: read every label and every header, so that errors are found within seconds.

It makes a `FeaturePlan` for each feature set and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from protas_gtcc.annotations.resampling import look_ahead_at, require_rate
from protas_gtcc.dataset.description import repeated_videos
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout, found_in_name
from protas_gtcc.layouts.features import FeatureFolder, check_shapes, is_time_first, known_axes
from protas_gtcc.layouts.lengths import ExpectedLengths
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.rates import FrameRates, all_rates, rate_of
from protas_gtcc.predictions import Extractor
from protas_gtcc.storage.feature_facts import facts_of_features

OnProgress = Callable[[str, int, int], None]
"""Called with the name of the pass, the number of videos that are done, and the number of all videos."""


def show_nothing(what: str, done: int, total: int) -> None:
    """The default `OnProgress`."""


@dataclass(frozen=True)
class Rates:
    """Frames per second of labels and features as they come, and of the dataset that is made."""

    labels: FrameRates
    features: FrameRates
    dataset: float

    def __post_init__(self) -> None:
        for rate in (*all_rates(self.labels), *all_rates(self.features), self.dataset):
            require_rate(rate)

    def features_per_label(self, video: str) -> float:
        """How many frames of features a video has for each label."""
        return rate_of(self.features, video) / rate_of(self.labels, video)


@dataclass(frozen=True)
class FeaturePlan:
    """How to read one feature set."""

    folder: FeatureFolder
    time_first: bool
    dim: int
    look_ahead_frames: int
    """In frames of the dataset."""
    extractor: Extractor
    """What made the features, where `extract` did."""


def survey(
    layout: Layout, rates: Rates, options: LayoutOptions, on_progress: OnProgress = show_nothing
) -> dict[str, FeaturePlan]:
    """Decide how to read each feature set. Raises `InputError` for labels, features and patterns that do not fit.

    There is none with `options.no_features`.
    """
    require_features_or_none(layout, options)
    _require_separate_parts(layout)
    look_ahead = parse_look_ahead(options.look_ahead_frames, list(layout.feature_folders))
    shapes = {name: _shapes(layout, name, folder) for name, folder in layout.feature_folders.items()}
    for first in list(shapes)[:1]:
        pair_labels_by_length(layout, first, shapes[first], rates, options)
    expected = {}
    for done, video in enumerate(layout.video_names, start=1):
        expected[video] = len(layout.labels(video)) * rates.features_per_label(video)
        found_in_name("subject", options.subject_pattern, video)
        found_in_name("task", options.task_pattern, video)
        on_progress("checking", done, len(layout.video_names))
    if not layout.splits:
        what = "no lists of training and test videos, which 'run' needs"
        layout.notices.append(f"{what}; add lists, or draw a split with --test-share 0.2")
    origins = {name: find_origin(layout, name, shapes[name], rates) for name in shapes}
    if shapes and not options.look_ahead_frames and not all(extractor for extractor, _ in origins.values()):
        layout.notices.append("the look-ahead is taken as 0 frames; set it with --look-ahead-frames")
    lengths = expected_lengths(layout, expected, rates.features, options)
    plans = {}
    for name, folder in layout.feature_folders.items():
        time_first = is_time_first(folder, shapes[name], lengths, options.feature_axes)
        dim = check_shapes(folder, shapes[name], lengths, time_first)
        extractor, known = origins[name]
        source_frames = max(look_ahead[name], known)
        look_ahead_frames = max(look_ahead_at(source_frames, rate, rates.dataset) for rate in all_rates(rates.features))
        plans[name] = FeaturePlan(folder, time_first, dim, look_ahead_frames, extractor)
    return plans


def require_features_or_none(layout: Layout, options: LayoutOptions) -> None:
    """Raise `InputError` for a layout without features, unless that is stated and its labels know their lengths."""
    if not options.no_features and not layout.feature_folders:
        ways_out = "give their folder with --features FOLDER, or take labels alone with --no-features"
        raise InputError(f"no features*/ beside {layout.path}; {ways_out}")
    if options.no_features and layout.needs_lengths and not layout.last_end_is_end:
        what = "segments in seconds need features, which give the length of a video"
        raise InputError(f"{layout.path}: {what}; leave out --no-features")


def expected_lengths(
    layout: Layout, frames: Mapping[str, float], features: FrameRates | None, options: LayoutOptions
) -> ExpectedLengths:
    """The lengths of features that are expected; `features` is their rate, None if it is unknown."""
    fps = None if features is None else min(all_rates(features))
    return ExpectedLengths(frames, options.tolerance_frames, fps, layout.annotation_fps is not None)


def find_origin(layout: Layout, name: str, videos: Iterable[str], rates: Rates) -> tuple[Extractor, int]:
    """What made the features of a set, and how many frames they look ahead, by the facts beside the files.

    The extractor is unknown unless every video has facts.
    Raises `InputError` for features of two backbones, and for those of another rate than was given.
    """
    files = {video: layout.feature_folders[name].file(video) for video in videos}
    found = {video: read for video, file in files.items() if (read := facts_of_features(file))}
    look_ahead_frames = max((one.look_ahead_frames for one in found.values()), default=0)
    facts = {video: one.extractor for video, one in found.items()}
    for video, one in facts.items():
        first, rate = next(iter(facts)), rate_of(rates.features, video)
        if not one.has_backbone_of(facts[first]):
            what = f"{files[video]} was made by {one}, and {files[first]} by {facts[first]}"
            raise InputError(f"{what}; extract all with one backbone")
        if one.fps != rate:
            raise InputError(
                f"{files[video]} was made by {one}, and --fps is {rate:g}; give its rate, or extract again"
            )
    if 0 < len(facts) < len(files):
        what = f"{plural(len(files) - len(facts), 'video')} of {name} without the file of facts that extract writes"
        layout.notices.append(f"{what}: the backbone is not recorded")
    if not facts or len(facts) < len(files):
        return Extractor(), look_ahead_frames
    found_rates = {one.fps for one in facts.values()}
    fps = found_rates.pop() if len(found_rates) == 1 else rates.dataset
    return replace(next(iter(facts.values())), fps=fps), look_ahead_frames


def _require_separate_parts(layout: Layout) -> None:
    """Raise `InputError` for a video that is in two parts of a split, or twice in one."""
    for split, parts in layout.splits.items():
        for what, videos, way_out in repeated_videos(parts):
            raise InputError(f"{layout.path}, split {split}, {what}: {listed(videos)}; {way_out}")


def parse_look_ahead(declared: tuple[str, ...], feature_sets: list[str]) -> dict[str, int]:
    """`("10",)` or `("features=10",)` -> look-ahead of each feature set, in source frames; else raises `InputError`."""
    frames = dict.fromkeys(feature_sets, 0)
    for item in declared:
        name, equals, number = item.rpartition("=")
        if not re.fullmatch(r"[0-9]{1,9}", number) or (equals and name not in frames):
            raise InputError(f"--look-ahead-frames {item}: expected N or NAME=N; NAME is one of {listed(feature_sets)}")
        frames.update({name: int(number)} if equals else dict.fromkeys(feature_sets, int(number)))
    return frames


def pair_labels_by_length(
    layout: Layout, feature_set: str, shapes: Mapping[str, tuple[int, int]], rates: Rates, options: LayoutOptions
) -> None:
    """Give a layout the lengths of its videos' features: EgoProceL's pairs labels with videos by them.

    Time is the axis whose size differs between videos. If that is both axes or none, nothing is given. Raises
    `InputError` then if the layout has no lengths of its own.
    """
    axes = known_axes(layout.feature_folders.get(feature_set), shapes, options.feature_axes)
    columns = list(zip(*shapes.values(), strict=True))
    varying = [axis for axis, lengths in enumerate(columns) if len(set(lengths)) > 1]
    axis = {"TD": 0, "DT": 1}.get(axes, varying[0] if len(varying) == 1 else None)
    if axis is not None:
        lengths = {video: shape[axis] / rates.features_per_label(video) for video, shape in shapes.items()}
        layout.pair_by_length(feature_set, lengths)
    elif layout.needs_lengths and shapes:
        differ = "both axes differ" if varying else "no axis differs"
        what = f"{differ} between the videos of {feature_set}, and segments in seconds do not say which axis is time"
        raise InputError(f"{layout.feature_folders[feature_set].path}: {what}; give --feature-axes TD or DT")


def pair_labels_by_features(layout: Layout, fps: FrameRates, options: LayoutOptions) -> None:
    """Give a layout the lengths of its videos in the first folder of features, at `fps`, if there is one."""
    for name, folder in list(layout.feature_folders.items())[:1]:
        shapes = {video: folder.shape(video) for video in layout.video_names if folder.has(video)}
        pair_labels_by_length(layout, name, shapes, Rates(layout.annotation_fps or fps, fps, 1.0), options)


def _shapes(layout: Layout, name: str, folder: FeatureFolder) -> dict[str, tuple[int, int]]:
    """The shapes of a set's arrays. Only a video that is in no split that may use the set may lack one."""
    if folder.split is not None and folder.split not in layout.splits:
        raise InputError(
            f"{folder.path} is for split {folder.split}, but there are lists of videos for {listed(layout.splits)}; "
            "add that split's lists, rename the folder, or choose others with --features"
        )
    splits = [layout.splits[folder.split]] if folder.split is not None else list(layout.splits.values())
    listed_videos = {video for split in splits for part in split.values() for video in part}
    needed = listed_videos if layout.splits else set(layout.video_names)
    absent = [video for video in layout.video_names if not folder.has(video)]
    missing = [video for video in absent if video in needed]
    if missing:
        what = f"{plural(len(missing), 'video')} without features, such as {folder.file(missing[0])}"
        raise InputError(f"{what}; extract them, or take the videos off the lists")
    if absent:
        layout.notices.append(f"{plural(len(absent), 'video')} without {name}: {listed(absent)}")
    unlabelled = folder.unlabelled(layout.video_names)
    if unlabelled:
        what = f"{plural(len(unlabelled), 'file')} of {name} left out, without labels: {listed(unlabelled)}"
        layout.notices.append(what)
    not_read = folder.not_read()
    if not_read:
        layout.notices.append(f"{plural(len(not_read), 'file')} in {name} not read: {listed(not_read)}")
    return {video: folder.shape(video) for video in layout.video_names if video not in absent}
