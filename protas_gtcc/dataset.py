"""One HDF5 file a dataset: what it holds, and reading it lazily.

    /                          format, format_version, name, fps, simulated, source, class_names, background
    /video_names, /num_frames  the index: every video and its length
    /splits/<split>/<part>     names of the videos of part train, validation or test
    /feature_sets/<name>       dim, look_ahead_frames, split ("" for any), source
    /videos/<video>/           labels [T], progress [T], segments [N, 3] (start, end, label); task, subject
    /videos/<video>/features/<feature set>   [T, D], contiguous, so that a window of frames is one read

`protas_gtcc.dataset_writer` writes such files. A reader opens the file when it first needs it, and again in every
process that it is sent to, so one `Dataset` serves any number of loading workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protas_gtcc.dataset_header import PARTS, DatasetInfo, FeatureSet, named_if_damaged, read_header
from protas_gtcc.errors import InputError, listed
from protas_gtcc.hdf5_file import read_array

__all__ = ["PARTS", "Dataset", "DatasetInfo", "FeatureSet", "Video"]


@dataclass(frozen=True, eq=False)
class Video:
    """One video on its way into a file: labels `[T]` and, per feature set, features `[T, D]`."""

    name: str
    labels: np.ndarray
    features: Mapping[str, np.ndarray]
    task: str = ""
    subject: str = ""


class Dataset:
    """A dataset file, opened lazily.

    Raises `InputError` if the file is missing, foreign, truncated or too new, and, on opening or on reading the video
    concerned, if it is damaged.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._owner = -1
        with _open(self.path) as file:
            self.info, self.feature_sets, self.num_frames = read_header(file, self.path)
        self.video_names: list[str] = list(self.num_frames)

    def labels(self, video: str) -> np.ndarray:
        """Class ids, int64 `[T]`."""
        labels = self._array(video, "labels", (self._length(video),)).astype(np.int64)
        if labels.min() < 0 or labels.max() >= self.info.num_classes:
            unknown = np.unique(labels[(labels < 0) | (labels >= self.info.num_classes)]).tolist()
            what = f"class ids {listed(unknown)} are not among the {self.info.num_classes} classes"
            raise InputError(f"{self.path} is damaged: video {video}: {what}; prepare it again")
        return labels

    def progress(self, video: str) -> np.ndarray:
        """Progress target of the active class, float32 `[T]`, 0 in the background."""
        return self._array(video, "progress", (self._length(video),))

    def segments(self, video: str) -> np.ndarray:
        """Segments in time order, int64 `[N, 3]`: start, end (exclusive), label."""
        return self._array(video, "segments", (None, 3))

    def features(self, video: str, feature_set: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Features of frames `[start, end)`, `[T, D]`, in the type they are stored in."""
        with self._reading(video) as file:
            sets = file[f"videos/{video}/features"]
            stored = sets.get(feature_set)
            if stored is None:
                there = listed(sets)
                raise InputError(f"{self.path}: video {video} has no feature set {feature_set!r}; it has {there}")
            _check_array(stored, (self._length(video), self.feature_sets[feature_set].dim), feature_set)
            return stored[start:end]

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether the video comes with that feature set."""
        with self._reading(video) as file:
            return feature_set in file[f"videos/{video}/features"]

    def attribute(self, video: str, name: str) -> str:
        """`task` or `subject` of a video, "" if unknown."""
        with self._reading(video) as file:
            return str(file[f"videos/{video}"].attrs.get(name, ""))

    def part(self, split: str, part: str) -> list[str]:
        """Names of the videos of one part of a split; [] for a part it lacks.

        Raises `InputError` for an unknown split, for a video that is not in the file, and for one that is in another
        part of the split too: a test on training videos says nothing.
        """
        if split not in self.info.splits:
            raise InputError(f"{self.path} has no split {split!r}; it has {listed(self.info.splits)}")
        parts = self.info.splits[split]
        names = list(parts.get(part, []))
        unknown = [name for name in names if name not in self.num_frames]
        if unknown:
            raise InputError(f"{self.path}: split {split} {part} names {listed(unknown)}, not in the file")
        for other in set(parts) - {part}:
            both = sorted(set(names) & set(parts[other]))
            if both:
                raise InputError(
                    f"{self.path}: split {split} has {listed(both)} in {part} and {other}; keep each video in one "
                    "part ('protas-gtcc check' lists all that is wrong)"
                )
        return names

    def choose_feature_set(self, split: str, wanted: str | None = None) -> str:
        """The feature set for a split: the wanted one, else the one tied to it, else `features`, else the only one.

        Raises `InputError` for an unknown set, one tied to another split, or when none of these is there.
        """
        sets = self.feature_sets
        if wanted is not None:
            if wanted not in sets:
                raise InputError(f"{self.path} has no feature set {wanted!r}; it has {listed(sets)}")
            tied = sets[wanted].split
            if tied not in (None, split):
                raise InputError(
                    f"feature set {wanted!r} was made for split {tied}; it cannot be used with split {split}"
                )
            return wanted
        usable = [name for name, one in sets.items() if one.split in (None, split)]
        tied_to_split = [name for name in usable if sets[name].split == split]
        for candidates in (tied_to_split, [n for n in usable if n == "features"], usable):
            if len(candidates) == 1:
                return candidates[0]
        raise InputError(f"{self.path}: name a feature set for split {split}, one of {listed(usable or sets)}")

    def close(self) -> None:
        """Close the file; it opens again when next read."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def _length(self, video: str) -> int:
        if video not in self.num_frames:
            raise InputError(f"{self.path} has no video {video!r} (it has {len(self.video_names)})")
        return self.num_frames[video]

    def _array(self, video: str, name: str, expected: tuple[int | None, ...]) -> np.ndarray:
        with self._reading(video) as file:
            values = read_array(file, f"videos/{video}/{name}")
            _check_array(values, expected, name)
            return values

    @contextmanager
    def _reading(self, video: str) -> Iterator[Any]:
        file = self._opened(video)
        with named_if_damaged(self.path, f"video {video}"):
            try:
                yield file
            except KeyError:
                if f"videos/{video}" not in file:
                    raise ValueError("the index names it, but it is not there") from None
                raise

    def _opened(self, video: str) -> h5py.File:
        self._length(video)
        # A handle must not cross a fork: two processes would share one file position.
        if self._file is None or self._owner != os.getpid():
            self._file, self._owner = _open(self.path), os.getpid()
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_owner": -1}


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"no dataset file {path}; make one with 'protas-gtcc prepare'")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} is not a whole HDF5 file ({error}); prepare it again") from error


def _check_array(array: Any, expected: tuple[int | None, ...], name: str) -> None:
    """`None` in `expected` stands for any length."""
    shape = array.shape
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} should be numbers, but are {array.dtype}")
    if len(shape) != len(expected) or any(e not in (None, n) for n, e in zip(shape, expected, strict=True)):
        wanted = ", ".join("N" if length is None else str(length) for length in expected)
        raise ValueError(f"{name} should be [{wanted}], by index and feature set, but is {list(shape)}")
