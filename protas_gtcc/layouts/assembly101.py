"""Assembly101's coarse actions (Sener et al., CVPR 2022) as published: a segment a line, in frames at 30 a second.

    coarse_labels/{assembly,disassembly}_<recording>.txt    start, end, action; tabs between them
    coarse_splits/{train,val,test}_coarse_{assembly,disassembly}.txt    that file's name, then other columns
    actions.csv                                             action_cls: the names of the classes, in the order of ids
    features*/{assembly,disassembly}_<recording>.npy

The end is exclusive, and segments leave no gap. A video begins with its first segment and ends with its last, as the
authors' loader cuts the features. Assembly or disassembly is the task. The labels of the test part are not published:
where there are none, the validation videos are the test part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from protas_gtcc.errors import listed
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.published_lists import PART_CALLED, published_split
from protas_gtcc.layouts.segment_lines import read_segment_lines
from protas_gtcc.layouts.segment_tables import AnnotatedVideo
from protas_gtcc.layouts.text import read_video_list
from protas_gtcc.layouts.timed import Annotations, TimedLayout, open_timed
from protas_gtcc.storage.csv_tables import read_csv_table
from protas_gtcc.storage.json_values import one_line

FPS = 30
LABELS, SPLITS, CLASSES = "coarse_labels", "coarse_splits", "actions.csv"
_LINE = re.compile(r"(?P<start>\d{1,9})\t(?P<end>\d{1,9})\t(?P<name>[^\t]+)(?:\t.*)?")
_VIDEO = re.compile(r"(?P<task>assembly|disassembly)_.*?_(?P<person>\d+)-.*")
_LIST = re.compile(r"(?P<part>train|val|validation|test)_coarse_(?:assembly|disassembly)\.txt")
_CUT = "time 0 of a video is its first labelled frame, as the authors' loader cuts features"


@dataclass(kw_only=True)
class Assembly101Layout(TimedLayout):
    """The opened coarse annotations of Assembly101."""

    needs_lengths = False


def is_assembly101(path: Path) -> bool:
    """Whether a path is a folder with `coarse_labels/<video>.txt`."""
    return any((path / LABELS).glob("*.txt"))


def open_assembly101(path: Path, options: LayoutOptions) -> Assembly101Layout:
    """Open the folder. Raises `InputError` for what is wrong in its files, naming file and line."""
    videos = {file.stem: _read_video(file) for file in sorted((path / LABELS).glob("*.txt"))}
    parts: dict[str, list[tuple[Path, list[str]]]] = {}
    files = sorted((path / SPLITS).glob("*"))
    for file in files:
        if found := _LIST.fullmatch(file.name):
            parts.setdefault(PART_CALLED[found["part"]], []).append((file, read_video_list(file)))
    split, notices = published_split(parts, videos, withheld=True)
    if others := [file.name for file in files if not _LIST.fullmatch(file.name)]:
        notices.append(f"not read as lists of videos: {listed(others)}; a list is called train_coarse_assembly.txt")
    table = read_csv_table(path / CLASSES, ("action_cls",)) if (path / CLASSES).is_file() else None
    names = None if table is None else map(one_line, table["action_cls"])
    splits, sets = {"1": split} if split else {}, find_feature_folders(path, options.feature_folders)
    return open_timed(
        Assembly101Layout, path, options, sets, Annotations(videos, names, None, splits, [_CUT, *notices])
    )


def _read_video(file: Path) -> AnnotatedVideo:
    """Its segments, in seconds from the first one's start."""
    segments = read_segment_lines(file, _LINE, "000006833\t000007554\tattach wheel", FPS)
    first = min(segment.start for segment in segments)
    moved = [replace(segment, start=segment.start - first, end=segment.end - first) for segment in segments]
    found = _VIDEO.fullmatch(file.stem)
    return AnnotatedVideo(file, moved, found["task"] if found else "", found["person"] if found else "")
