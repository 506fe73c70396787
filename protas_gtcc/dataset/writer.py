"""Writing a dataset file: one video at a time, to a temporary name that is renamed when whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protas_gtcc.annotations.progress_targets import progress_target
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.dataset.file import Video
from protas_gtcc.dataset.header import FORMAT, FORMAT_VERSION, PARTS, DatasetInfo, FeatureSet
from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.hdf5 import hdf5_file
from protas_gtcc.storage.ragged import RaggedWriter


class DatasetWriter:
    """Adds videos to a file that `write_dataset` opened. Holds no video after it is written."""

    def __init__(self, file: h5py.File, info: DatasetInfo, feature_sets: Mapping[str, FeatureSet]):
        self._file, self._info, self._feature_sets = file, info, feature_sets
        self._labels = LabelWriter(file, info.background)
        self._num_frames: dict[str, int] = {}
        self._folders: set[str] = set()
        """Every proper prefix of a video's path: `a` and `a/b` of the video `a/b/c`."""
        _write_info(file, info)
        for name, feature_set in feature_sets.items():
            describe_feature_set(file, name, feature_set)
        file.require_group("feature_sets")  # labels alone make a dataset too: predictions can be scored on it
        file.create_group("videos")

    def add(self, video: Video) -> None:
        """Write one video.

        Raises `InputError` if its name is no relative path or clashes with another, if it is empty or doubled, and if
        its features do not fit labels and sets.
        """
        self._check_name(video.name)
        self._check(video)
        group = self._file["videos"].create_group(video.name)
        group.attrs["task"], group.attrs["subject"] = video.task, video.subject
        self._labels.append(video.labels)
        features = group.create_group("features")
        for name, values in video.features.items():
            features.create_dataset(name, data=np.ascontiguousarray(values))
        self._num_frames[video.name] = len(video.labels)
        self._folders.update(_folders_of(video.name))

    def finish(self) -> None:
        """Write the index; the splits must name only videos that were added."""
        self._labels.finish()
        for split, parts in self._info.splits.items():
            for part, names in parts.items():
                absent = [name for name in names if name not in self._num_frames]
                if absent:
                    raise InputError(f"split {split} {part} names video {absent[0]}, which is not in the dataset")
        video_names = np.array(list(self._num_frames), dtype=h5py.string_dtype())
        self._file.create_dataset("video_names", data=video_names)
        self._file.create_dataset("num_frames", data=np.array(list(self._num_frames.values()), dtype=np.int64))

    def _check_name(self, name: str) -> None:
        check_video_name(name)
        if name in self._num_frames:
            raise InputError(f"video {name} comes twice")
        above = [folder for folder in _folders_of(name) if folder in self._num_frames]
        if above or name in self._folders:
            other = above[0] if above else next(video for video in self._num_frames if video.startswith(f"{name}/"))
            raise InputError(f"videos {other!r} and {name!r}: one is a folder of the other; rename one")

    def _check(self, video: Video) -> None:
        if len(video.labels) == 0:
            raise InputError(f"video {video.name} has no frames")
        for label in (int(np.min(video.labels)), int(np.max(video.labels))):
            if not 0 <= label < self._info.num_classes:
                raise InputError(f"video {video.name}: class id {label} is not one of {self._info.num_classes} classes")
        for name, values in video.features.items():
            expected = (len(video.labels), self._feature_sets[name].dim)
            check_features(values, expected, f"video {video.name}, {name}")


@contextmanager
def write_dataset(
    path: Path | str, info: DatasetInfo, feature_sets: Mapping[str, FeatureSet]
) -> Iterator[DatasetWriter]:
    """Open a new dataset file; it appears at `path` only when the block ends without an error."""
    with replace_when_whole(path) as temporary, hdf5_file(temporary, "w") as file:
        writer = DatasetWriter(file, info, feature_sets)
        yield writer
        writer.finish()


def check_video_name(name: str) -> None:
    """A video's name is a place in the file and in folders of results: `InputError` unless it is a relative path."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError(f"{name!r} cannot be the name of a video: it must be a relative path without '.' and '..'")


def check_features(values: np.ndarray, expected: tuple[int, int], where: str) -> None:
    """Raise `InputError` unless features are `expected` = (T, D) finite numbers."""
    if values.shape != expected:
        raise InputError(f"{where}: features are {values.shape}, not [T, D] = {expected}")
    if not np.isfinite(values).all():
        frame = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise InputError(f"{where}: NaN or infinity at frame {frame}; mend the features")


def describe_feature_set(file: Any, name: str, feature_set: FeatureSet) -> None:
    """Write what a feature set says of itself, anew or over what stood there."""
    attrs = file.require_group(f"feature_sets/{name}").attrs
    attrs["dim"], attrs["source"] = feature_set.dim, feature_set.source
    attrs["look_ahead_frames"], attrs["split"] = feature_set.look_ahead_frames, feature_set.split or ""
    attrs["derived_from"] = feature_set.derived_from or ""


class LabelWriter:
    """Writes or replaces all labels of a file, video after video in the index's order, with what is made from them."""

    def __init__(self, file: Any, background: Collection[int]):
        self._file, self._background = file, background
        self._labels = RaggedWriter(file, "labels", np.int32)
        self._progress = RaggedWriter(file, "progress", np.float32)
        self._segments = RaggedWriter(file, "segments", np.int64, row_shape=(3,))
        self._num_segments: list[int] = []

    def append(self, labels: np.ndarray) -> None:
        """Write the labels `[T]` of the next video, their progress and segments."""
        segments = segment_array(labels)
        self._labels.append(labels)
        self._progress.append(progress_target(labels, self._background))
        self._segments.append(segments)
        self._num_segments.append(len(segments))

    def finish(self) -> None:
        """Write the index of segments."""
        if "num_segments" in self._file:
            del self._file["num_segments"]
        self._file["num_segments"] = np.array(self._num_segments, dtype=np.int64)


def _write_info(file: h5py.File, info: DatasetInfo) -> None:
    attrs = file.attrs
    attrs["format"], attrs["format_version"] = FORMAT, FORMAT_VERSION
    attrs["name"], attrs["fps"] = info.name, float(info.fps)
    attrs["simulated"], attrs["source"] = info.simulated, info.source
    attrs["class_names"] = np.array(info.class_names, dtype=h5py.string_dtype())
    attrs["background"] = np.array(info.background, dtype=np.int64)
    for split, parts in info.splits.items():
        for part in PARTS:
            if part in parts:
                names = np.array(list(parts[part]), dtype=h5py.string_dtype())
                file.create_dataset(f"splits/{split}/{part}", data=names)
    file.require_group("splits")


def _folders_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]
