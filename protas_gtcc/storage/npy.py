"""Arrays in .npy and .npz files, and which of their values are usable."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy_format

from protas_gtcc.errors import InputError, listed

LARGEST = 1e12
"""Of a feature. No extractor makes larger ones; a network adds and multiplies them, and must not overflow."""
UNUSABLE = "NaN, infinity or a value above 1e12"
_COMPRESSION = 200
"""Most bytes that one byte of an archive may become, above `_SMALL` bytes."""
_SMALL = 1 << 26
_KEY = "features"
"""The array that is read from a .npz file with several."""


def first_unusable(features: np.ndarray) -> int | None:
    """The first frame of features `[T, D]` that is not usable; None if all are."""
    with np.errstate(invalid="ignore"):  # of some kinds of NaN
        if features.dtype != np.float16 and features.size and features.min() >= -LARGEST and features.max() <= LARGEST:
            return None  # without arrays as large as the features
    usable = usable_frames(features)
    return None if usable.all() else int(np.argmin(usable))


def usable_frames(features: np.ndarray) -> np.ndarray:
    """Which frames of features `[T, D]` have no NaN, no infinity and no value above `LARGEST`, bool `[T]`."""
    with np.errstate(invalid="ignore"):  # of some kinds of NaN
        return np.abs(features).max(axis=1, initial=0).astype(np.float64) <= LARGEST  # False for NaN


def read_npy(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """The array in a .npy file, or in a .npz file: its only array, or the one called `features`.

    `mmap_mode` reads only the header of a .npy file at first. Raises `InputError` if it is not clear which of several
    arrays to read, and errors of many kinds if the file is not whole.
    """
    if not _is_archive(path):
        with open(path, "rb") as file:
            _require_values(*_read_header(file), path.stat().st_size)
        array: np.ndarray = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        return array
    with _open_member(path) as member:
        return npy_format.read_array(member, allow_pickle=False)


def read_npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that `read_npy` gives, without its values. Raises errors as that does."""
    if not _is_archive(path):
        with open(path, "rb") as file:
            shape, dtype = _read_header(file)
        _require_values(shape, dtype, path.stat().st_size)
        return shape, dtype
    with _open_member(path) as member:
        return _read_header(member)


def _read_header(stream: Any) -> tuple[tuple[int, ...], np.dtype]:
    is_first = npy_format.read_magic(stream) == (1, 0)
    read = npy_format.read_array_header_1_0 if is_first else npy_format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a header is a Python literal, and Python warns of damaged ones
        shape, _, dtype = read(stream)
    return shape, dtype


def _require_values(shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    """Raise `ValueError` if the values need more bytes than there are: numpy would reserve the memory first."""
    needed = math.prod(shape) * dtype.itemsize
    if needed > size or min(shape, default=0) < 0:
        raise ValueError(f"its header claims {list(shape)} of {dtype}, {needed} bytes, and it has {size}")


def _is_archive(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


@contextmanager
def _open_member(path: Path) -> Iterator[IO[bytes]]:
    """The array to read of a .npz file, as a stream in .npy format."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if not names:
            raise InputError(f"{path} is an empty archive; save the features again")
        if len(names) != 1 and _KEY not in names:
            what = f"is an archive of several arrays ({listed(names)})"
            raise InputError(f"{path} {what}; save one array, or call it {_KEY!r}")
        name = f"{_KEY if _KEY in names else names[0]}.npy"
        found = archive.getinfo(name)
        if found.file_size > max(_SMALL, _COMPRESSION * found.compress_size):
            raise ValueError(f"{found.compress_size} bytes would become {found.file_size}")
        with archive.open(name) as header:
            _require_values(*_read_header(header), found.file_size)
        with archive.open(name) as member:
            yield member
