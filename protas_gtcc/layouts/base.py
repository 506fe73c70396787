"""What every layout reader gives: class names, splits, labels of one video at a time, folders of features."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.features import FeatureFolder

BACKGROUND_NAMES = ("background", "bg")


@dataclass(kw_only=True)
class Layout(ABC):
    """A dataset in a foreign layout, opened; labels and features are read later, video by video."""

    path: Path
    name: str
    class_names: list[str]
    background: list[int]
    splits: Mapping[str, Mapping[str, list[str]]]
    video_names: list[str]
    feature_folders: dict[str, FeatureFolder]
    annotation_fps: float | None
    """Labels per second; None where labels come at the features' rate."""
    notices: list[str] = field(default_factory=list)
    """What a user should be told: nothing is skipped in silence."""

    @abstractmethod
    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`. Raises `InputError` naming file and line."""

    @abstractmethod
    def labels_source(self, video: str) -> str:
        """Where the labels of a video come from, for messages."""

    def task(self, video: str) -> str:
        """The procedure that a video shows, "" if the layout does not say."""
        return ""

    def settle(self, feature_set: str, num_feature_frames: Mapping[str, float]) -> None:  # noqa: B027
        """Learn the features' lengths, in annotation frames, where labels and videos are paired by them."""


def background_ids(class_names: list[str], options: LayoutOptions, where: Path) -> list[int]:
    """Ids of the background classes, as named by the user or, failing that, by the mapping.

    Raises `InputError` for an unknown name, and where none is named and none is found.
    """
    if options.no_background:
        if options.background:
            raise InputError("--background and --no-background contradict each other; give one")
        return []
    if options.background is None:
        found = [i for i, name in enumerate(class_names) if name.casefold() in BACKGROUND_NAMES]
        if not found:
            raise InputError(
                f"{where}: no class is called background or BG; name the background with --background NAME, "
                f"or say --no-background; the classes are {', '.join(class_names)}"
            )
        return found
    unknown = [name for name in options.background if name not in class_names]
    if unknown:
        raise InputError(f"background {unknown[0]!r} is not a class of {where}: {', '.join(class_names)}")
    return sorted({class_names.index(name) for name in options.background})


def subject_of(video: str, pattern: str | None) -> str:
    """The person in a video's name by the user's pattern, "" without one; `InputError` if there is none."""
    return "" if pattern is None else _found("subject", pattern, video)


def task_of(video: str, pattern: str | None, layout: Layout) -> str:
    """The procedure that a video shows, by the user's pattern or the layout; `InputError` if the pattern finds none."""
    return layout.task(video) if pattern is None else _found("task", pattern, video)


def _found(what: str, pattern: str, video: str) -> str:
    try:
        found = re.search(pattern, video)
    except re.error as error:
        raise InputError(f"--{what}-pattern {pattern!r} is not a regular expression: {error}") from error
    if found is None:
        raise InputError(f"--{what}-pattern {pattern!r} finds no {what} in the video name {video!r}")
    return str(found.group(1) if found.groups() else found.group())
