"""Lists of videos as the MS-TCN family keeps them, `splits/{train,test}.split<k>.bundle`, and the variants of others.

FACT's lists are `split<k>.train` and `split<k>.test`. EgoPER's are `training.txt`, `validation.txt` and `test.txt`,
which become split "1".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from protas_gtcc.dataset.description import PARTS
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.names import find_videos_called
from protas_gtcc.layouts.text import read_video_list

FOLDER = "splits"
_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_PART = f"(?P<part>{'|'.join(_PART_NAMES)})"
_LISTS = (
    re.compile(rf"{_PART}\.(?:split)?(?P<split>.+)\.bundle", re.IGNORECASE),
    re.compile(rf"(?:split)?(?P<split>.+)\.{_PART}", re.IGNORECASE),
    re.compile(rf"{_PART}\.(?:txt|bundle)", re.IGNORECASE),
)


def read_split_lists(
    folders: Sequence[Path], videos: Collection[str], labels: Path
) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Split -> part -> videos, from the first of the folders that has lists, and notices; {} without any.

    The videos are those that `labels` has labels of. One in a folder, `anna/tea`, may be called `tea` where that is
    clear. Raises `InputError` for a name that is no video's, or that of several, and for a part that is listed twice.
    """
    splits: dict[str, dict[str, list[str]]] = {}
    in_lists: set[str] = set()
    lists, others = _find_lists(folders)
    for file, split, part in lists:
        if part in splits.setdefault(split, {}):
            raise InputError(f"{file}: the {part} part of split {split} is listed in two files; keep one")
        splits[split][part] = [_meant(name, videos, file, labels) for name in read_video_list(file, videos)]
        in_lists.update(splits[split][part])
    ordered = {split: {part: parts[part] for part in PARTS if part in parts} for split, parts in splits.items()}
    unlisted = sorted({*videos} - in_lists) if splits else []
    notices = (
        [f"{plural(len(unlisted), 'video')} in no split, kept in the file: {listed(unlisted)}"] if unlisted else []
    )
    if others:
        what = f"not read as lists of videos: {listed(others)}"
        notices.append(
            f"{what}; a list has a name such as train.split1.bundle, val.split1.bundle or test.split1.bundle"
        )
    return ordered, notices


def _meant(name: str, videos: Collection[str], file: Path, labels: Path) -> str:
    """The video that a list calls so."""
    called = find_videos_called(name, videos)
    if len(called) > 1:
        raise InputError(f"{file} names video {name}, which may be {listed(called)}; write its folder before it")
    if not called:
        raise InputError(f"{file} names video {name}, of which {labels} has no labels; add them, or correct the list")
    return called[0]


def _find_lists(folders: Sequence[Path]) -> tuple[list[tuple[Path, str, str]], list[str]]:
    """(file, split, part) of every list of videos in the first folder with one, and what is no list.

    In splits/ that is everything else, in another folder the bundles with other names.
    """
    others: list[str] = []
    for folder in folders:
        found = []
        for file in sorted(folder.iterdir()) if folder.is_dir() else []:
            match = next((m for pattern in _LISTS if (m := pattern.fullmatch(file.name))), None)
            if match:
                found.append((file, match.groupdict().get("split") or "1", _PART_NAMES[match["part"].casefold()]))
            elif not file.name.startswith(".") and (folder.name == FOLDER or file.suffix == ".bundle"):
                others.append(f"{FOLDER}/{file.name}" if folder.name == FOLDER else file.name)
        if found:
            return found, others
    return [], others
