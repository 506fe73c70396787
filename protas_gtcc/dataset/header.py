"""The header of a dataset file, written and read: facts, feature sets and the index of videos.

`file.py` shows the whole file.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.annotations.palette import are_colours
from protas_gtcc.dataset.description import PARTS, DatasetInfo, FeatureSet
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.facts import (
    HEADER_CHANGED,
    flag,
    has_format,
    number,
    read_extractor,
    read_fact,
    read_texts,
    read_wholes,
    require_checksum,
    text,
    text_array,
    whole,
    without_unknown,
    write_extractor,
    write_facts,
    write_list,
)
from protas_gtcc.storage.file_kinds import HDF5, kind_of
from protas_gtcc.storage.hdf5 import named_if_damaged
from protas_gtcc.storage.plain_names import require_plain_name, require_video_names
from protas_gtcc.storage.ragged import checksum, read_lengths
from protas_gtcc.storage.stored import OwnFile, StoredFile, StoredGroup, open_stored

FORMAT = "protas_gtcc dataset"
FORMAT_VERSION, JOINED_VERSION = 2, 4
"""Of a file with all that it needs, and of one whose features are in other files."""
VIDEO_FACTS = ("task", "subject", "environment")
_ALWAYS_WRITTEN = ("task", "subject")
"""Also where they are unknown, as in files of earlier versions, which have no environment."""
LARGEST_DIM = 10**6
"""Features a frame; no extractor gives as many."""


def write_info(file: Any, info: DatasetInfo, version: int = FORMAT_VERSION) -> None:
    """Write the facts into a new dataset file."""
    write_facts(file, format=FORMAT, format_version=version, name=info.name, fps=float(info.fps))
    write_facts(file, simulated=info.simulated, source=info.source)
    write_classes(file, info.class_names, info.background)
    for split, parts in info.splits.items():
        require_plain_name(split, "split")
        for part in PARTS:
            if part in parts:
                file.create_dataset(f"splits/{split}/{part}", data=text_array(parts[part]))
    file.require_group("splits")


def write_classes(file: Any, class_names: list[str], background: list[int]) -> None:
    """Write or replace the class names and the ids of the background classes."""
    write_list(file, "class_names", class_names)
    write_list(file, "background", np.array(background, dtype=np.int64))


def write_feature_set(file: Any, name: str, feature_set: FeatureSet) -> None:
    """Write or replace the description of a feature set."""
    require_plain_name(name, "feature set")
    group = file.require_group(f"feature_sets/{name}")
    write_facts(group, dim=feature_set.dim, look_ahead_frames=feature_set.look_ahead_frames)
    write_facts(group, source=feature_set.source, split=feature_set.split or "")
    write_facts(group, derived_from=feature_set.derived_from or "")
    write_extractor(group, feature_set.extractor)


def write_index(file: Any, num_frames: Mapping[str, int]) -> None:
    """Write the names of the videos and their numbers of frames."""
    file.create_dataset("video_names", data=text_array(list(num_frames)))
    file.create_dataset("num_frames", data=np.array(list(num_frames.values()), dtype=np.int64))


def seal(file: Any) -> None:
    """Write the checksum of the whole header, after the last change of it."""
    own = OwnFile(file)
    header = _read_info(own), _read_feature_sets(own.group("feature_sets")), _read_index(own)
    write_facts(file, checksum=_header_checksum(*header))


def write_features(group: Any, name: str, values: np.ndarray) -> None:
    """Write or replace the features `[T, D]` of a video, whose group it is, and their checksums."""
    values = np.ascontiguousarray(values)
    for folder, array in (("features", values), ("checksums", frame_checksums(values))):
        stored = group.require_group(folder).get(name)
        if stored is not None and (stored.shape, stored.dtype) == (array.shape, array.dtype):
            stored[...] = array  # in place, since a file does not shrink when an array is deleted
            continue
        if stored is not None:
            del group[folder][name]
        group[folder].create_dataset(name, data=array)


def frame_checksums(values: np.ndarray) -> np.ndarray:
    """CRC-32 of each frame of features `[T, D]`, uint32 `[T]`."""
    return np.fromiter(map(zlib.crc32, np.ascontiguousarray(values)), dtype=np.uint32, count=len(values))


def write_video_facts(group: Any, **facts: str) -> None:
    """Write what is known of a video beside its frames: those of `VIDEO_FACTS`.

    What is unknown, "", is left out.
    """
    known = {name: value for name, value in facts.items() if value or name in _ALWAYS_WRITTEN}
    write_facts(group, **known, checksum=_facts_checksum(known))


def read_video_facts(group: StoredGroup) -> dict[str, str]:
    """What `write_video_facts` wrote. Raises `ValueError` if it is damaged."""
    facts = {name: read_fact(group, name, text) for name in VIDEO_FACTS if group.has_attribute(name)}
    require_checksum(group, _facts_checksum(facts), "task, subject or environment differ from what was written")
    return facts


def _facts_checksum(facts: Mapping[str, str]) -> int:
    return checksum(json.dumps(facts, sort_keys=True).encode())


def _header_checksum(info: DatasetInfo, sets: Mapping[str, FeatureSet], num_frames: Mapping[str, int]) -> int:
    described = {name: without_unknown(dataclasses.asdict(one)) for name, one in sets.items()}
    facts = dataclasses.asdict(info)
    if not info.class_colours:  # earlier versions had none
        del facts["class_colours"]
    plain = [facts, described, dict(num_frames)]
    return checksum(json.dumps(plain, sort_keys=True).encode())


def is_dataset_file(path: Path) -> bool:
    """Whether `path` is an HDF5 file that is marked as a dataset, of whatever version.

    Raises `InputError` if it is a damaged HDF5 file.
    """
    if not path.is_file() or kind_of(path) != HDF5:
        return False
    way_out = "copy it again"
    with open_stored(path, way_out) as file, named_if_damaged(path, way_out=way_out):
        return has_format(file, FORMAT)


def read_header(file: StoredFile, path: Path) -> tuple[DatasetInfo, dict[str, FeatureSet], dict[str, int]]:
    """Facts, feature sets and index (video -> T) of an open file. Raises `InputError` if it is foreign or damaged."""
    with named_if_damaged(path):
        if not has_format(file, FORMAT):
            raise InputError(f"{path} is an HDF5 file, but not a {FORMAT}; make one with 'protas-gtcc prepare'")
        version = read_fact(file, "format_version", whole)
        ours, again = (JOINED_VERSION, "join the files") if "shards" in file else (FORMAT_VERSION, "prepare it")
        if version != ours:
            reads = f"this program reads version {ours}"
            raise InputError(f"{path} has format version {version}, but {reads}; {again} again, or upgrade")
        arrays = ("labels", "progress", "segments")
        needed = ("video_names", "num_frames", "num_segments", *arrays, "splits", "feature_sets", "videos")
        missing = [name for name in needed if name not in file]
        if missing:
            raise ValueError(f"it lacks {listed(missing)}")
        header = _read_info(file), _read_feature_sets(file.group("feature_sets")), _read_index(file)
        require_checksum(file, _header_checksum(*header), HEADER_CHANGED)
        return header


def read_colours(file: StoredFile, num_classes: int) -> list[str]:
    """The colours of the classes; none in files of earlier versions. Raises `ValueError` for what is none."""
    is_there = file.has_attribute("class_colours") or "class_colours" in file
    colours = read_texts(file, "class_colours") if is_there else []
    if not are_colours(colours, num_classes):
        raise ValueError(f"its class_colours are not the colours of {plural(num_classes, 'class')}")
    return colours


def read_video_names(file: StoredFile) -> list[str]:
    """The index's names of videos. Raises `InputError` or `ValueError` for what cannot be one, or comes twice."""
    names = file.texts("video_names")
    require_video_names(names)
    if len(set(names)) != len(names):
        raise ValueError("its index names a video twice")
    return names


