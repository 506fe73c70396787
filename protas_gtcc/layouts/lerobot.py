"""LeRobotDataset v3: episodes of robots with subtasks. `lerobot_files.py` has its files.

A video is an episode, `episode_000000`, a class a subtask; frames of no subtask are `background`, class 0. What was
annotated in several forms is read in one, which `--level` chooses. Numbers in the data that begin with `observation.`
are feature sets, beside folders features*/ with `episode_000000.npy`. Needs the extra `[lerobot]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.annotations.task_progress import count_stages
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import choose_level
from protas_gtcc.layouts.features import FeatureFolder, find_feature_folders
from protas_gtcc.layouts.lerobot_files import INFO, Episode, read_column, read_episodes, read_info
from protas_gtcc.layouts.lerobot_progress import FILE, write_progress
from protas_gtcc.layouts.lerobot_subtasks import available_levels, read_subtasks
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.parquet_folder import ParquetFolder
from protas_gtcc.layouts.published_lists import PART_CALLED
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, action_segment
from protas_gtcc.layouts.timed import BACKGROUND, Annotations, TimedLayout, open_timed

MOST_FEATURES = 10**6
_RANGE = re.compile(r"(\d{1,9}):(\d{1,9})")


@dataclass(kw_only=True)
class LeRobotLayout(TimedLayout):
    """An opened LeRobotDataset."""

    needs_lengths = False
    progress_file = FILE
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    """All of them, also those without subtasks."""

    def write_progress(self, file: Path) -> None:
        """Write `sarm_progress.parquet` of the labels. Raises `InputError` if it cannot be written."""
        labels = {video: self.labels(video) for video in self.video_names}
        stages = count_stages(labels.values(), len(self.class_names), self.background)
        made = ((video, one, progress_target(one, self.background)) for video, one in labels.items())
        write_progress(file, self.episodes, made, stages, self.background)


def is_lerobot(path: Path) -> bool:
    """Whether a path is a folder with `meta/info.json` and `data/`."""
    return (path / INFO).is_file() and (path / "data").is_dir()


def open_lerobot(path: Path, options: LayoutOptions) -> LeRobotLayout:
    """Open the dataset. Raises `InputError` for what is wrong in its files, and for episodes without subtasks."""
    layout = open_annotated(path, options)
    without = [str(one.index) for name, one in layout.episodes.items() if name not in layout.videos]
    if without:
        what = f"{plural(len(without), 'episode')} without subtasks: {listed(without, 30)}"
        raise InputError(f"{path}: {what}; annotate them, or remove them with 'lerobot-edit-dataset'")
    return layout


def open_annotated(path: Path, options: LayoutOptions) -> LeRobotLayout:
    """The episodes with subtasks as videos; the other ones are known by their facts only."""
    info = read_info(path)
    read, fps = read_episodes(path, info), float(info["fps"])
    levels, episodes, videos = available_levels(path, info, read), {one.name: one for one in read}, {}
    level = choose_level(levels, options, path)
    for name, subtasks in read_subtasks(path, info, read, level).items():
        where, one = f"{path}, {name}", AnnotatedVideo(path, [], episodes[name].task)
        for number, (start, end, text) in enumerate(subtasks, start=1):
            one.segments.append(action_segment(start / fps, end / fps, text, where, number, "subtask"))
        videos[name] = one
    notices = [f"subtasks are read from {level}; there are {listed(levels)} (--level)"] if len(levels) > 1 else []
    sets = _columns(path, info, episodes) if options.feature_folders is None else {}
    sets |= find_feature_folders(path, options.feature_folders)
    found = Annotations(videos, None, BACKGROUND, _splits(path / INFO, info, episodes), notices, levels)
    layout = open_timed(LeRobotLayout, path, options, sets, found)
    layout.episodes, layout.num_frames = episodes, {name: one.length for name, one in episodes.items()}
    layout.annotation_fps, layout.fps_is_given = options.annotation_fps or fps, True
    return layout


def _columns(path: Path, info: Mapping[str, Any], episodes: Mapping[str, Episode]) -> dict[str, FeatureFolder]:
    """The columns of numbers whose names begin with `observation.`."""
    found: dict[str, FeatureFolder] = {}
    files, lengths = ({name: getattr(one, key) for name, one in episodes.items()} for key in ("data", "length"))
    for name, facts in info["features"].items():
        shape, kind = (facts.get("shape"), str(facts.get("dtype"))) if isinstance(facts, dict) else (None, "")
        if name.startswith("observation.") and kind.startswith("float") and isinstance(shape, list) and len(shape) == 1:
            if type(shape[0]) is not int or not 0 < shape[0] <= MOST_FEATURES:
                raise InputError(f"{path / INFO}: expected the number of values of {name}, came {shape}; correct it")
            read = partial(read_column, episodes, name)
            found[name] = ParquetFolder(path / "data", files=files, read=read, lengths=lengths, dim=shape[0])
    return found


def _splits(where: Path, info: Mapping[str, Any], episodes: Mapping[str, Episode]) -> dict[str, dict[str, list[str]]]:
    """Split 1, of ranges `0:40` of episodes; none without training and test episodes."""
    parts, ranges = dict[str, list[str]](), info.get("splits")
    for part, text in ranges.items() if isinstance(ranges, dict) else ():
        if part not in PART_CALLED:
            raise InputError(f"{where}: unknown split {part!r}; expected {listed(PART_CALLED)}")
        found = _RANGE.fullmatch(str(text))
        if found is None or int(found[2]) > len(episodes):
            raise InputError(f"{where}: split {part!r} is {text!r}; expected a range within 0:{len(episodes)}")
        parts[PART_CALLED[part]] = list(episodes)[int(found[1]) : int(found[2])]
    return {"1": parts} if {"train", "test"} <= parts.keys() else {}
