"""Lists of videos as datasets publish them -> the parts of a split; some listed videos may have no annotations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.dataset.description import PARTS
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.text import read_video_list
from protas_gtcc.storage.text_files import read_json

PART_CALLED = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
"""The part of a split by what lists call it."""
Lists = Mapping[str, Sequence[tuple[Path, Sequence[str]]]]
"""Part of a split -> the files that list its videos, with their names."""


def split_of_tasks(
    folders: Mapping[str, Path], files: Mapping[str, str], videos: Mapping[str, Collection[str]]
) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Split 1 of the videos of all tasks, and one of each task by its name, and notices.

    Each task has a folder with the files of its parts, and its videos. Raises `InputError` as `published_split` does.
    """
    splits, notices = dict[str, dict[str, list[str]]](), list[str]()
    for task, folder in folders.items():
        there = {part: folder / name for part, name in files.items() if (folder / name).is_file()}
        lists = {part: [(file, read_video_list(file))] for part, file in there.items()}
        split, more = published_split(lists, videos[task])
        notices += more
        splits |= {task: split} if split else {}
    merged = {part: [one for parts in splits.values() for one in parts.get(part, [])] for part in PARTS}
    return {"1": {part: names for part, names in merged.items() if names}, **splits} if splits else {}, notices


def published_split(
    lists: Lists, videos: Collection[str], withheld: bool = False
) -> tuple[dict[str, list[str]], list[str]]:
    """The videos of each part, and notices; {} without training or test videos.

    With `withheld`, listed test videos without annotations are left out, since their authors keep these, and where none
    is left, the validation videos are tested on. Raises `InputError` for any other name without annotations.
    """
    parts: dict[str, list[str]] = {}
    notices = []
    for part, files in lists.items():
        for file, names in files:
            for name in names:
                if isinstance(name, str) and name in videos:
                    parts.setdefault(part, []).append(name)
                elif not (withheld and part == "test"):
                    raise InputError(f"{file} names video {name}, which has no annotations; correct the list")
    absent = sum(1 for _, names in lists.get("test", ()) for _ in names) - len(parts.get("test", []))
    if absent:
        notices.append(f"{plural(absent, 'test video')} without published annotations left out")
    if absent and "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
        notices.append("no test video has annotations: the validation videos are the test part")
    if not {"train", "test"} <= parts.keys():
        return {}, notices
    unlisted = len({*videos} - {name for names in parts.values() for name in names})
    if unlisted:
        notices.append(f"{plural(unlisted, 'video')} in no list, kept in the file")
    return {part: parts[part] for part in PARTS if part in parts}, notices


def find_entry(folder: Path, videos: Collection[str], keys: Collection[str]) -> tuple[Path, Mapping[str, Any]]:
    """The JSON file in a folder with an entry that lists some of the videos by one of the keys, and that entry.

    The entry is {} where there is none. Raises `InputError` if there are several.
    """
    found = []
    for file in sorted(folder.glob("*.json")):
        content = read_json(file)
        for name, entry in content.items() if isinstance(content, dict) else ():
            lists = [entry.get(key) for key in keys] if isinstance(entry, dict) else []
            if any(isinstance(one, list) and {*videos} & {*map(str, one)} for one in lists):
                found.append((file, name, entry))
    if len(found) > 1:
        which = listed(f"{file.name}: {name}" for file, name, _ in found)
        raise InputError(f"{folder}: the videos are in several lists, {which}; keep one of them in the folder")
    return (found[0][0], found[0][2]) if found else (folder, {})