def _read_info(file: StoredFile) -> DatasetInfo:
    splits = file.group("splits")
    class_names = read_texts(file, "class_names")
    info = DatasetInfo(
        name=read_fact(file, "name", text),
        class_names=class_names,
        background=read_wholes(file, "background"),
        fps=read_fact(file, "fps", number),
        splits={split: _read_parts(splits.group(split)) for split in splits},
        simulated=read_fact(file, "simulated", flag),
        source=read_fact(file, "source", text),
        class_colours=read_colours(file, len(class_names)),
    )
    for split in info.splits:
        require_plain_name(split, "split")
    unknown = [label for label in info.background if not 0 <= label < info.num_classes]
    if unknown:
        raise ValueError(f"background id {unknown[0]} is not one of {plural(info.num_classes, 'class')}")
    if not (info.fps > 0 and isfinite(info.fps)):
        raise ValueError(f"it has {info.fps:g} frames per second")
    return info


def _read_parts(split: StoredGroup) -> dict[str, list[str]]:
    return {part: split.texts(part) for part in PARTS if part in split}


def _read_feature_sets(group: StoredGroup) -> dict[str, FeatureSet]:
    sets = {name: _read_feature_set(group.group(name)) for name in group}
    for name, one in sets.items():
        require_plain_name(name, "feature set")
        if not 1 <= one.dim <= LARGEST_DIM or one.look_ahead_frames < 0:
            raise ValueError(f"feature set {name} has {one.dim} features, looking {one.look_ahead_frames} frames ahead")
    return sets


def _read_feature_set(group: StoredGroup) -> FeatureSet:
    return FeatureSet(
        dim=read_fact(group, "dim", whole),
        look_ahead_frames=read_fact(group, "look_ahead_frames", whole),
        split=read_fact(group, "split", text) or None,
        source=read_fact(group, "source", text),
        derived_from=read_fact(group, "derived_from", text) or None,
        extractor=read_extractor(group),
    )


def _read_index(file: StoredFile) -> dict[str, int]:
    names = read_video_names(file)
    return dict(zip(names, read_lengths(file, "num_frames", len(names)), strict=True))
