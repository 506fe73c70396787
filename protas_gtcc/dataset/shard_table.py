"""The table of shards in a joined file: which other files hold its features.

/shards                    checksum (of all below)
/shards/paths              [S] where each shard is, seen from the joined file's folder
/shards/labels             [S] CRC-32 of the checksums of each shard's labels; -1 for a shard of features alone
/shards/features/<set>     [V, 2] of each video, in the index's order: the number of its shard, and the CRC-32 of
                           the checksums of its features there; -1, -1 where it has none
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.facts import require_checksum, text_array, write_facts
from protas_gtcc.storage.ragged import checksum
from protas_gtcc.storage.stored import StoredGroup

NAME = "shards"
"""Of the group in a joined file."""
NO_LABELS = -1
NO_FEATURES = (-1, -1)


@dataclass
class ShardTable:
    """Shards, and what of each video is in which."""

    paths: list[str] = field(default_factory=list)
    """Where each shard is, seen from the joined file's folder."""
    labels: list[int] = field(default_factory=list)
    """Checksum of each shard's labels, `NO_LABELS` for one of features alone."""
    features: dict[str, np.ndarray] = field(default_factory=dict)
    """Of each set int64 `[V, 2]`: number of the video's shard, and checksum of its features; or `NO_FEATURES`."""

    @classmethod
    def read(cls, file: StoredGroup, num_videos: int) -> ShardTable:
        """The table of an open joined file. Raises `ValueError` if it is damaged, or names what cannot be."""
        group = file.group(NAME)
        stored = group.group("features")
        features = {name: _whole_numbers(stored, name) for name in stored}
        labels = _whole_numbers(group, "labels")
        if labels.ndim != 1:
            raise ValueError(f"labels of its shards should be a list, but are {list(labels.shape)}")
        table = cls(group.texts("paths"), labels.tolist(), features)
        require_checksum(group, table._checksum(), "its table of shards differs from what was written")
        table._require_possible(num_videos)
        return table

    def write(self, file: Any) -> None:
        """Write or replace the table in an open file."""
        if NAME in file:
            del file[NAME]
        group = file.create_group(NAME)
        group["paths"], group["labels"] = text_array(self.paths), np.array(self.labels, dtype=np.int64)
        stored = group.create_group("features")
        for name, column in self.features.items():
            stored[name] = column
        write_facts(group, checksum=self._checksum())

    def add(self, paths: Sequence[str], name: str, column: Sequence[tuple[int, int]]) -> None:
        """Add shards of features alone, which hold a set; the numbers in `column` count these shards from 0."""
        added = np.array(column, dtype=np.int64).reshape(-1, 2)
        added[added[:, 0] >= 0, 0] += len(self.paths)
        self.features[name] = added
        self.paths += paths
        self.labels += [NO_LABELS] * len(paths)

    def remove(self, name: str) -> None:
        """Remove a set, and the shards that hold nothing else."""
        self.features.pop(name, None)
        used = {int(shard) for column in self.features.values() for shard in np.unique(column[:, 0])}
        stays = [number in used or labels != NO_LABELS for number, labels in enumerate(self.labels)]
        renumbered = np.append(np.cumsum(stays) - 1, -1)  # -1, for no shard, stays -1
        for column in self.features.values():
            column[:, 0] = renumbered[column[:, 0]]
        self.paths = [path for path, kept in zip(self.paths, stays, strict=True) if kept]
        self.labels = [one for one, kept in zip(self.labels, stays, strict=True) if kept]

    def is_joined(self, name: str) -> bool:
        """Whether a set came with the files that were joined, and was not added later."""
        shards = self.features.get(name, np.empty((0, 2), dtype=np.int64))[:, 0]
        return any(self.labels[shard] != NO_LABELS for shard in np.unique(shards[shards >= 0]))

    def _require_possible(self, num_videos: int) -> None:
        for name in self.paths:
            if PurePosixPath(name).is_absolute() or Path(name).is_absolute() or name in ("", "."):
                raise ValueError(f"its shard {name!r} is not a path relative to it")
        if any(column.shape != (num_videos, 2) for column in self.features.values()) or (
            len(self.labels) != len(self.paths)
        ):
            raise ValueError("its table of shards does not fit its index")
        for column in self.features.values():
            if num_videos and not -1 <= column[:, 0].min() <= column[:, 0].max() < len(self.paths):
                raise ValueError(f"its index names a shard that is none of {len(self.paths)}")

    def _checksum(self) -> int:
        parts = ["\n".join(self.paths).encode(), np.array(self.labels, dtype=np.int64).tobytes()]
        for name in sorted(self.features):
            parts += [name.encode(), self.features[name].tobytes()]
        return checksum(b"\0".join(parts))


def moved(table: ShardTable, joined: Path, to: Path) -> ShardTable:
    """The table of a joined file as it must be for the same shards in a file in another place."""
    paths = [path_from(to, joined.parent / shard) for shard in table.paths]
    return ShardTable(paths, table.labels, table.features)


def _whole_numbers(group: StoredGroup, name: str) -> np.ndarray:
    values = group.numbers(name)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} should be whole numbers, but are {values.dtype}")
    return values.astype(np.int64)


def path_from(joined: Path, shard: Path) -> str:
    """Where a shard is, seen from the joined file's folder. Raises `InputError` where no relative path leads there."""
    try:
        # Folders that are links are resolved, since '..' would leave them elsewhere; a shard that is a link stays one.
        relative = os.path.relpath(shard.absolute().parent.resolve() / shard.name, joined.absolute().parent.resolve())
    except ValueError as error:  # on another drive
        raise InputError(f"{shard} and {joined} are on different drives; put them on one") from error
    return Path(relative).as_posix()
