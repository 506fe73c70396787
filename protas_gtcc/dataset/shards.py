"""Dataset files read as one: the joined file has all that is small, and its shards have the features.

    /shards                    checksum (of all below)
    /shards/paths              [S] where each shard is, seen from the joined file's folder
    /shards/labels             [S] CRC-32 of the checksums of each shard's labels
    /shards/of_video           [V] number of each video's shard, in the index's order of videos
    /shards/features/<set>     [V] CRC-32 of the checksums of each video's features; -1 where it has none

HDF5 has links to other files, but our reader follows none, so that no file can lead it elsewhere or in circles. So the
joined file names its shards, and a shard is only ever read for the features that it holds itself.

A shard may be moved together with the joined file. A change of what was joined is found when it is read: the joined
file knows the checksums. Sets that are added to the joined file later are in its own groups; a set that is added to a
shard is not seen.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.facts import has_format, require_checksum, text_array, write_facts
from protas_gtcc.storage.ragged import CHECKSUMS, checksum
from protas_gtcc.storage.stored import StoredFile, open_stored

NAME = "shards"
"""Of the group in a joined file."""
MOST_OPEN = 64
"""Shards that are open at a time; systems allow a process a thousand open files or fewer."""
NO_FEATURES = -1
_CHANGED = "its table of shards differs from what was written"
JOIN_AGAIN = "join the files again with 'protas-gtcc join --overwrite'"


class Shards:
    """The shards of an open joined file.

    Raises `ValueError` for a table of shards that is damaged, and `InputError` if a shard is not there.
    """

    def __init__(self, joined: StoredFile, path: Path, num_videos: int, dataset_format: str):
        group = joined.group(NAME)
        names, self._format = group.texts("paths"), dataset_format
        stored = group.group("features")
        self._labels, self._of_video = group.array("labels")[:], group.array("of_video")[:]
        self._features = {name: stored.array(name)[:] for name in stored}
        require_checksum(group, _table_checksum(names, self._labels, self._of_video, self._features), _CHANGED)
        _require_table(names, self._labels, self._of_video, self._features, num_videos)
        self._paths = [path.resolve().parent / name for name in names]
        self._joined, self._open = path, OrderedDict[int, StoredFile]()
        for shard in self._paths:
            if not shard.is_file():
                raise InputError(
                    f"{path} needs its shard {shard}, which is not there; put it back there, or {JOIN_AGAIN}"
                )

    @property
    def feature_sets(self) -> frozenset[str]:
        """The sets whose features are in the shards."""
        return frozenset(self._features)

    def has(self, number: int, feature_set: str) -> bool:
        """Whether the video of this number has features of the set in its shard."""
        return feature_set in self._features and int(self._features[feature_set][number]) != NO_FEATURES

    def file_with(self, number: int, video: str, feature_set: str) -> StoredFile:
        """The open shard of the video of this number. Raises `InputError` if it is not what was joined."""
        shard = int(self._of_video[number])
        file = self._opened(shard)
        try:
            stored = features_checksum(file, video, feature_set)
        except (KeyError, ValueError):
            stored = None
        if stored != self._features[feature_set][number]:
            self._refuse(shard, f"the features {feature_set} of video {video}")
        return file

    def _opened(self, shard: int) -> StoredFile:
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        file = open_stored(self._paths[shard], f"put the shard of {self._joined} back, or {JOIN_AGAIN}")
        if labels_checksum(file, self._format) != self._labels[shard]:
            file.close()
            self._refuse(shard, "its labels")
        if len(self._open) >= MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        self._open[shard] = file
        return file

    def _refuse(self, shard: int, what: str) -> None:
        changed = f"{self._paths[shard]} was changed since it was joined into {self._joined}: {what}"
        raise InputError(f"{changed}; put the old file back, or {JOIN_AGAIN}")


def write_shards(
    file: Any, paths: Sequence[str], labels: Sequence[int], of_video: Sequence[int], features: Mapping[str, list[int]]
) -> None:
    """Write the table into a new file. `features` has, for each set, the checksum of each video or `NO_FEATURES`."""
    group = file.create_group(NAME)
    arrays = {name: np.array(values, dtype=np.int64) for name, values in features.items()}
    stored_labels, numbers = np.array(labels, dtype=np.int64), np.array(of_video, dtype=np.int32)
    group["paths"], group["labels"], group["of_video"] = text_array(list(paths)), stored_labels, numbers
    stored = group.create_group("features")
    for name, values in arrays.items():
        stored[name] = values
    write_facts(group, checksum=_table_checksum(list(paths), stored_labels, numbers, arrays))


def labels_checksum(file: StoredFile, dataset_format: str) -> int | None:
    """CRC-32 of the checksums of all labels in a dataset file; None for another file and for one without them."""
    name = f"labels{CHECKSUMS}"
    if not has_format(file, dataset_format) or name not in file:
        return None
    return checksum(file.numbers(name))


def features_checksum(file: StoredFile, video: str, feature_set: str) -> int:
    """CRC-32 of the checksums of a video's features. Raises `KeyError` or `ValueError` where there are none."""
    return checksum(file.numbers(f"videos/{video}/checksums/{feature_set}"))


def path_from(joined: Path, shard: Path) -> str:
    """Where a shard is, seen from the joined file's folder. Raises `InputError` where no relative path leads there."""
    try:
        # Folders that are links are resolved, since '..' would leave them elsewhere; a shard that is a link stays one.
        relative = os.path.relpath(shard.absolute().parent.resolve() / shard.name, joined.absolute().parent.resolve())
    except ValueError as error:  # on another drive
        raise InputError(f"{shard} and {joined} are on different drives; put them on one") from error
    return Path(relative).as_posix()


def _require_table(
    names: Sequence[str], labels: np.ndarray, of_video: np.ndarray, features: Mapping[str, np.ndarray], num_videos: int
) -> None:
    for name in names:
        if PurePosixPath(name).is_absolute() or Path(name).is_absolute() or name in ("", "."):
            raise ValueError(f"its shard {name!r} is not a path relative to it")
    columns = [of_video, *features.values()]
    if any(one.dtype.kind not in "iu" or one.shape != (num_videos,) for one in columns) or labels.shape != (
        len(names),
    ):
        raise ValueError("its table of shards does not fit its index")
    if num_videos and not 0 <= of_video.min() <= of_video.max() < len(names):
        raise ValueError(f"its index names a shard that is none of {len(names)}")


def _table_checksum(
    names: Sequence[str], labels: np.ndarray, of_video: np.ndarray, features: Mapping[str, np.ndarray]
) -> int:
    parts = ["\n".join(names).encode(), labels.tobytes(), of_video.tobytes()]
    for name in sorted(features):
        parts += [name.encode(), features[name].tobytes()]
    return checksum(b"\0".join(parts))
