"""Lists of videos as datasets publish them -> the parts of a split; some listed videos may have no annotations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from protas_gtcc.dataset.description import PARTS
from protas_gtcc.errors import InputError, plural
from protas_gtcc.layouts.text import read_video_list

Lists = Mapping[str, Iterable[tuple[Path, Iterable[str]]]]
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
                if name in videos:
                    parts.setdefault(part, []).append(name)
                elif not (withheld and part == "test"):
                    raise InputError(f"{file} names video {name}, which has no annotations; correct the list")
    listed = sum(1 for _, names in lists.get("test", ()) for _ in names)
    absent = listed - len(parts.get("test", []))
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
