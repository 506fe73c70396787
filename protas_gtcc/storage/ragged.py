"""Ragged arrays in HDF5: the rows of all videos end to end in one array, with the number of rows of each video.

The HDF5 library takes longer to open an array than to read the labels of one video. So what is small and needed of
every video (labels, progress, segments) is one array a file, opened once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from protas_gtcc.storage.hdf5 import require_array
from protas_gtcc.storage.stored import StoredFile

CHECKSUMS = "_checksums"
"""Behind the name of an array: the name of the checksums of its videos."""
CHUNK_ROWS = 8192


class RaggedWriter:
    """Makes or replaces the array `name` of a file and appends videos to it; `row_shape` is () for one value a row."""

    def __init__(self, file: Any, name: str, dtype: type, row_shape: tuple[int, ...] = ()):
        for old in {name, name + CHECKSUMS} & {*file}:
            del file[old]
        self._file, self._name = file, name
        self._checksums: list[int] = []
        self._array = file.create_dataset(
            name, (0, *row_shape), dtype, chunks=(CHUNK_ROWS, *row_shape), maxshape=(None, *row_shape)
        )

    def append(self, rows: np.ndarray) -> None:
        """Write one video's rows behind those of the video before."""
        end = len(self._array)
        self._array.resize(end + len(rows), axis=0)
        self._array[end:] = rows
        self._checksums.append(checksum(np.asarray(rows, self._array.dtype)))

    def finish(self) -> None:
        """Write the checksum of each video."""
        self._file[self._name + CHECKSUMS] = np.array(self._checksums, dtype=np.uint32)


class RaggedReader:
    """Reads single videos of a `RaggedWriter`'s array.

    Raises `ValueError` for another shape, if it is not of numbers, and if a video's checksum does not fit.
    """

    def __init__(self, file: StoredFile, name: str, lengths: Iterable[int], row_shape: tuple[int, ...] = ()):
        self._array = file.array(name)
        self._edges = np.cumsum([0, *lengths], dtype=np.int64)  # 8 bytes a video; a list takes five times as many
        require_array(self._array, (int(self._edges[-1]), *row_shape), name)
        self._checksums = stored_checksums(file, name + CHECKSUMS, (len(self._edges) - 1,))

    def read(self, video: int, start: int = 0, end: int | None = None) -> np.ndarray:
        """Rows `[start, end)` of the video with this number, all by default; bounds as in a slice."""
        rows = self._array[self._edges[video] : self._edges[video + 1]]
        if self._checksums is not None and checksum(rows) != self._checksums[video]:
            raise ValueError(f"{self._array.name.lstrip('/')} differ from what was written")
        return rows[start:end]


def checksum(values: np.ndarray | bytes) -> int:
    """CRC-32 of bytes, or of those of an array."""
    return zlib.crc32(np.ascontiguousarray(values).data if isinstance(values, np.ndarray) else values)


def stored_checksums(file: StoredFile, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """The checksums of that shape under a name of an open file; None in files of earlier versions, which have none."""
    if name not in file:
        return None
    stored = file.array(name)
    require_array(stored, shape, name)
    return stored[:]


def read_lengths(file: StoredFile, name: str, num_videos: int) -> list[int]:
    """The file's array `name`: rows of each video. Raises `ValueError` unless it has `num_videos` positive entries."""
    lengths = np.atleast_1d(file.array(name)[()])
    if len(lengths) != num_videos:
        raise ValueError(f"its index has {num_videos} names of videos but {len(lengths)} {name}")
    if lengths.size and (lengths.dtype.kind not in "iu" or lengths.min() < 1):
        raise ValueError(f"its index has a video with {name} {lengths.min()}")
    return [int(length) for length in lengths]
