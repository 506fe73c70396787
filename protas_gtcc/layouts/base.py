"""`Layout`: what every reader of a foreign layout gives, and what is found in class and video names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from protas_gtcc.annotations.mistakes import Track
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.layouts.names import find_name
from protas_gtcc.layouts.options import LayoutOptions

BACKGROUND_NAMES = ("background", "bg")


@dataclass(kw_only=True)
class Layout(ABC):
    """An opened dataset in a foreign layout. Labels and features are read later, video by video."""

    needs_lengths: ClassVar[bool] = False
    """Whether labels do not say how long a video is, so that `pair_by_length` must."""
    last_end_is_end: ClassVar[bool] = False
    """Whether a video may be taken to end with its last segment, where there are no features to say it."""
    progress_file: ClassVar[str | None] = None
    """Name of a file of progress in the dataset's own form, which `write_progress` makes; None if it has none."""

    path: Path
    name: str
    class_names: list[str]
    background: list[int]
    splits: Mapping[str, Mapping[str, list[str]]]
    video_names: list[str]
    feature_folders: dict[str, FeatureFolder]
    annotation_fps: float | None
    """Labels per second; None if labels come at the features' rate."""
    levels: tuple[str, ...] = ()
    """Levels of actions that were annotated, the one that is read first; () where there is one."""
    simulated: bool = False
    """The videos are rendered by `simulate`, not recorded."""
    notices: list[str] = field(default_factory=list)
    """Messages for the user: nothing is skipped in silence."""

    @abstractmethod
    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`. Raises `InputError` naming file and line."""

    @abstractmethod
    def labels_source(self, video: str) -> str:
        """Where the labels of a video come from, for messages."""

    def task(self, video: str) -> str:
        """The task that a video shows, "" if the layout does not have it."""
        return ""

    def subject(self, video: str) -> str:
        """The person in a video, "" if the layout does not have it."""
        return ""

    def environment(self, video: str) -> str:
        """The place where a video was recorded, "" if the layout does not have it."""
        return ""

    def track(self, video: str) -> Track | None:
        """The steps as annotated and the mistakes, in frames of `labels`; None if the layout has no more than these."""
        return None

    def write_progress(self, file: Path) -> None:
        """Write the progress of all labels in the dataset's own form, where it has a `progress_file`."""
        raise NotImplementedError

    def sample_labels(self, fps: float) -> None:  # noqa: B027
        """Give labels at the features' rate from now on, if the layout has times in seconds."""

    def pair_by_length(self, feature_set: str, num_feature_frames: Mapping[str, float]) -> None:  # noqa: B027
        """Pair labels with videos by the features' lengths, in annotation frames, if the layout needs that."""

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Take videos out of the dataset and its splits, and name them with the reasons in the notices.

        Raises `InputError` if no video would be left, or none in a part of a split.
        """
        emptied = [
            f"all {part} videos of split {split}"
            for split, parts in self.splits.items()
            for part, videos in parts.items()
            if videos and reasons.keys() >= set(videos)
        ]
        if reasons.keys() >= set(self.video_names):
            emptied = ["all videos"]
        if emptied:
            what = f"{self.path}: {listed(emptied)} would be left out: {listed(reasons)}"
            raise InputError(f"{what} ({next(iter(reasons.values()))}); replace videos, or change the split")
        self.video_names = [video for video in self.video_names if video not in reasons]
        self.splits = {
            split: {part: [video for video in videos if video not in reasons] for part, videos in parts.items()}
            for split, parts in self.splits.items()
        }
        self.notices += [f"{video} left out of the dataset: {reason}" for video, reason in reasons.items()]


def background_ids(class_names: list[str], options: LayoutOptions, where: Path) -> list[int]:
    """Ids of the background classes: those that the user names, else those called background or BG.

    Raises `InputError` for an unknown name, and if there is no background and the user did not state that.
    """
    if options.no_background:
        if options.background:
            raise InputError("--background and --no-background contradict each other; give one")
        return []
    if options.background is None:
        found = [i for i, name in enumerate(class_names) if name.casefold() in BACKGROUND_NAMES]
        if not found:
            raise InputError(
                f"{where}: no class is called background or BG, the classes are {', '.join(class_names)}; "
                "name the background with --background NAME, or give --no-background"
            )
        return found
    named = {name: find_name(name, class_names) for name in options.background}
    for name, known in named.items():
        if known is None:
            names = ", ".join(class_names)
            raise InputError(f"--background {name!r} is not a class of {where}; the classes are {names}")
    return sorted({class_names.index(known) for known in named.values() if known is not None})


def choose_level(levels: tuple[str, ...], options: LayoutOptions, where: Path) -> str:
    """The level of actions that the user names, else the first. Raises `InputError` for one that is not there."""
    if options.level is None:
        return levels[0]
    if options.level not in levels:
        raise InputError(f"--level {options.level!r}: {where} has {listed(levels)}; give one of them")
    return options.level


def found_in_name(what: str, pattern: str | None, video: str) -> str:
    """The subject or task in a video's name by the user's pattern, "" without one. Raises `InputError` if none is."""
    if pattern is None:
        return ""
    try:
        found = re.search(pattern, video)
    except re.error as error:
        raise InputError(f"--{what}-pattern {pattern!r} is not a regular expression ({error}); correct it") from error
    if found is None:
        raise InputError(f"--{what}-pattern {pattern!r} finds no {what} in the video name {video!r}; correct it")
    return str(found.group(1) if found.groups() else found.group())


def find_subject(layout: Layout, options: LayoutOptions, video: str) -> str:
    """The person in a video: in its name by the user's pattern, else as the layout has it; "" if unknown."""
    return found_in_name("subject", options.subject_pattern, video) or layout.subject(video)
