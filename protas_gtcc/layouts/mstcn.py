"""The layout that MS-TCN made common, and its variants in FACT and EgoPER.

    groundTruth/<video>.txt               one label a line, one line a frame: class names, or ids of mapping.txt
    mapping.txt                           id name, id|name, or name id
    splits/{train,test}.split<k>.bundle   names of videos
    features*/<video>.npy                 [D, T] (MS-TCN) or [T, D] (FACT, EgoPER)

FACT and EgoPER name their lists otherwise, and keep them in the folder itself (`split_lists.py`). EgoPER's lines may be
`label|Normal` or `label|Error`: what is not Normal is a mistake of the video's track.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.mapping import choose_label_ids, read_mapping
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.split_lists import FOLDER as SPLITS
from protas_gtcc.layouts.split_lists import read_split_lists
from protas_gtcc.layouts.text import read_labels, read_states
from protas_gtcc.storage.text_files import read_lines

_RIGHT = "Normal"
"""EgoPER's state of frames in which nothing is wrong."""


@dataclass(kw_only=True)
class MsTcnLayout(Layout):
    """A folder in the MS-TCN layout."""

    label_ids: Mapping[str, int]
    """Class of each label that may stand in the ground truth: a class name, or an id of `mapping.txt`."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`."""
        return read_labels(Path(self.labels_source(video)), self.label_ids)

    def track(self, video: str) -> Track | None:
        """EgoPER's states: each run of frames of one label and a state other than Normal is a mistake, None without.

        The steps are the segments of actions.
        """
        file = Path(self.labels_source(video))
        states, labels = read_states(file, self.label_ids), self.labels(video)
        if not states:
            return None
        kinds = sorted({*states})
        runs = segment_array(labels * len(kinds) + np.array([kinds.index(state) for state in states]))
        mistakes = [
            Mistake(run // len(kinds), start, end, kinds[run % len(kinds)])
            for start, end, run in runs.tolist()
            if kinds[run % len(kinds)] not in ("", _RIGHT)
        ]
        segments = segment_array(labels).tolist()
        steps = [Step(label, start, end) for start, end, label in segments if label not in self.background]
        return Track(tuple(steps), (), tuple(mistakes))

    def labels_source(self, video: str) -> str:
        """The ground truth file."""
        return str(self.path / "groundTruth" / f"{video}.txt")


def is_mstcn(path: Path) -> bool:
    """Whether a path is a folder with `groundTruth/` and `mapping.txt`."""
    return (path / "groundTruth").is_dir() and (path / "mapping.txt").is_file()


def open_mstcn(path: Path, options: LayoutOptions) -> MsTcnLayout:
    """Open a folder in the MS-TCN layout; labels and features are read later, video by video."""
    mapping = read_mapping(path / "mapping.txt")
    videos = sorted(_videos(path / "groundTruth"))
    if not videos:
        raise InputError(f"{path / 'groundTruth'} has no <video>.txt; put one file of labels there for each video")
    first_label = _first_label(path / "groundTruth" / f"{videos[0]}.txt")
    label_ids, label_notices = choose_label_ids(mapping, first_label, path / "mapping.txt")
    splits, split_notices = read_split_lists((path / SPLITS, path), set(videos), path / "groundTruth")
    return MsTcnLayout(
        path=path,
        name=options.name or own_name(path),
        class_names=mapping.names,
        background=background_ids(mapping.names, options, path / "mapping.txt"),
        splits=splits,
        video_names=videos,
        feature_folders=find_feature_folders(path, options.feature_folders),
        annotation_fps=options.annotation_fps,
        notices=mapping.notices + label_notices + split_notices,
        label_ids=label_ids,
    )


def _videos(folder: Path) -> Iterator[str]:
    """The names of videos, with the folders that they are in; hidden folders are left out.

    Unlike glob, this raises `OSError` for a folder that may not be read.
    """

    def fail(error: OSError) -> None:
        raise error

    for inner, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for file in files:
            if file.endswith(".txt"):
                yield (Path(inner) / file.removesuffix(".txt")).relative_to(folder).as_posix()


def _first_label(video: Path) -> str:
    """The first label of a video, for the form of all of them; "" where reading the video's labels raises an error."""
    with suppress(InputError):
        return next(iter(read_lines(video)), "").split("|", 1)[0].strip()
    return ""
