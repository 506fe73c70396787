"""The layout that MS-TCN made common, and its variants in FACT and EgoPER.

    groundTruth/<video>.txt               one label a line, one line a frame
    mapping.txt                           id name, or id|name
    splits/{train,test}.split<k>.bundle   names of videos
    features*/<video>.npy                 [D, T] (MS-TCN) or [T, D] (FACT, EgoPER)

FACT's EgoProceL keeps its lists as `split<k>.train` and `split<k>.test` in the folder itself. EgoPER has
`training.txt`, `validation.txt` and `test.txt`, which become split "1".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.description import PARTS
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.text import read_labels, read_mapping, read_video_list

_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_LISTS = (
    re.compile(r"(?P<part>[a-z]+)\.(?:split)?(?P<split>.+)\.bundle"),
    re.compile(r"(?:split)?(?P<split>.+)\.(?P<part>train|val|validation|test)"),
    re.compile(r"(?P<part>training|train|validation|val|test)\.(?:txt|bundle)"),
)


@dataclass(kw_only=True)
class MsTcnLayout(Layout):
    """A folder in the MS-TCN layout."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`."""
        ids = {name: label for label, name in enumerate(self.class_names)}
        return read_labels(Path(self.labels_source(video)), ids)

    def labels_source(self, video: str) -> str:
        """The ground truth file."""
        return str(self.path / "groundTruth" / f"{video}.txt")


def is_mstcn(path: Path) -> bool:
    """Whether a path is a folder with `groundTruth/` and `mapping.txt`."""
    return (path / "groundTruth").is_dir() and (path / "mapping.txt").is_file()


def open_mstcn(path: Path, options: LayoutOptions) -> MsTcnLayout:
    """Open a folder in the MS-TCN layout; labels and features are read later, video by video."""
    class_names = read_mapping(path / "mapping.txt")
    videos = sorted(file.name.removesuffix(".txt") for file in (path / "groundTruth").glob("*.txt"))
    if not videos:
        raise InputError(f"{path / 'groundTruth'} has no <video>.txt; put one file of labels there for each video")
    splits, notices = _read_splits(path, set(videos))
    return MsTcnLayout(
        path=path,
        name=options.name or own_name(path),
        class_names=class_names,
        background=background_ids(class_names, options, path / "mapping.txt"),
        splits=splits,
        video_names=videos,
        feature_folders=find_feature_folders(path, options.features),
        annotation_fps=options.annotation_fps,
        notices=notices,
    )


def _read_splits(path: Path, videos: set[str]) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    splits: dict[str, dict[str, list[str]]] = {}
    in_lists: set[str] = set()
    for file, split, part in _find_lists(path):
        names = read_video_list(file)
        absent = [name for name in names if name not in videos]
        if absent:
            labels = path / "groundTruth" / f"{absent[0]}.txt"
            raise InputError(f"{file} names video {absent[0]}, but there is no {labels}; add it, or correct the list")
        if part in splits.setdefault(split, {}):
            raise InputError(f"{file}: the {part} part of split {split} is listed in two files; keep one")
        splits[split][part] = names
        in_lists.update(names)
    ordered = {split: {part: parts[part] for part in PARTS if part in parts} for split, parts in splits.items()}
    unlisted = sorted(videos - in_lists) if splits else []
    what = f"{plural(len(unlisted), 'video')} in no split, kept in the file: {listed(unlisted)}"
    return ordered, [what] if unlisted else []


def _find_lists(path: Path) -> list[tuple[Path, str, str]]:
    """(file, split, part) of every list of videos in splits/, or else in the folder itself."""
    for folder in (path / "splits", path):
        found = []
        for file in sorted(folder.iterdir()) if folder.is_dir() else []:
            match = next((m for pattern in _LISTS if (m := pattern.fullmatch(file.name))), None)
            if match and match["part"] in _PART_NAMES:
                found.append((file, match.groupdict().get("split") or "1", _PART_NAMES[match["part"]]))
        if found:
            return found
    return []
