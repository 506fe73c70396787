"""The header of a dataset file, written and read: facts, feature sets and the index of videos.

`file.py` shows the whole file.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from protas_gtcc.dataset.description import PARTS, DatasetInfo, FeatureSet
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.hdf5 import named_if_damaged
from protas_gtcc.storage.ragged import checksum, read_lengths

FORMAT = "protas_gtcc dataset"
FORMAT_VERSION = 2

V = TypeVar("V")


def write_info(file: Any, info: DatasetInfo) -> None:
    """Write the facts into a new dataset file."""
    attrs = file.attrs
    attrs["format"], attrs["format_version"] = FORMAT, FORMAT_VERSION
    attrs["name"], attrs["fps"] = info.name, float(info.fps)
    attrs["simulated"], attrs["source"] = info.simulated, info.source
    write_classes(file, info.class_names, info.background)
    for split, parts in info.splits.items():
        for part in PARTS:
            if part in parts:
                file.create_dataset(f"splits/{split}/{part}", data=_strings(parts[part]))
    file.require_group("splits")


def write_classes(file: Any, class_names: list[str], background: list[int]) -> None:
    """Write or replace the class names and the ids of the background classes."""
    file.attrs["class_names"] = _strings(class_names)
    file.attrs["background"] = np.array(background, dtype=np.int64)


def write_feature_set(file: Any, name: str, feature_set: FeatureSet) -> None:
    """Write or replace the description of a feature set."""
    attrs = file.require_group(f"feature_sets/{name}").attrs
    attrs["dim"], attrs["source"] = feature_set.dim, feature_set.source
    attrs["look_ahead_frames"], attrs["split"] = feature_set.look_ahead_frames, feature_set.split or ""
    attrs["derived_from"] = feature_set.derived_from or ""


def write_index(file: Any, num_frames: Mapping[str, int]) -> None:
    """Write the names of the videos and their numbers of frames."""
    file.create_dataset("video_names", data=_strings(list(num_frames)))
    file.create_dataset("num_frames", data=np.array(list(num_frames.values()), dtype=np.int64))


def seal(file: Any) -> None:
    """Write the checksum of the whole header, after the last change of it."""
    file.attrs["checksum"] = _header_checksum(_read_info(file), _read_feature_sets(file), _read_index(file))


def write_features(group: Any, name: str, values: np.ndarray) -> None:
    """Write or replace the features `[T, D]` of a video, whose group it is, and their checksums."""
    for folder, array in (("features", np.ascontiguousarray(values)), ("checksums", frame_checksums(values))):
        stored = group.require_group(folder).get(name)
        if stored is not None and (stored.shape, stored.dtype) == (array.shape, array.dtype):
            stored[...] = array  # in place, since a file does not shrink when an array is deleted
            continue
        if stored is not None:
            del group[folder][name]
        group[folder].create_dataset(name, data=array)


def frame_checksums(values: np.ndarray) -> np.ndarray:
    """CRC-32 of each frame of features `[T, D]`, uint32 `[T]`."""
    return np.array([checksum(frame) for frame in np.ascontiguousarray(values)], dtype=np.uint32)


def video_checksum(attrs: Mapping[str, Any]) -> int:
    """CRC-32 of what is known of a video beside its frames."""
    return checksum(json.dumps([str(attrs.get(name, "")) for name in ("task", "subject")]).encode())


def _header_checksum(info: DatasetInfo, sets: Mapping[str, FeatureSet], num_frames: Mapping[str, int]) -> int:
    plain = [dataclasses.asdict(info), {name: dataclasses.asdict(one) for name, one in sets.items()}, dict(num_frames)]
    return checksum(json.dumps(plain, sort_keys=True).encode())


def is_dataset_file(path: Path) -> bool:
    """Whether `path` is an HDF5 file that is marked as a dataset, of whatever version."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return str(file.attrs.get("format")) == FORMAT


def read_header(file: Any, path: Path) -> tuple[DatasetInfo, dict[str, FeatureSet], dict[str, int]]:
    """Facts, feature sets and index (video -> T) of an open file. Raises `InputError` if it is foreign or damaged."""
    with named_if_damaged(path):
        if str(file.attrs.get("format")) != FORMAT:
            raise InputError(f"{path} is an HDF5 file, but not a {FORMAT}; make one with 'protas-gtcc prepare'")
        version = _attribute(file, "format_version", int)
        if version != FORMAT_VERSION:
            reads = f"this program reads version {FORMAT_VERSION}"
            raise InputError(f"{path} has format version {version}, but {reads}; prepare it again, or upgrade")
        arrays = ("labels", "progress", "segments")
        needed = ("video_names", "num_frames", "num_segments", *arrays, "splits", "feature_sets", "videos")
        missing = [name for name in needed if name not in file]
        if missing:
            raise ValueError(f"it lacks {listed(missing)}")
        header = _read_info(file), _read_feature_sets(file), _read_index(file)
        if file.attrs.get("checksum", found := _header_checksum(*header)) != found:
            raise ValueError(
                "its header differs from what was written (if you changed it, delete its attribute checksum)"
            )
        return header


def _read_info(file: Any) -> DatasetInfo:
    splits = {
        split: {part: [str(name) for name in group[part].asstr()[:]] for part in PARTS if part in group}
        for split, group in file["splits"].items()
    }
    info = DatasetInfo(
        name=_attribute(file, "name", str),
        class_names=_attribute(file, "class_names", lambda names: [str(name) for name in names.tolist()]),
        background=_attribute(file, "background", lambda ids: [int(label) for label in ids.tolist()]),
        fps=_attribute(file, "fps", float),
        splits=splits,
        simulated=_attribute(file, "simulated", bool),
        source=_attribute(file, "source", str),
    )
    unknown = [label for label in info.background if not 0 <= label < info.num_classes]
    if unknown:
        raise ValueError(f"background id {unknown[0]} is not one of {plural(info.num_classes, 'class')}")
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
            derived_from=_attribute(group, "derived_from", str) or None,
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
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name}{where} is {value!r}") from error


def _strings(names: list[str]) -> np.ndarray:
    return np.array(list(names), dtype=h5py.string_dtype())
