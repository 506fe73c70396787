"""Changing a dataset file: on a copy, which takes the file's name when whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from protas_gtcc.dataset.header import seal
from protas_gtcc.dataset.shard_table import NAME as SHARDS
from protas_gtcc.dataset.shard_table import ShardTable, moved
from protas_gtcc.storage.hdf5 import changed_copy
from protas_gtcc.storage.stored import OwnFile


@contextmanager
def changed_dataset(path: Path) -> Iterator[Any]:
    """Yield an open copy of the file to change; it takes the file's name if the block ends without an error.

    If `path` is a link, the new file replaces the link, and still finds its shards. Raises as `changed_copy` does.
    """
    with changed_copy(path) as file:
        if path.is_symlink() and SHARDS in file:
            moved(ShardTable.read(OwnFile(file), len(file["video_names"])), path.resolve(), path).write(file)
        yield file
        seal(file)
