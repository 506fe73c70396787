"""EgoPER (Lee et al., CVPR 2024) as its authors give it: times, actions and their types, one JSON file for all tasks.

    annotation.json              task -> action2idx, actiontype2idx, segments: video_id, labels: time_stamp in s,
                                 action, action_type, error_description, a list each
    <task>/{training,validation,test}.txt    names of videos
    <task>/features*/<video>.npy

Classes are named by `action2idx`; of several tasks, equal names are one class. Class 0, `BG`, is the background. An
action with the id behind the last is what the authors call an addition. A type other than 0 is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protas_gtcc.annotations.files.formats import format_of
from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.features import gather_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.published_lists import split_of_tasks
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, action_segment, add_video
from protas_gtcc.layouts.timed import Annotations, TimedLayout, open_timed
from protas_gtcc.storage.json_values import json_field, names_by_id, one_line
from protas_gtcc.storage.text_files import read_json

ANNOTATIONS = "annotation.json"
BACKGROUND, ADDITION = "BG", "addition"
_LISTS = {"train": "training.txt", "validation": "validation.txt", "test": "test.txt"}
_COLUMNS = ("time_stamp", "action", "action_type", "error_description")


@dataclass(kw_only=True)
class EgoPerLayout(TimedLayout):
    """The opened annotations of EgoPER."""

    last_end_is_end = True
    has_mistakes = True


def is_egoper(path: Path) -> bool:
    """Whether a path is a folder with `annotation.json`, or that file, and no annotation tool's is called so."""
    file = path / ANNOTATIONS if path.is_dir() else path
    return file.name == ANNOTATIONS and file.is_file() and format_of(file) is None


def open_egoper(path: Path, options: LayoutOptions) -> EgoPerLayout:
    """Open the file with the folders of tasks beside it. Raises `InputError` for what is wrong in them."""
    root = path if path.is_dir() else path.parent
    file, content = root / ANNOTATIONS, read_json(root / ANNOTATIONS)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file}: expected an object of tasks; copy it again")
    folders = {one.name.casefold(): one for one in sorted(root.iterdir()) if one.is_dir()}
    tasks = {task: folders.get(task.casefold(), root) for task in content}
    tasks = {task: folder for task, folder in tasks.items() if folder != root} or tasks
    names, videos = dict[str, None](), dict[str, AnnotatedVideo]()
    for task in tasks:
        names |= dict.fromkeys(_read_task(file, task, content[task], videos))
    of_task = {task: [video for video, one in videos.items() if one.task == task] for task in tasks}
    splits, notices = split_of_tasks(tasks, _LISTS, of_task)
    if left := [task for task in content if task not in tasks]:
        notices.append(f"no folder of the task {listed(left)}, left out")
    sets = gather_feature_folders([*dict.fromkeys(tasks.values())], options.feature_folders)
    return open_timed(EgoPerLayout, root, options, sets, Annotations(videos, names, BACKGROUND, splits, notices))


def _read_task(file: Path, task: str, content: Any, videos: dict[str, AnnotatedVideo]) -> list[str]:
    """Add the videos of a task; returns the names of its actions in the order of their ids."""
    where, used = f"{file}, task {task}", set[str]()
    both = (json_field(content, key, dict, where) for key in ("action2idx", "actiontype2idx"))
    names, types = (names_by_id(one, where) for one in both)
    names.setdefault(len(names), ADDITION)
    for entry in json_field(content, "segments", list, where):
        name = json_field(entry, "video_id", str, where)
        video = _read_video(AnnotatedVideo(file, [], task), f"{where}, video {name}", entry, names, types)
        used |= {segment.name for segment in video.segments}
        add_video(videos, name, video)
    return [name for name in names.values() if name != ADDITION or name in used]


def _read_video(
    video: AnnotatedVideo, where: str, entry: Any, names: Mapping[int, str], types: Mapping[int, str]
) -> AnnotatedVideo:
    """The video with its segments and mistakes."""
    lists = [json_field(json_field(entry, "labels", dict, where), key, list, where) for key in _COLUMNS]
    if len({*map(len, lists)}) > 1 or not lists[0]:
        counts = ", ".join(f"{len(one)} of {key}" for one, key in zip(lists, _COLUMNS, strict=True))
        raise InputError(f"{where}: expected as many of each list, came {counts}; correct the JSON")
    for number, (times, action, kind, text) in enumerate(zip(*lists, strict=True), start=1):
        start, end = times if isinstance(times, list) and len(times) == 2 else (times, None)
        for what, label, known in (("action", action, names), ("action_type", kind, types)):
            if not re.fullmatch(r"[0-9]{1,9}", str(label)) or int(label) not in known:
                raise InputError(f"{where}, segment {number}: unknown {what} {label!r}; give one of {listed(known)}")
        segment = action_segment(start, end, names[int(action)], where, number)
        video.segments.append(segment)
        if int(kind):
            video.mistakes.append((segment, types[int(kind)], one_line(text)))
    return video
