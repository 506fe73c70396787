"""Targets of every frame, as LSTR (Xu et al., NeurIPS 2021), OadTR and MiniROAD read them: THUMOS'14, TVSeries, others.

    target_perframe/<video>.npy     [T, C] of 0 and 1: class c goes on in frame t; several may, or none
    rgb_<...>/<video>.npy           [T, D]; flow_<...>/ too: each such folder is a feature set
    data_info.json                  of LSTR, or video_list.json of MiniROAD: dataset -> class_names (or class_index),
                                    train_session_set, test_session_set

A frame's label is the class that began last, of those that began together the last one; a frame of no class is
background. Where frames have several classes, the video's track keeps all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.mistakes import Step, Track
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.layouts.published_lists import find_entry, published_split
from protas_gtcc.storage.feature_files import open_array
from protas_gtcc.storage.json_values import json_field

TARGETS = "target_perframe"
_LISTS = {"train": "train_session_set", "test": "test_session_set"}
_NAMES = ("class_names", "class_index")


@dataclass(kw_only=True)
class TargetPerFrameLayout(Layout):
    """An opened folder of targets."""

    def labels(self, video: str) -> np.ndarray:
        """Class ids of one video, int32 `[T]`. Raises `InputError` for what is wrong in its array."""
        targets = self._targets(video)
        labels = np.full(len(targets), self.background[0] if self.background else -1, dtype=np.int32)
        for step in self._steps(targets):
            labels[step.start : step.end] = step.label
        if (labels < 0).any():
            where = f"{self.labels_source(video)}, row {int(np.argmin(labels))}"
            raise InputError(f"{where}: no class is 1; write one, or name a background with --background NAME")
        return labels

    def labels_source(self, video: str) -> str:
        """The array."""
        return str(self.path / TARGETS / f"{video}.npy")

    def track(self, video: str) -> Track | None:
        """Every run of every action; None where no frame has two."""
        targets = self._targets(video)
        several = np.delete(targets, self.background, axis=1).sum(axis=1) > 1
        return Track(tuple(self._steps(targets))) if several.any() else None

    def _targets(self, video: str) -> np.ndarray:
        """bool `[T, C]`."""
        file, num_classes = Path(self.labels_source(video)), len(self.class_names)
        array = open_array(file)
        if array.ndim != 2 or array.shape[1] != num_classes or not len(array):
            what = f"expected [T, {num_classes}] for {num_classes} classes, came {list(array.shape)}"
            raise InputError(f"{file}: {what}; correct the targets, or the list of classes")
        if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
            raise InputError(f"{file}: expected 0 and 1 alone; write 1 where a class goes on")
        return np.asarray(array, dtype=bool)

    def _steps(self, targets: np.ndarray) -> list[Step]:
        """The runs of all actions, in the order of their starts and then of their classes."""
        actions = [label for label in range(len(self.class_names)) if label not in self.background]
        runs = [(run, label) for label in actions for run in segment_array(targets[:, label]).tolist() if run[2]]
        return sorted((Step(label, start, end) for (start, end, _), label in runs), key=lambda step: step.start)


def is_target_perframe(path: Path) -> bool:
    """Whether a path is a folder with `target_perframe/<video>.npy`."""
    return any((path / TARGETS).glob("*.npy"))


def open_target_perframe(path: Path, options: LayoutOptions) -> TargetPerFrameLayout:
    """Open the folder. Raises `InputError` for what is wrong in its files."""
    videos = sorted(file.stem for file in (path / TARGETS).glob("*.npy"))
    where, entry = find_entry(path, videos, tuple(_LISTS.values()))
    columns = [f"class {label}" for label in range(open_array(path / TARGETS / f"{videos[0]}.npy").shape[-1])]
    names = list(map(str, next((entry[key] for key in _NAMES if isinstance(entry.get(key), list)), columns)))
    sessions = {part: json_field(entry, key, list, where) for part, key in _LISTS.items() if entry}
    lists = {part: [(where, list(map(str, listed_videos)))] for part, listed_videos in sessions.items()}
    split, notices = published_split(lists, videos)
    if not entry:
        notices.append("no data_info.json or video_list.json with these videos: classes are called by their columns")
    with_arrays = {file.parent for file in path.glob("*/*.npy")} - {path / TARGETS}
    folders = tuple(sorted(with_arrays)) if options.feature_folders is None else options.feature_folders
    return TargetPerFrameLayout(
        path=path,
        name=options.name or own_name(path),
        class_names=names,
        background=background_ids(names, options, where),
        splits={"1": split} if split else {},
        video_names=videos,
        feature_folders=find_feature_folders(path, folders),
        annotation_fps=options.annotation_fps,
        notices=notices,
    )
