"""A .npy file that grows row by row, so that no whole array has to be in memory."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER_BYTES = 128
"""Of the whole header: with any number of rows it is as long, so that it can be written again at the end."""


def file_size(num_rows: int, dim: int, dtype: np.dtype) -> int:
    """Bytes of a whole file of `NpyRows`."""
    return _HEADER_BYTES + num_rows * dim * dtype.itemsize


class NpyRows:
    """An array `[T, dim]` in a file that is open for writing; `finish` writes T into the header."""

    def __init__(self, file: BinaryIO, dim: int, dtype: np.dtype):
        self.num_rows, self._file, self._dim, self._dtype = 0, file, dim, dtype
        file.write(self._header())

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows, `[n, dim]`."""
        assert rows.shape == (len(rows), self._dim)
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).data)
        self.num_rows += len(rows)

    def finish(self) -> None:
        """Write the number of rows. The file is whole then, once it is flushed."""
        self._file.seek(0)
        self._file.write(self._header())

    def _header(self) -> bytes:
        shape = f"({self.num_rows}, {self._dim})"
        text = f"{{'descr': '{self._dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
        size = _HEADER_BYTES - len(_MAGIC) - 2
        return _MAGIC + struct.pack("<H", size) + (text.ljust(size - 1) + "\n").encode()
