"""Arrays in .npy and .npz files: opening one, and reading the features of a new video."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy_format

from protas_gtcc.config import Axes
from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.file_kinds import HDF5, NPY, NPZ, SAVE, require_kind

ENDINGS = (".npy", ".npz")
"""Of the files that hold an array."""
LARGEST = 1e12
"""Of a feature. No extractor makes larger ones; a network adds and multiplies them, and must not overflow."""
UNUSABLE = "NaN, infinity or a value above 1e12"
_COMPRESSION = 200
"""Most bytes that one byte of an archive may become, above `_SMALL` bytes."""
_SMALL = 1 << 26
_KEY = "features"
"""The array that is read from a .npz file with several."""


def load_features(path: Path, feature_dim: int, axes: Axes = "auto") -> np.ndarray:
    """Features `[T, D]` for a model that takes D = `feature_dim`; with `auto`, D is the axis of that size.

    Raises `InputError` if there is no whole array of real numbers, and if no axis or both axes have that size.
    """
    features = open_array(path)
    return features if _is_time_first(path, features.shape, features.dtype, feature_dim, axes) else features.T


def require_loadable(path: Path, feature_dim: int, axes: Axes = "auto") -> None:
    """Raise `InputError` as `load_features` does, as far as the header shows."""
    _is_time_first(path, *read_header(path), feature_dim, axes)


def _is_time_first(path: Path, shape: tuple[int, ...], dtype: np.dtype, feature_dim: int, axes: Axes) -> bool:
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {dtype}; save it as real numbers")
    if len(shape) != 2:
        raise InputError(f"{path} has shape {list(shape)}; save the features of one video, [T, D]")
    if axes != "auto":
        return axes == "TD"
    fits = [size == feature_dim for size in shape]
    if all(fits):
        raise InputError(f"{path}: both axes are {feature_dim} long; give --feature-axes DT or TD")
    if not any(fits):
        raise InputError(
            f"{path} has shape {list(shape)}, the model takes [T, {feature_dim}]; "
            "extract features with the backbone that it was trained on"
        )
    return fits[1]


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


def write_npy(path: Path, array: np.ndarray) -> None:
    """Replace a .npy file in one step. Raises `InputError` as `replace_when_whole` does."""
    with replace_when_whole(path) as temporary:
        # numpy writes into a file past Python, and does not look whether the last bytes fitted on the disk.
        content = io.BytesIO()
        np.save(content, array)
        temporary.write_bytes(content.getbuffer())


def open_array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """The array in a .npy file, or in a .npz file: its only array, or the one called `features`.

    `mmap_mode` reads only the header of a .npy file at first. Raises `InputError` if the file is not whole, and if it
    is not clear which of several arrays to read.
    """
    with _reading(path):
        if not _is_archive(path):
            with open(path, "rb") as file:
                _require_values(*_read_header(file), path.stat().st_size)
            return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        with _open_member(path) as member:
            return npy_format.read_array(member, allow_pickle=False)


def read_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that `open_array` gives, without its values. Raises `InputError` as that does."""
    with _reading(path):
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


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file into `InputError`; a file of another kind is named as what it is."""
    try:
        require_kind(path, "features in .npy or .npz", (NPY, NPZ), {HDF5: SAVE})
        yield
    except FileNotFoundError:
        raise InputError(f"no feature file {path}; extract the features, or correct the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give its files, {path}/*.npy") from None
    except (InputError, PermissionError):
        raise
    except Exception as error:  # numpy, tokenize, zipfile, lzma and others each have errors of their own
        ending = ".npz" if path.suffix == ".npz" else ".npy"
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise InputError(f"{path} is not a whole {ending} file of numbers ({what}); save it again") from error
