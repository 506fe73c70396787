"""The array of features in a MATLAB file: its only array of two axes, or the one called `features`.

Files of version 5 are read by scipy, those of version 7.3 are HDF5. No objects or functions are made of what is in
them. A compressed part that would become far more than it is, is refused before scipy reads it.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.hdf5_arrays import hdf5_header, read_hdf5_array

_KEY = "features"
_HEADER_BYTES, _COMPRESSED = 128, 15
_COMPRESSION = 200
"""Most bytes that one byte of a compressed part may become, above `_SMALL` bytes."""
_SMALL = 1 << 26
_NUMBERS = ("double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_DTYPES = {"double": np.float64, "single": np.float32}


def mat_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of `read_mat`'s array. Raises errors as that does."""
    if _is_hdf5(path):
        shape, dtype = hdf5_header(path)
        return shape[::-1], dtype
    _, shape, kind = _choose(path)
    return shape, np.dtype(_DTYPES.get(kind, kind))


def read_mat(path: Path) -> np.ndarray:
    """The array, with its axes as in MATLAB.

    Raises `InputError` if it is not clear which array to read, and errors of many kinds for a damaged file.
    """
    if _is_hdf5(path):
        return read_hdf5_array(path).T  # MATLAB stores columns
    from scipy.io import loadmat

    name, shape, _ = _choose(path)
    array: Any = loadmat(path, variable_names=[name])[name]
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f"{name} is not {list(shape)}, as its header says")
    return array


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(10) == b"MATLAB 7.3"


def _choose(path: Path) -> tuple[str, tuple[int, ...], str]:
    """Name, shape and class of the array to read."""
    from scipy.io import whosmat

    _require_no_bomb(path)
    found = [(name, tuple(map(int, shape)), kind) for name, shape, kind in whosmat(path)]
    arrays = [one for one in found if len(one[1]) == 2 and one[2] in _NUMBERS]
    named = [one for one in arrays if one[0] == _KEY]
    candidates = named or [one for one in arrays if min(one[1]) > 1] or arrays
    if len(candidates) != 1:
        names = listed(f"{name} {list(shape)}" for name, shape, _ in candidates or found)
        what = "several arrays" if candidates else "no array of two axes"
        raise InputError(f"{path} has {what} ({names}); save one matrix, or call it {_KEY!r}")
    size = path.stat().st_size
    if 8 * math.prod(candidates[0][1]) > max(_SMALL, _COMPRESSION * size):
        raise ValueError(f"{candidates[0][0]} claims {list(candidates[0][1])}, and the file has {size} bytes")
    return candidates[0]


def _require_no_bomb(path: Path) -> None:
    """Raise `ValueError` for a compressed part that would become too large."""
    content = path.read_bytes()
    order = "<" if content[126:128] == b"IM" else ">"
    at = _HEADER_BYTES
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        if kind == _COMPRESSED:
            unpacked = _unpacked_size(content[at + 8 : at + 8 + size], max(_SMALL, _COMPRESSION * size))
            if unpacked is None:
                raise ValueError(f"{size} bytes would become more than {max(_SMALL, _COMPRESSION * size)}")
        at += 8 + size


def _unpacked_size(packed: bytes, most: int) -> int | None:
    """How many bytes these become; None if that is more than `most`."""
    unpack, total = zlib.decompressobj(), 0
    while packed:
        total += len(unpack.decompress(packed, 1 << 20))
        if total > most:
            return None
        packed = unpack.unconsumed_tail
    return total
