"""Adding a feature set to a dataset file: on a copy, which takes the file's name when whole.

The features go into the copy, or of a joined file into shards beside it.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.changing import changed_dataset
from protas_gtcc.dataset.description import FeatureSet
from protas_gtcc.dataset.feature_shards import remove_unnamed_shards, write_feature_shards
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import write_feature_set, write_features
from protas_gtcc.dataset.shard_table import NO_FEATURES, ShardTable, path_from
from protas_gtcc.dataset.writer import require_features
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.locks import only_writer
from protas_gtcc.storage.plain_names import require_plain_name
from protas_gtcc.storage.stored import OwnFile

_BYTES_PER_VIDEO = 4096
"""An upper bound on what one more array takes in the file beside its values."""


def add_feature_set(
    path: Path | str, name: str, feature_set: FeatureSet, features: Mapping[str, np.ndarray], replace: bool = False
) -> None:
    """Write the features `[T, D]` of videos into the dataset file at `path`, as a set of that name.

    A set for one split needs the videos of that split and may have others; any other set needs all videos. The mapping
    `features` is read video by video, so it may compute them, and their type is kept. If the process is killed, the
    file stays as it was. If `path` is a link, the new file replaces the link, and the file behind it stays as it was. A
    `Dataset` that is open does not see the new set.

    Raises `InputError` if the set exists and `replace` is not given, or if it contradicts the file or the set that it
    was derived from. Also raises it if features are missing, of a wrong shape or not finite, if the disk is too full,
    and if another process has changed the file meanwhile.
    """
    path = Path(path)
    with only_writer(path, wait=True):
        dataset = Dataset(path)
        _check_set(dataset, name, feature_set, replace)
        _check_videos(dataset, name, feature_set, features)
        _check_space(dataset, feature_set, features)
        add = _add_as_shards if dataset.is_joined else _add_inside
        add(path, dataset, name, feature_set, features)


def _add_inside(
    path: Path, dataset: Dataset, name: str, feature_set: FeatureSet, features: Mapping[str, np.ndarray]
) -> None:
    with changed_dataset(path) as file:
        write_feature_set(file, name, feature_set)
        for video in dataset.video_names:
            group = file[f"videos/{video}"]
            if video in features:
                write_features(group, name, _values(dataset, name, feature_set, features, video))
            elif name in group["features"]:
                del group["features"][name], group["checksums"][name]  # the set that is replaced had it


def _add_as_shards(
    path: Path, dataset: Dataset, name: str, feature_set: FeatureSet, features: Mapping[str, np.ndarray]
) -> None:
    """Of a joined file, whose features are all in other files. Shards of a set that is replaced are removed."""
    num_values = {video: frames * feature_set.dim for video, frames in dataset.num_frames.items() if video in features}
    try:
        read = functools.partial(_values, dataset, name, feature_set, features)
        shards, places = write_feature_shards(path, name, num_values, read)
        with changed_dataset(path) as file:
            table = ShardTable.read(OwnFile(file), len(dataset.video_names))
            table.remove(name)
            column = [places.get(video, NO_FEATURES) for video in dataset.video_names]
            table.add([path_from(path, shard) for shard in shards], name, column)
            table.write(file)
            write_feature_set(file, name, feature_set)
    finally:
        remove_unnamed_shards(path, name)


def _values(
    dataset: Dataset, name: str, feature_set: FeatureSet, features: Mapping[str, np.ndarray], video: str
) -> np.ndarray:
    values = np.asarray(features[video])
    require_features(values, (dataset.num_frames[video], feature_set.dim), f"video {video}, {name}")
    return values


def _check_set(dataset: Dataset, name: str, feature_set: FeatureSet, replace: bool) -> None:
    where = f"{dataset.path}: feature set {name!r}"
    require_plain_name(name, "feature set")
    if name in dataset.feature_sets and not replace:
        raise InputError(f"{where} exists; replace it, or give another name")
    if name in dataset.joined_feature_sets:
        raise InputError(f"{where} is in the files that were joined, which stay as they are; give another name")
    if feature_set.split is not None and feature_set.split not in dataset.info.splits:
        splits = listed(dataset.info.splits)
        raise InputError(f"{where} is for split {feature_set.split}, which is not there; the file has {splits}")
    if feature_set.derived_from is not None:
        _check_origin(dataset, name, feature_set, where)


def _check_origin(dataset: Dataset, name: str, feature_set: FeatureSet, where: str) -> None:
    origin_name = feature_set.derived_from or ""
    origins = dataset.set_names(origin_name)
    if name in origins or any(one not in dataset.feature_sets for one in origins):
        others = listed(other for other in dataset.feature_sets if other != name)
        raise InputError(f"{where} is derived from {origin_name!r}, which is not in the file; it has {others}")
    origin = dataset.feature_set(origin_name)
    if origin.split not in (None, feature_set.split):
        raise InputError(f"{where} is derived from {origin_name!r}; give it the same split, {origin.split}")
    if feature_set.look_ahead_frames < origin.look_ahead_frames:
        own, needed = feature_set.look_ahead_frames, origin.look_ahead_frames
        raise InputError(
            f"{where} is derived from {origin_name!r}, which looks {plural(needed, 'frame')} ahead, but has "
            f"look_ahead_frames {own}; give at least {needed}"
        )


def _check_videos(dataset: Dataset, name: str, feature_set: FeatureSet, features: Mapping[str, np.ndarray]) -> None:
    parts = dataset.info.splits.get(feature_set.split or "", {})
    of_split = dict.fromkeys(video for videos in parts.values() for video in videos)
    absent = [video for video in (of_split if feature_set.split else dataset.video_names) if video not in features]
    if absent:
        what = f"{name!r} has no features for {plural(len(absent), 'video')}, {listed(absent)}"
        raise InputError(f"{dataset.path}: {what}; give them all")
    unknown = [video for video in features if video not in dataset.num_frames]
    if unknown:
        what = f"{name!r} has features for videos that are not in the file, {listed(unknown)}"
        raise InputError(f"{dataset.path}: {what}; leave them out")


def _check_space(dataset: Dataset, feature_set: FeatureSet, features: Mapping[str, np.ndarray]) -> None:
    num_frames = sum(dataset.num_frames[video] for video in features)
    added = num_frames * feature_set.dim * np.dtype(np.float32).itemsize + len(features) * _BYTES_PER_VIDEO
    needed, free = dataset.path.stat().st_size + added, shutil.disk_usage(dataset.path.absolute().parent).free
    if free < needed:
        what = f"the new file needs {needed / 1e9:.2f} GB beside the old one, and {free / 1e9:.2f} GB are free"
        raise InputError(f"{dataset.path}: {what}; make room (the file is untouched)")
