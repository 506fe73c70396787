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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.hdf5_file import read_array

FORMAT = "protas_gtcc dataset"
FORMAT_VERSION = 1
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class FeatureSet:
    """One kind of features: `[T, dim]` for every video that has it."""

    dim: int
    look_ahead_frames: int = 0
    """How many frames after t the features of frame t have seen; part of any claim to be online."""
    split: str | None = None
    """The only split it may be used with (its backbone was trained on that split's training videos)."""
    source: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset says of itself, apart from its videos."""

    name: str
    class_names: list[str]
    background: list[int]
    fps: float
    splits: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    """Split name -> part (train, validation, test) -> video names."""
    simulated: bool = False
    source: str = ""

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.class_names)


@dataclass(frozen=True, eq=False)
class Video:
    """One video on its way into a file: labels `[T]` and, per feature set, features `[T, D]`."""

    name: str
    labels: np.ndarray
    features: Mapping[str, np.ndarray]
    task: str = ""
    subject: str = ""


class Dataset:
    """A dataset file, opened lazily. Raises `InputError` if the file is missing, foreign, truncated or too new."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._owner = -1
        with _open(self.path) as file:
            _check_format(file, self.path)
            self.info = _read_info(file)
            self.feature_sets = _read_feature_sets(file)
            self.video_names: list[str] = list(file["video_names"].asstr()[:]) if len(file["video_names"]) else []
            self.num_frames: dict[str, int] = {
                name: int(n) for name, n in zip(self.video_names, file["num_frames"][:], strict=True)
            }

    def labels(self, video: str) -> np.ndarray:
        """Class ids, int64 `[T]`."""
        return read_array(self._opened(video), f"videos/{video}/labels").astype(np.int64)

    def progress(self, video: str) -> np.ndarray:
        """Progress target of the active class, float32 `[T]`, 0 in the background."""
        return read_array(self._opened(video), f"videos/{video}/progress")

    def segments(self, video: str) -> np.ndarray:
        """Segments in time order, int64 `[N, 3]`: start, end (exclusive), label."""
        return read_array(self._opened(video), f"videos/{video}/segments")

    def features(self, video: str, feature_set: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Features of frames `[start, end)`, `[T, D]`, in the type they are stored in."""
        group = self._group(video)["features"]
        if feature_set not in group:
            raise InputError(f"{self.path}: video {video} has no feature set {feature_set!r}; it has {_listed(group)}")
        return group[feature_set][start:end]

    def has_features(self, video: str, feature_set: str) -> bool:
        """Whether the video comes with that feature set."""
        return feature_set in self._group(video)["features"]

    def attribute(self, video: str, name: str) -> str:
        """`task` or `subject` of a video, "" if unknown."""
        return str(self._group(video).attrs.get(name, ""))

    def part(self, split: str, part: str) -> list[str]:
        """Names of the videos of one part of a split; `InputError` for an unknown split, [] for a part it lacks."""
        if split not in self.info.splits:
            raise InputError(f"{self.path} has no split {split!r}; it has {_listed(self.info.splits)}")
        names = list(self.info.splits[split].get(part, []))
        unknown = [name for name in names if name not in self.num_frames]
        if unknown:
            raise InputError(f"{self.path}: split {split} {part} names {_listed(unknown)}, not in the file")
        return names

    def choose_feature_set(self, split: str, wanted: str | None = None) -> str:
        """The feature set for a split: the wanted one, else the one tied to it, else `features`, else the only one.

        Raises `InputError` for an unknown set, one tied to another split, or when none of these is there.
        """
        sets = self.feature_sets
        if wanted is not None:
            if wanted not in sets:
                raise InputError(f"{self.path} has no feature set {wanted!r}; it has {_listed(sets)}")
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
        raise InputError(f"{self.path}: name a feature set for split {split}, one of {_listed(usable or sets)}")

    def close(self) -> None:
        """Close the file; it opens again when next read."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def _group(self, video: str) -> Any:
        return self._opened(video)["videos"][video]

    def _opened(self, video: str) -> h5py.File:
        if video not in self.num_frames:
            raise InputError(f"{self.path} has no video {video!r} (it has {len(self.video_names)})")
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


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise InputError(f"{path} is an HDF5 file, but not a {FORMAT}; make one with 'protas-gtcc prepare'")
    version = int(file.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise InputError(f"{path} has format version {version}, this program reads up to {FORMAT_VERSION}; upgrade it")
    missing = [name for name in ("video_names", "num_frames", "splits", "feature_sets", "videos") if name not in file]
    if missing:
        raise InputError(f"{path} lacks {_listed(missing)}; prepare it again")


def _read_info(file: h5py.File) -> DatasetInfo:
    splits = {
        split: {part: [str(name) for name in group[part].asstr()[:]] for part in PARTS if part in group}
        for split, group in file["splits"].items()
    }
    attrs = file.attrs
    return DatasetInfo(
        name=str(attrs["name"]),
        class_names=[str(name) for name in attrs["class_names"]],
        background=[int(label) for label in attrs["background"]],
        fps=float(attrs["fps"]),
        splits=splits,
        simulated=bool(attrs["simulated"]),
        source=str(attrs["source"]),
    )


def _read_feature_sets(file: h5py.File) -> dict[str, FeatureSet]:
    return {
        name: FeatureSet(
            dim=int(group.attrs["dim"]),
            look_ahead_frames=int(group.attrs["look_ahead_frames"]),
            split=str(group.attrs["split"]) or None,
            source=str(group.attrs["source"]),
        )
        for name, group in file["feature_sets"].items()
    }


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = [str(name) for name in names]
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
