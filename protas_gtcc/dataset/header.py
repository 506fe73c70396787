"""What a dataset file says of itself and of its feature sets, and its index of videos: read and checked on opening."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.hdf5 import named_if_damaged
from protas_gtcc.storage.ragged import read_lengths

FORMAT = "protas_gtcc dataset"
FORMAT_VERSION = 2
PARTS = ("train", "validation", "test")

V = TypeVar("V")


@dataclass(frozen=True)
class FeatureSet:
    """One kind of features: `[T, dim]` for every video that has it."""

    dim: int
    look_ahead_frames: int = 0
    """How many frames after t the features of frame t have seen; part of any claim to be online."""
    split: str | None = None
    """The only split it may be used with (its backbone was trained on that split's training videos)."""
    source: str = ""
    derived_from: str | None = None
    """The set it was computed from, as by alignment; such a set is used only where it is asked for by name."""


def tied_name(name: str, split: str) -> str:
    """Name under which the set of one split is stored, where every split needs one of its own: `aligned_split1`."""
    return f"{name}_split{split}"


def feature_kind(name: str, feature_set: FeatureSet) -> str:
    """What a set shares with those that stand for it in other splits: `aligned_split1` -> `aligned of the split`.

    A set that any split may use is a kind of its own. Tied sets whose names do not end in their split are one kind.
    Sets that were derived with several seeds, `aligned-seed1_split1`, are of one kind too.
    """
    split = feature_set.split
    if split is None:
        return name
    if feature_set.derived_from is not None:
        name = re.sub(rf"-seed\d+(?={re.escape(tied_name('', split))}$)", "", name)
    stem = name.removesuffix(tied_name("", split)).removesuffix(f"_{split}")
    if stem != name:
        return f"{stem} of the split"
    return "of the split" if feature_set.derived_from is None else "derived, of the split"


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


def is_dataset_file(path: Path) -> bool:
    """Whether there is a dataset file at `path`, of whatever version, as far as its first attribute says."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return str(file.attrs.get("format")) == FORMAT


def read_header(file: Any, path: Path) -> tuple[DatasetInfo, dict[str, FeatureSet], dict[str, int]]:
    """Facts, feature sets and index (video -> number of frames) of an open dataset file.

    Raises `InputError` if the file is foreign, of another version, or damaged.
    """
    with named_if_damaged(path):
        if str(file.attrs.get("format")) != FORMAT:
            raise InputError(f"{path} is an HDF5 file, but not a {FORMAT}; make one with 'protas-gtcc prepare'")
        version = _attribute(file, "format_version", int)
        if version > FORMAT_VERSION:
            raise InputError(f"{path} has format version {version}, this program reads {FORMAT_VERSION}; upgrade")
        if version < FORMAT_VERSION:
            raise InputError(f"{path} has the old format version {version}, not {FORMAT_VERSION}; prepare it again")
        arrays = ("labels", "progress", "segments")
        needed = ("video_names", "num_frames", "num_segments", *arrays, "splits", "feature_sets", "videos")
        missing = [name for name in needed if name not in file]
        if missing:
            raise ValueError(f"it lacks {listed(missing)}")
        return _read_info(file), _read_feature_sets(file), _read_index(file)


def _read_info(file: Any) -> DatasetInfo:
    splits = {
        split: {part: [str(name) for name in group[part].asstr()[:]] for part in PARTS if part in group}
        for split, group in file["splits"].items()
    }
    info = DatasetInfo(
        name=_attribute(file, "name", str),
        class_names=_attribute(file, "class_names", _list_of(str)),
        background=_attribute(file, "background", _list_of(int)),
        fps=_attribute(file, "fps", float),
        splits=splits,
        simulated=_attribute(file, "simulated", bool),
        source=_attribute(file, "source", str),
    )
    unknown = [label for label in info.background if not 0 <= label < info.num_classes]
    if unknown:
        raise ValueError(f"background id {unknown[0]} is not one of {info.num_classes} classes")
    if not (info.fps > 0 and isfinite(info.fps)):
        raise ValueError(f"it has {info.fps:g} frames per second")
    return info


def _read_feature_sets(file: Any) -> dict[str, FeatureSet]:
    sets = {
        name: FeatureSet(
            dim=_attribute(group, "dim", int),
            look_ahead_frames=_attribute(group, "look_ahead_frames", int),
            split=_attribute(group, "split", str) or None,
            source=_attribute(group, "source", str),
            # Files from before there were derived sets lack it.
            derived_from=str(group.attrs.get("derived_from", "")) or None,
        )
        for name, group in file["feature_sets"].items()
    }
    for name, one in sets.items():
        if one.dim < 1 or one.look_ahead_frames < 0:
            raise ValueError(f"feature set {name} has {one.dim} features, looking {one.look_ahead_frames} frames ahead")
    return sets


def _read_index(file: Any) -> dict[str, int]:
    names = list(file["video_names"].asstr()[:]) if len(file["video_names"]) else []
    if len(set(names)) != len(names):
        raise ValueError("its index names a video twice")
    return dict(zip(names, read_lengths(file, "num_frames", len(names)), strict=True))


def _attribute(owner: Any, name: str, kind: Callable[[Any], V]) -> V:
    where = "" if owner.name == "/" else f" of {owner.name}"
    if name not in owner.attrs:
        raise ValueError(f"{name}{where} is missing")
    value = owner.attrs[name]
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}{where} is {value!r}") from error


def _list_of(kind: Callable[[Any], V]) -> Callable[[Any], list[V]]:
    def convert(values: Any) -> list[V]:
        if np.ndim(values) != 1:
            raise TypeError("expected a list")
        return [kind(value) for value in values]

    return convert
