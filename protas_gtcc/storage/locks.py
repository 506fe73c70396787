"""One writer at a time, across processes and, where the file system has locks, across machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protas_gtcc.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


class BeingWrittenError(InputError):
    """Another process writes the file."""


@contextmanager
def only_writer(path: Path, wait: bool) -> Iterator[None]:
    """Hold the lock of `path`, a hidden file beside it, until the block ends or the process dies.

    If another process holds it, waits for its end, or without `wait` raises `BeingWrittenError`. Without a file system
    that has locks, and in a folder that cannot be written to, nothing is locked.
    """
    file = path.with_name(f".{path.name}.lock")
    descriptor = _lock(path, file, wait)
    try:
        yield
    finally:
        if descriptor is not None:
            file.unlink(missing_ok=True)  # while it is locked: whoever opened it finds that it is gone, and starts anew
            os.close(descriptor)


def _lock(path: Path, file: Path, wait: bool) -> int | None:
    while fcntl is not None:
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None  # what the block writes there will fail, and says why
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_file(descriptor, file):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            what = f"another process is writing {path}"
            raise BeingWrittenError(f"{what}; wait for its end, or give another path") from None
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)
    return None


def _is_file(descriptor: int, file: Path) -> bool:
    """Whether the lock is of the file that has this name now: its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
