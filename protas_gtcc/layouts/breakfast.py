"""Breakfast (Kuehne, Arslan and Serre, CVPR 2014) in its own text: a segment a line, in frames at 15 a second.

    segmentation_coarse/<activity>/<person>_<camera>_<person>_<activity>.txt    1-30 SIL
    segmentation_fine/...                                                       the same, finer (--level fine)
    features*/<that name>.npy

The first line is frame 1 to 30, both included. `SIL` is the background. Splits 1 to 4 test on the people 3 to 15, 16 to
28, 29 to 41 and 42 to 54, as published.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from protas_gtcc.layouts.base import choose_level
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.segment_lines import read_segment_lines
from protas_gtcc.layouts.segment_tables import AnnotatedVideo, add_video
from protas_gtcc.layouts.timed import Annotations, TimedLayout, open_timed

FPS = 15
BACKGROUND = "SIL"
_LINE = re.compile(r"(?P<start>\d{1,7})-(?P<end>\d{1,7})\s+(?P<name>\S.*)")
_VIDEO = re.compile(r"P(?P<person>\d\d)_(?:.+_)?(?P<activity>[^_]+)")
_FOLDERS = {"coarse": "segmentation_coarse", "fine": "segmentation_fine"}
_FIRST_PERSON, _PEOPLE_A_SPLIT, _SPLITS = 3, 13, 4


@dataclass(kw_only=True)
class BreakfastLayout(TimedLayout):
    """The opened text files of Breakfast."""

    needs_lengths = False


def is_breakfast(path: Path) -> bool:
    """Whether a path is a folder with `segmentation_coarse/`, or one of `.txt` files that begin as `1-30 SIL`."""
    named = any(_files(path / name) for name in _FOLDERS.values())
    return named or (path.is_dir() and any(map(_begins_so, islice(_files(path), 1))))


def open_breakfast(path: Path, options: LayoutOptions) -> BreakfastLayout:
    """Open the folder. Raises `InputError` for what is wrong in its files, and for two of one name."""
    folders = _folders(path)
    level = choose_level(tuple(folders), options, path)
    videos: dict[str, AnnotatedVideo] = {}
    for file in _files(folders[level]):
        parts = _VIDEO.fullmatch(file.stem)
        person, task = (f"P{parts['person']}", parts["activity"]) if parts else ("", "")
        segments = read_segment_lines(file, _LINE, "1-30 SIL", FPS, inclusive=True)
        add_video(videos, file.stem, AnnotatedVideo(file, segments, task, person))
    sets = find_feature_folders(path, options.feature_folders)
    found = Annotations(videos, rest=BACKGROUND, splits=_splits(videos), levels=tuple(folders))
    return open_timed(BreakfastLayout, path, options, sets, found)


def _splits(videos: Collection[str]) -> dict[str, dict[str, list[str]]]:
    """The published splits that have training and test videos; none where a video has no person."""
    people = {video: int(found["person"]) for video in videos if (found := _VIDEO.fullmatch(video))}
    splits = {}
    for number in range(_SPLITS if len(people) == len(videos) else 0):
        first = _FIRST_PERSON + number * _PEOPLE_A_SPLIT
        test = [video for video, person in people.items() if first <= person < first + _PEOPLE_A_SPLIT]
        train = [video for video in people if video not in test]
        if train and test:
            splits[str(number + 1)] = {"train": train, "test": test}
    return splits


def _folders(path: Path) -> dict[str, Path]:
    """The folder of each level, or else the path itself."""
    found = {level: path / name for level, name in _FOLDERS.items() if (path / name).is_dir()}
    return found or ({"coarse": path} if path.is_dir() else {})


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.txt"), *folder.glob("*/*.txt")])


def _begins_so(file: Path) -> bool:
    try:
        with open(file, encoding="utf-8-sig") as text:
            return _LINE.fullmatch(text.readline(1000).strip()) is not None
    except (OSError, ValueError):
        return False
