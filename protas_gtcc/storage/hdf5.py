"""HDF5 with readable errors, also for a full disk, and fast reading of many small arrays.

The HDF5 library keeps bytes that it could not write and tries again at every close. h5py then prints tracebacks, and
the process dies of a segmentation fault. So the bytes go through a Python file that raises the first failure and
ignores all later writes: the file is lost anyway, and `atomic.replace_when_whole` removes it. Signals wait while a file
is opened or closed: their exception, in a write that HDF5 has asked for, would be such a failure.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.signals import signals_wait
from protas_gtcc.storage.stored import require_no_links


@contextmanager
def hdf5_file(path: Path, mode: Literal["w", "r+"]) -> Iterator[Any]:
    """Open a new ("w") or an existing ("r+") HDF5 file for writing. Raises `OSError` if the disk refuses."""
    with _FailsOnce(path, "w+" if mode == "w" else "r+") as stored:
        try:
            with _opened(stored, mode) as file:
                try:
                    yield file
                    file.flush()
                except BaseException:
                    stored.given_up = True  # a close whose own write fails leaves it open, and the process dies of it
                    raise
        except Exception:
            # h5py raises the library's error; the reason is the disk's, below.
            if stored.failure is None:
                raise
        if stored.failure is not None:
            raise stored.failure


@contextmanager
def _opened(stored: _FailsOnce, mode: str) -> Iterator[Any]:
    file = None
    try:
        with signals_wait():
            file = h5py.File(stored, mode)
        yield file
    finally:
        with signals_wait():
            if file is not None:
                file.close()


@contextmanager
def changed_copy(path: Path) -> Iterator[Any]:
    """A copy of the HDF5 file at `path`, open for changes, which takes its name when the block ends well.

    Hold its lock (`locks.only_writer`) from before it was first read. Raises `InputError` as `replace_when_whole` does,
    and if a program that does not know the lock has changed the file meanwhile.
    """
    with replace_when_whole(path) as temporary:
        copied = _stamp(path)
        shutil.copyfile(path, temporary)
        with hdf5_file(temporary, "r+") as file:
            with named_if_damaged(path):
                require_no_links(file.id)
            yield file
        if _stamp(path) != copied:
            raise InputError(f"{path} was changed by another process meanwhile and keeps that change; try again")


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written to or replaced."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def named_if_damaged(path: Path, what: str = "", way_out: str = "prepare it again") -> Iterator[None]:
    """Turn an error of HDF5 or of a check inside into one `InputError`: the file, what was read, the way out."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # h5py passes on errors of many kinds
        # str() of a KeyError puts its message in quotes.
        message = " ".join(str(error.args[0] if error.args else error).split())
        where = f"{what}: {message}" if what else message
        raise InputError(f"{path} is damaged: {where}; {way_out}") from error


def require_array(array: h5py.Dataset, expected: tuple[int, ...], name: str) -> None:
    """Raise `ValueError` unless a stored array holds numbers and has the shape that the file's header expects."""
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} should be numbers, but are {array.dtype}")
    if array.shape != expected:
        raise ValueError(f"{name} should be {list(expected)}, by the header, but is {list(array.shape)}")


class _FailsOnce(io.FileIO):
    """A file that raises its first failed write, and ignores all later writes and all that follow its end.

    It also ignores what is written after it is `given_up`.

    A signal just before `_opened` closes the HDF5 file leaves that to h5py's own clean-up, after this file is closed.
    """

    failure: BaseException | None = None
    given_up = False

    @property
    def lost(self) -> bool:
        return self.closed or self.given_up or self.failure is not None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return 0 if self.closed else super().seek(offset, whence)

    def flush(self) -> None:
        if not self.closed:
            super().flush()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        try:
            while not self.lost and written < len(view):
                written += super().write(view[written:])
        except BaseException as failure:
            self.failure = failure
            raise
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, with zeros beyond the end."""
        view = memoryview(buffer).cast("B")
        count = 0
        while not self.closed and count < len(view) and (more := super().readinto(view[count:])):
            count += more
        view[count:] = bytes(len(view) - count)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        return size or 0 if self.lost else super().truncate(size)
