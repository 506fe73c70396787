"""Features in a Zarr array (https://zarr-specs.readthedocs.io): `VIDEO.zarr`, a folder or a ZIP file of one.

Versions 2 and 3 are read, with zarr-python (extra `[zarr]`). Of a group, it is the array called `features`, or the only
one. A chunk that is not there counts as zeros in Zarr, so half a copy looks whole. So an array that lacks chunks is
refused, and one that claims more than its files can hold. Only codecs that are known to run no code are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, lacks_package, listed

ENDING = ".zarr"
CODECS = frozenset(
    (
        *("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"),
        *("bytes", "crc32c", "delta", "fixedscaleoffset", "sharding_indexed", "shuffle", "transpose"),
    )
)
"""Others, such as pickle, could run code of the file."""
_KEY = "features"
_SMALL, _COMPRESSION = 1 << 26, 100
"""Bytes that any array may have, and bytes that one byte on the disk may become."""


def is_zarr(path: Path) -> bool:
    """Whether the path is named as one."""
    return path.suffix == ENDING


def zarr_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array. Raises errors as `read_zarr` does."""
    with _opened(path) as array:
        return tuple(array.shape), np.dtype(array.dtype)


def read_zarr(path: Path) -> np.ndarray:
    """The array, `[T, D]` or `[D, T]`.

    Raises `InputError` if it is not clear which array to read, if chunks or the package zarr are missing, and for what
    could run code; zarr's own errors for files that are damaged.
    """
    with _opened(path) as array:
        return np.asarray(array[...])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import zarr
        from zarr.storage import LocalStore, ZipStore
    except ImportError as error:
        raise lacks_package(f"reading {path}", error, "zarr") from error
    store = LocalStore(path, read_only=True) if path.is_dir() else ZipStore(path, mode="r")
    try:
        try:
            node = zarr.open(store, mode="r")
        except FileNotFoundError as error:
            raise ValueError("it has neither an array nor a group") from error
        array = _choose(node, path, zarr.Array)
        _require_known_codecs(array, path)
        _require_whole(array, path)
        yield array
    finally:
        store.close()


def _choose(node: Any, path: Path, array_type: type) -> Any:
    if isinstance(node, array_type):
        return node
    arrays = dict(node.arrays())
    if _KEY in arrays or len(arrays) == 1:
        return arrays.get(_KEY) or next(iter(arrays.values()))
    raise InputError(f"{path} has the arrays {listed(sorted(arrays))}; save one array of features, or call it {_KEY!r}")


def _require_known_codecs(array: Any, path: Path) -> None:
    unknown = sorted(set(_codecs(array.metadata.to_dict())) - CODECS)
    if unknown:
        raise InputError(f"{path} is stored with {listed(unknown)}, which is not read; save it with zstd, or as .npy")


def _codecs(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Names of all codecs, those inside of others included: version 3 has `name`, version 2 `id`."""
    for part in ("codecs", "index_codecs", "filters", "compressor", "compressors", "serializer"):
        found = metadata.get(part) or ()
        for one in [found] if isinstance(found, Mapping) else found:
            described: Mapping[str, Any] = one if isinstance(one, Mapping) else {"name": str(one)}
            yield str(described.get("name", described.get("id", "")))
            inner = described.get("configuration")
            yield from _codecs(inner if isinstance(inner, Mapping) else {})


def _require_whole(array: Any, path: Path) -> None:
    num_bytes = math.prod(array.shape) * np.dtype(array.dtype).itemsize
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    held = sum(one.stat().st_size for one in files)
    if num_bytes > max(_SMALL, _COMPRESSION * held):
        raise InputError(f"{path} should have {num_bytes} bytes, more than its files can hold; save it again")
    missing = int(array.nchunks) - int(array.nchunks_initialized)
    if missing > 0:
        way_out = "copy it again, or save it with write_empty_chunks"
        raise InputError(f"{path} lacks {missing} of {array.nchunks} chunks, which may be half a copy; {way_out}")
