"""EgoPER (Lee et al., CVPR 2024) as its authors give it: times, actions and their types, one JSON file for all tasks.

    annotation.json              task -> action2idx, actiontype2idx, segments: video_id, labels: time_stamp in s,
                                 action, action_type, error_description, a list each
    <task>/{training,validation,test}.txt    names of videos
    <task>/features*/<video>.npy

Classes are named by `action2idx`; of several tasks, equal names are one class. Class 0, `BG`, is the background. An
action with the id behind the last is what the authors call an addition. A type other than 0 is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.features import gather_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.published_lists import published_split
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, timed_segment
from protas_gtcc.layouts.text import json_field, read_json, read_video_list
from protas_gtcc.layouts.timed import TimedLayout, open_timed

ANNOTATIONS = "annotation.json"
BACKGROUND, ADDITION = "BG", "addition"
_LISTS = {"train": "training", "validation": "validation", "test": "test"}
_COLUMNS = ("time_stamp", "action", "action_type", "error_description")


@dataclass(kw_only=True)
class EgoPerLayout(TimedLayout):
    """The opened annotations of EgoPER."""

    last_end_is_end = True
    has_mistakes = True


def is_egoper(path: Path) -> bool:
    """Whether a path is a folder with `annotation.json`, or that file."""
    return (path / ANNOTATIONS).is_file() or (path.is_file() and path.name == ANNOTATIONS)


def open_egoper(path: Path, options: LayoutOptions) -> EgoPerLayout:
    """Open the file with the folders of tasks beside it. Raises `InputError` for what is wrong in them."""
    root = path if path.is_dir() else path.parent
    content = read_json(root / ANNOTATIONS)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{root / ANNOTATIONS}: expected an object of tasks; copy it again")
    folders = {one.name.casefold(): one for one in sorted(root.iterdir()) if one.is_dir()}
    tasks = [task for task in content if task.casefold() in folders] or list(content)
    names, videos, splits, notices = (
        dict[str, None](),
        dict[str, AnnotatedVideo](),
        dict[str, dict[str, list[str]]](),
        [],
    )
    for task in tasks:
        found, known = _read_task(root / ANNOTATIONS, task, content[task])
        if both := sorted(videos.keys() & found.keys()):
            raise InputError(f"{root / ANNOTATIONS}: video {both[0]} is in two tasks; keep one")
        videos |= found
        names |= dict.fromkeys(known)
        folder = folders.get(task.casefold(), root)
        files = {part: folder / f"{name}.txt" for part, name in _LISTS.items()}
        lists = {part: [(file, read_video_list(file))] for part, file in files.items() if file.is_file()}
        splits[task], more = published_split(lists, found)
        notices += more
    if left := [task for task in content if task not in tasks]:
        notices.append(f"no folder of the task {listed(left)}, left out")
    splits = {task: parts for task, parts in splits.items() if parts}
    merged = {part: [one for parts in splits.values() for one in parts.get(part, [])] for part in _LISTS}
    sets = gather_feature_folders([folders.get(task.casefold(), root) for task in tasks], options.feature_folders)
    every = {"1": {part: of_part for part, of_part in merged.items() if of_part}, **splits} if splits else {}
    return open_timed(
        EgoPerLayout, root, options, videos, sets, names=names, rest=BACKGROUND, splits=every, notices=notices
    )


def _read_task(file: Path, task: str, content: Any) -> tuple[dict[str, AnnotatedVideo], list[str]]:
    """The videos of a task, and the names of its actions in the order of their ids."""
    where = f"{file}, task {task}"
    names, types = (_by_id(json_field(content, key, dict, where), where) for key in ("action2idx", "actiontype2idx"))
    names.setdefault(len(names), ADDITION)
    videos = {}
    for entry in json_field(content, "segments", list, where):
        video = json_field(entry, "video_id", str, where)
        if video in videos:
            raise InputError(f"{where}: video {video} comes twice; keep one")
        videos[video] = _read_video(file, f"{where}, video {video}", task, entry, names, types)
    used = {segment.name for one in videos.values() for segment in one.segments}
    return videos, [name for name in names.values() if name != ADDITION or name in used]


def _read_video(
    file: Path, where: str, task: str, entry: Any, names: Mapping[int, str], types: Mapping[int, str]
) -> AnnotatedVideo:
    lists = [json_field(json_field(entry, "labels", dict, where), key, list, where) for key in _COLUMNS]
    if len({*map(len, lists)}) > 1 or not lists[0]:
        counts = ", ".join(f"{len(one)} of {key}" for one, key in zip(lists, _COLUMNS, strict=True))
        raise InputError(f"{where}: expected as many of each list, came {counts}; correct the JSON")
    video = AnnotatedVideo(file, [], task)
    for number, (times, action, kind, description) in enumerate(zip(*lists, strict=True), start=1):
        if not (isinstance(times, list) and len(times) == 2):
            raise InputError(f"{where}, segment {number}: expected [start, end], came {times!r}; correct the JSON")
        for what, label, known in (("action", action, names), ("action_type", kind, types)):
            if not str(label).isdecimal() or int(label) not in known:
                raise InputError(
                    f"{where}, segment {number}: unknown {what} {label!r}; give one of {listed(known, 20)}"
                )
        segment = timed_segment(times[0], times[1], names[int(action)], where, number)
        video.segments.append(segment)
        if int(kind):
            video.mistakes.append((segment, types[int(kind)], " ".join(str(description or "").split())))
    return video


def _by_id(ids: Mapping[str, Any], where: str) -> dict[int, str]:
    """The names of ids, in the order of the ids."""
    try:
        named = {int(label): " ".join(name.split()) for name, label in ids.items()}
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected whole numbers as ids, came {listed(ids.values())}; correct them") from None
    return dict(sorted(named.items()))
