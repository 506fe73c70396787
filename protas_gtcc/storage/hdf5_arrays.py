"""Features in an HDF5 file of another program: its only array of two axes, or the one called `features`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.stored import StoredGroup, open_stored

WAY_OUT = "save the features again"
_KEY = "features"
_DEEPEST, _MOST_NAMES = 5, 1000
"""Groups in groups, and names that are looked at: links can lead in circles."""


def hdf5_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of `read_hdf5_array`'s array. Raises errors as that does."""
    with open_stored(path, WAY_OUT) as file:
        array = file.array(_choose(file, path))
        return array.shape, array.dtype


def read_hdf5_array(path: Path) -> np.ndarray:
    """The array, `[T, D]` or `[D, T]`.

    Raises `InputError` if it is not clear which array to read, `ValueError` for what `StoredGroup` refuses.
    """
    with open_stored(path, WAY_OUT) as file:
        return file.numbers(_choose(file, path))


def _choose(file: StoredGroup, path: Path) -> str:
    if _KEY in file and _is_array(file, _KEY):
        return _KEY
    found = list(_arrays(file))
    candidates = [name for name in found if name.rpartition("/")[2] == _KEY] or found
    if len(candidates) != 1:
        what = f"several arrays of two axes ({listed(candidates)})" if candidates else "no array of two axes"
        raise InputError(f"{path} has {what}; save one array of features, or call it {_KEY!r}")
    return candidates[0]


def _arrays(file: StoredGroup) -> Iterator[str]:
    """Names of the arrays of numbers with two axes, in all groups; MATLAB's own groups, as `#refs#`, do not count."""
    left, seen = [(file, "", 0)], 0
    while left:
        group, place, depth = left.pop()
        for name in group:
            seen += 1
            if name.startswith("#") or seen > _MOST_NAMES:
                continue
            if _is_array(group, name):
                array = group.array(name)
                if array.ndim == 2 and array.dtype.kind in "iuf":
                    yield place + name
            elif depth < _DEEPEST:
                left.append((group.group(name), f"{place}{name}/", depth + 1))


def _is_array(group: StoredGroup, name: str) -> bool:
    try:
        group.group(name)
    except ValueError:
        return True
    return False
