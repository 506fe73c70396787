"""LeRobotDataset v3: episodes of robots with subtasks. `lerobot_files.py` has its files.

A video is an episode, `episode_000000`, a class a subtask; frames of no subtask are `background`, class 0. What was
annotated in several forms is read in one, which `--level` chooses. Numbers in the data that begin with `observation.`
are feature sets, beside folders features*/ with `episode_000000.npy`. Needs the extra `[lerobot]`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.annotations.task_progress import count_stages
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import BACKGROUND_NAMES, Layout, background_ids, choose_level
from protas_gtcc.layouts.features import FeatureFolder, find_feature_folders
from protas_gtcc.layouts.lerobot_files import (
    INFO,
    Episode,
    Subtask,
    available_levels,
    read_column,
    read_episodes,
    read_info,
    read_subtasks,
)
from protas_gtcc.layouts.lerobot_progress import FILE, write_progress
from protas_gtcc.layouts.options import LayoutOptions, own_name

BACKGROUND = "background"
_PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_RANGE = re.compile(r"(\d{1,9}):(\d{1,9})")


@dataclass(kw_only=True)
class LeRobotLayout(Layout):
    """An opened LeRobotDataset."""

    progress_file = FILE

    episodes: Mapping[str, Episode]
    subtasks: Mapping[str, list[Subtask]]

    def labels(self, video: str) -> np.ndarray:
        """Class ids of an episode, int32 `[T]`."""
        labels = np.zeros(self.episodes[video].length, dtype=np.int32)
        for start, end, name in self.subtasks[video]:
            labels[start:end] = 0 if name.casefold() in BACKGROUND_NAMES else self.class_names.index(name)
        return labels

    def labels_source(self, video: str) -> str:
        """Dataset and episode."""
        return f"{self.path}, episode {self.episodes[video].index}"

    def task(self, video: str) -> str:
        """The episode's task."""
        return self.episodes[video].task

    def write_progress(self, file: Path) -> None:
        """Write `sarm_progress.parquet` of the labels. Raises `InputError` if it cannot be written."""
        labels = {video: self.labels(video) for video in self.video_names}
        stages = count_stages(labels.values(), len(self.class_names), self.background)
        made = ((video, one, progress_target(one, self.background)) for video, one in labels.items())
        write_progress(file, self.episodes, made, stages, self.background)


@dataclass(frozen=True)
class ColumnFolder(FeatureFolder):
    """A column of the data as a feature set."""

    column: str = ""
    dim: int = 0
    episodes: Mapping[str, Episode] = field(default_factory=dict)

    def file(self, video: str) -> Path:
        """The Parquet file that has the episode."""
        return self.episodes[video].data

    def rows_are_frames(self, video: str) -> bool:
        """Always."""
        return True

    def unlabelled(self, videos: Collection[str]) -> list[str]:
        """None."""
        return []

    def not_read(self) -> list[str]:
        """None."""
        return []

    def shape(self, video: str) -> tuple[int, int]:
        """`[T, D]`, by the dataset's facts."""
        return self.episodes[video].length, self.dim

    def load(self, video: str, time_first: bool, fps: float = 1.0) -> np.ndarray:
        """The column of an episode, float32 `[T, D]`. Raises `InputError` for another size."""
        values = np.array(read_column(self.episodes[video], self.column), dtype=np.float32)
        values = values.reshape(len(values), -1)
        if values.shape != self.shape(video):
            what = f"{self.column} of {video} is {list(values.shape)}, expected {list(self.shape(video))}"
            raise InputError(f"{self.file(video)}: {what}; correct {INFO}")
        return values if time_first else values.T


def is_lerobot(path: Path) -> bool:
    """Whether a path is a folder with `meta/info.json` and `data/`."""
    return (path / INFO).is_file() and (path / "data").is_dir()


def open_lerobot(path: Path, options: LayoutOptions) -> LeRobotLayout:
    """Open the dataset. Raises `InputError` for what is wrong in its files, and for episodes without subtasks."""
    layout = open_unchecked(path, options)
    without = [str(one.index) for name, one in layout.episodes.items() if name not in layout.subtasks]
    if without:
        what = f"{plural(len(without), 'episode')} without subtasks: {listed(without, 30)}"
        raise InputError(f"{path}: {what}; annotate them, or remove them with 'lerobot-edit-dataset'")
    return layout


def open_unchecked(path: Path, options: LayoutOptions) -> LeRobotLayout:
    """`open_lerobot`, where episodes may have no subtasks."""
    info = read_info(path)
    read = read_episodes(path, info)
    levels = available_levels(path, info, read)
    level, episodes = choose_level(levels, options, path), {one.name: one for one in read}
    subtasks = read_subtasks(path, info, read, level)
    names = dict.fromkeys(name for found in subtasks.values() for _, _, name in found)
    class_names = [BACKGROUND, *(name for name in names if name.casefold() not in BACKGROUND_NAMES)]
    sets = {} if options.feature_folders is not None else _columns(path, info, episodes)
    several = f"subtasks are read from {level}; there are {listed(levels)} (--level)"
    return LeRobotLayout(
        path=path,
        name=options.name or own_name(path),
        class_names=class_names,
        background=background_ids(class_names, options, path / INFO),
        splits=_splits(path / INFO, info.get("splits") or {}, episodes),
        video_names=list(episodes),
        feature_folders=sets | find_feature_folders(path, options.feature_folders),
        annotation_fps=options.annotation_fps or float(info["fps"]),
        levels=levels,
        notices=[several] if len(levels) > 1 else [],
        episodes=episodes,
        subtasks=subtasks,
    )


def _columns(path: Path, info: Mapping[str, Any], episodes: Mapping[str, Episode]) -> dict[str, FeatureFolder]:
    """The columns of numbers whose names begin with `observation.`."""
    found: dict[str, FeatureFolder] = {}
    for name, facts in info["features"].items():
        shape, kind = (facts.get("shape"), str(facts.get("dtype"))) if isinstance(facts, dict) else (None, "")
        if name.startswith("observation.") and kind.startswith("float") and shape and len(shape) == 1:
            found[name] = ColumnFolder(path / "data", column=name, dim=int(shape[0]), episodes=episodes)
    return found


def _splits(where: Path, ranges: Any, episodes: Mapping[str, Episode]) -> dict[str, dict[str, list[str]]]:
    """Split 1, of ranges `0:40` of episodes; none without training and test episodes."""
    parts: dict[str, list[str]] = {}
    for part, text in ranges.items() if isinstance(ranges, dict) else ():
        if part not in _PARTS:
            raise InputError(f"{where}: unknown split {part!r}; expected {listed(_PARTS)}")
        found = _RANGE.fullmatch(str(text))
        if found is None or int(found[2]) > len(episodes):
            raise InputError(f"{where}: split {part!r} is {text!r}; expected a range within 0:{len(episodes)}")
        parts[_PARTS[part]] = list(episodes)[int(found[1]) : int(found[2])]
    return {"1": parts} if {"train", "test"} <= parts.keys() else {}
