"""Ragged arrays in HDF5: the rows of all videos end to end in one array, with the number of rows of each video.

The HDF5 library takes longer to open an array than to read the labels of one video. So what is small and needed of
every video (labels, progress, segments) is one array a file, opened once.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import h5py
import numpy as np

from protas_gtcc.storage.hdf5 import require_array
from protas_gtcc.storage.stored import StoredFile

_CHUNK_ROWS = 8192


class RaggedWriter:
    """Makes or replaces the array `name` of a file and appends videos to it; `row_shape` is () for one value a row."""

    def __init__(self, file: Any, name: str, dtype: type, row_shape: tuple[int, ...] = ()):
        if name in file:
            del file[name]
        self._array = file.create_dataset(
            name, (0, *row_shape), dtype, chunks=(_CHUNK_ROWS, *row_shape), maxshape=(None, *row_shape)
        )

    def append(self, rows: np.ndarray) -> None:
        """Write one video's rows behind those of the video before."""
        end = len(self._array)
        self._array.resize(end + len(rows), axis=0)
        self._array[end:] = rows


class RaggedReader:
    """Reads single videos of a `RaggedWriter`'s array. Raises `ValueError` for another shape, or if not of numbers."""

    def __init__(self, array: h5py.Dataset, lengths: Iterable[int], row_shape: tuple[int, ...] = ()):
        self._array, self._edges = array, [0, *accumulate(lengths)]
        require_array(array, (self._edges[-1], *row_shape), array.name.lstrip("/"))

    def read(self, video: int, start: int = 0, end: int | None = None) -> np.ndarray:
        """Rows `[start, end)` of the video with this number, all by default; bounds as in a slice."""
        first, last = self._edges[video], self._edges[video + 1]
        start, end, _ = slice(start, end).indices(last - first)
        return self._array[first + start : first + max(start, end)]


def read_lengths(file: StoredFile, name: str, num_videos: int) -> list[int]:
    """The file's array `name`: rows of each video. Raises `ValueError` unless it has `num_videos` positive entries."""
    lengths = np.atleast_1d(file.array(name)[()])
    if len(lengths) != num_videos:
        raise ValueError(f"its index has {num_videos} names of videos but {len(lengths)} {name}")
    if lengths.size and (lengths.dtype.kind not in "iu" or lengths.min() < 1):
        raise ValueError(f"its index has a video with {name} {lengths.min()}")
    return [int(length) for length in lengths]
