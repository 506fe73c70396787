"""Reading HDF5 files of unknown origin: every file is opened here, and all that is in it is reached through here.

A file may only give what it holds itself. `StoredGroup` refuses, with `ValueError`:

- links that lead elsewhere, soft or external, and arrays whose values are in other files (virtual datasets, external
  storage): with them, a file would read others of this machine;
- arrays that claim more than their file can hold;
- text of variable length in damaged heaps. The library follows a heap without end where one byte of it is wrong, and
  cannot be interrupted then. So the heaps are checked before the first such text is read. The library also allocates
  and clears whatever length a text claims, up to 4 GB, before it looks for the text; so it gets no more than
  `_SPARE_MEMORY` then, where the system can limit that (Linux). We write text of fixed length, which needs no heap;
  only files of earlier versions and of other programs have any.

Reading has no time limit: a large file may take long, the library cannot be interrupted, and the heaps are all that the
fuzz target (`benchmarks/fuzz.py`) has found to be endless. It ends what takes longer than 10 s, and counts it.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import HDF5, TEXT, require_kind

LONGEST_TEXT = 1 << 16
"""Bytes of a text of variable length: names are shorter."""
_COMPRESSION = 100
"""Most bytes that one byte of a compressed array may become, above `_SMALL` bytes."""
_SMALL = 1 << 26
_HEAP = b"GCOL\x01"
_SPARE_MEMORY = 1 << 29
_MEMORY_IN_USE = Path("/proc/self/statm")


class StoredGroup:
    """A group of an open file. Names may be paths. Raises `KeyError` for what is not there."""

    def __init__(self, identity: Any, file: StoredFile | None):
        """`file` is None of the file itself: an object that holds itself would keep the file open."""
        self._id, self._of_file = identity, file

    @property
    def _file(self) -> StoredFile:
        return cast(StoredFile, self._of_file or self)

    def __contains__(self, name: str) -> bool:
        try:
            self._require_plain(name.encode())
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode() for name in self._id])

    @property
    def of(self) -> str:
        """` of /its/name`, for messages; nothing for the top group."""
        name = h5py.h5i.get_name(self._id).decode()
        return "" if name == "/" else f" of {name}"

    def group(self, name: str) -> StoredGroup:
        """The group of this name."""
        found = self._open(name)
        if not isinstance(found, h5py.h5g.GroupID):
            raise ValueError(f"{name} should be a group, but is none")
        return StoredGroup(found, self._file)

    def array(self, name: str) -> h5py.Dataset:
        """The array of this name, not yet read."""
        return h5py.Dataset(self._own_array(name), readonly=True)

    def numbers(self, name: str) -> np.ndarray:
        """The values of an array of numbers, without h5py's slices, which take longer than a few kilobytes."""
        array = self._own_array(name)
        values = np.empty(array.shape, array.dtype)
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{name} should be numbers, but are {values.dtype}")
        array.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def has_attribute(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        return bool(h5py.h5a.exists(self._id, name.encode()))

    def attribute(self, name: str) -> Any:
        """The value of an attribute: a text, a list of texts, a number or an array of numbers."""
        found = h5py.h5a.open(self._id, name.encode())
        self._require_readable(found.dtype, name)
        if math.prod(found.shape) * found.get_type().get_size() > self._file.size:
            raise ValueError(f"{name} is larger than the file")
        values = np.empty(found.shape, found.dtype)
        with _memory_limited(found.dtype):
            found.read(values)
        return _plain(values[()])

    def texts(self, name: str) -> list[str]:
        """The texts of an array `[N]`."""
        array = self.array(name)
        if h5py.check_string_dtype(array.dtype) is None or array.ndim != 1:
            raise ValueError(f"{name} should be a list of texts, but is {list(array.shape)} of {array.dtype}")
        self._require_readable(array.dtype, name)
        found, num_bytes = list[str](), 0
        for start in range(0, len(array), 1000):
            with _memory_limited(array.dtype):
                part = _plain(array[start : start + 1000])
            found += part
            num_bytes += sum(map(len, part))
            if num_bytes > max(_SMALL, self._file.size):  # texts of variable length can share one place
                raise ValueError(f"the texts of {name} are longer than the file")
        return found

    def _own_array(self, name: str) -> h5py.h5d.DatasetID:
        """The array, whose values are in this file, and no more than it can hold."""
        found = self._open(name)
        if not isinstance(found, h5py.h5d.DatasetID):
            raise ValueError(f"{name} should be an array, but is none")
        created, num_bytes = found.get_create_plist(), math.prod(found.shape) * found.get_type().get_size()
        if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
            raise ValueError(f"the values of {name} are in other files")
        size = self._file.size
        if num_bytes > (max(_SMALL, _COMPRESSION * size) if created.get_nfilters() else size):
            raise ValueError(f"{name} should have {num_bytes} bytes, more than the file can hold, {list(found.shape)}")
        return found

    def _open(self, name: str) -> Any:
        path = name.encode()
        self._require_plain(path)
        return h5py.h5o.open(self._id, path)

    def _require_plain(self, path: bytes) -> None:
        """Raise `ValueError` if there is a link on the way."""
        links, end = self._id.links, 0
        while end >= 0:
            end = path.find(b"/", end + 1)
            part = path if end < 0 else path[:end]
            try:
                kind = links.get_info(part).type
            except RuntimeError:
                if links.exists(part):
                    raise
                raise KeyError(f"{part.decode()} is not there") from None
            if kind != h5py.h5l.TYPE_HARD:
                raise ValueError(f"{part.decode()} is a link to elsewhere, which is not followed")

    def _require_readable(self, dtype: np.dtype, name: str) -> None:
        text = h5py.check_string_dtype(dtype)
        if text is None and dtype.kind not in "biuf":
            raise ValueError(f"{name} is {dtype}, which is not read")
        if text is not None and text.length is None:
            self._file.require_sound_heaps()


class StoredFile(StoredGroup, AbstractContextManager["StoredFile"]):
    """An open file, and its top group."""

    def __init__(self, path: Path):
        self._handle = h5py.File(path, "r")
        super().__init__(h5py.h5g.open(self._handle.id, b"/"), None)
        self.path, self.size = path, os.path.getsize(path)
        self._heaps_are_sound = False

    def require_sound_heaps(self) -> None:
        """Raise `ValueError` for a heap that is damaged, or whose numbers have another size than usual."""
        if self._heaps_are_sound:
            return
        if self._handle.id.get_create_plist().get_sizes() != (8, 8):
            raise ValueError("its addresses do not have 8 bytes")
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.find(_HEAP)
            while start >= 0:
                _check_heap(content, start)
                start = content.find(_HEAP, start + 1)
        self._heaps_are_sound = True

    def limit_cache(self, most_bytes: int) -> None:
        """Let HDF5 keep so many bytes of the file's own index in memory; it forgets those that were used least."""
        config = self._handle.id.get_mdc_config()
        config.set_initial_size, config.initial_size, config.max_size = True, most_bytes, most_bytes
        config.min_size = min(config.min_size, most_bytes)
        self._handle.id.set_mdc_config(config)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class OwnFile(StoredFile):
    """A file that we are writing, read as the others are."""

    def __init__(self, file: Any):
        StoredGroup.__init__(self, h5py.h5g.open(file.id, b"/"), None)
        self.size, self._heaps_are_sound = sys.maxsize, True


def open_stored(path: Path, way_out: str) -> StoredFile:
    """Open an HDF5 file for reading. Raises `InputError`, which ends in `way_out`, if it is not whole.

    Raises `OSError` if it may not be read.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file; {way_out}")
    try:
        return StoredFile(path)
    except Exception as error:  # the library's errors are of many kinds
        require_kind(path, HDF5, (HDF5,), {TEXT: way_out})
        raise InputError(f"{path} is not a whole HDF5 file ({error}); {way_out}") from error


def require_no_links(file: Any) -> None:
    """Raise `ValueError` for a link to elsewhere in a file (its identity in h5py), before anything is written there."""

    def found(name: bytes, info: Any) -> bytes | None:
        return None if info.type == h5py.h5l.TYPE_HARD else name  # a name ends the visit

    link = file.links.visit(found, info=True)
    if link is not None:
        raise ValueError(f"{link.decode(errors='replace')} is a link to elsewhere, which is not followed")


@contextmanager
def _memory_limited(dtype: np.dtype) -> Iterator[None]:
    """Let the library allocate little while it reads text of variable length. The limit is that of the process."""
    text = h5py.check_string_dtype(dtype)
    if text is None or text.length is not None or not _MEMORY_IN_USE.exists():
        yield
        return
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    at_most = int(_MEMORY_IN_USE.read_text().split()[0]) * mmap.PAGESIZE + _SPARE_MEMORY
    if soft == resource.RLIM_INFINITY or at_most < soft:
        resource.setrlimit(resource.RLIMIT_AS, (at_most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _check_heap(content: mmap.mmap, start: int) -> None:
    """A heap is a row of objects: number, count of uses, size, content; number 0 is the free rest."""
    if start + 16 > len(content):
        return
    end, at = start + struct.unpack_from("<Q", content, start + 8)[0], start + 16
    if end > len(content):
        return  # no heap, or one that the library refuses: it ends behind the file
    while at + 16 <= end:
        number, size = struct.unpack_from("<H6xQ", content, at)
        step = size if number == 0 else 16 + -(-size // 8) * 8
        if step < 16 or at + step > end or (number and size > LONGEST_TEXT):
            raise ValueError(f"its texts are damaged (heap at byte {start}, object at byte {at})")
        at += step


def _plain(value: Any) -> Any:
    """Texts as `str`, whatever their length in the file; numbers as they are."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [one.decode() if isinstance(one, bytes) else str(one) for one in value.ravel().tolist()]
    return value
