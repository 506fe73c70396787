"""One writer at a time, across processes and, where the file system has locks, across machines."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import folder_of

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

SILENT_SECONDS = 1.0
"""Of a wait, after which a line says what is waited for."""
_LOG = logging.getLogger(__name__)


class BeingWrittenError(InputError):
    """Another process writes the file."""


@contextmanager
def only_writer(path: Path, wait: bool) -> Iterator[int | None]:
    """Hold the lock of `path`, a hidden file beside it, until the block ends or the process dies.

    Yields its descriptor, None where nothing is locked; a process that inherits it holds the lock as well.

    If another process holds it, waits for its end, or without `wait` raises `BeingWrittenError`. Raises `InputError` if
    the lock's file cannot be opened. Without a file system that has locks, and in a folder that cannot be written to,
    nothing is locked.
    """
    file = path.with_name(f".{path.name}.lock")
    with ExitStack() as folder:
        with suppress(OSError):
            folder.enter_context(folder_of(path))
        descriptor = _lock(path, file, wait)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                with suppress(OSError):  # another user's, in a folder where each may remove only his own
                    file.unlink()  # while it is locked: whoever opened it finds that it is gone, and starts anew
                os.close(descriptor)


def _lock(path: Path, file: Path, wait: bool) -> int | None:
    while fcntl is not None and (descriptor := _open(file)) is not None:
        try:
            _take(descriptor, path, wait)
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


def _open(file: Path) -> int | None:
    """The lock's file, open; None where it cannot be made: what is written there will fail, and says why.

    Another user's may only be read, which is enough. No link is followed.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with suppress(FileNotFoundError):
            return os.open(file, flags | os.O_RDWR | os.O_CREAT, 0o666)
        file.parent.mkdir(parents=True, exist_ok=True)  # the process that had the lock has removed the folder it made
        return _open(file)
    except OSError as error:
        if error.errno != errno.ELOOP and not os.path.lexists(file):
            return None
    try:
        return os.open(file, flags | os.O_RDONLY)
    except OSError as error:
        way_out = "remove it if no other process writes, or give another path"
        raise InputError(f"{file} cannot be locked: {error.strerror}; {way_out}") from error


def _take(descriptor: int, path: Path, wait: bool) -> None:
    """Lock the file. Raises `BlockingIOError` if another process has it, and `wait` is off."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise
        notice = threading.Timer(SILENT_SECONDS, _LOG.warning, ["waiting for another process, which writes %s", path])
        notice.start()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            notice.cancel()


def _is_file(descriptor: int, file: Path) -> bool:
    """Whether the lock is of the file that has this name now: its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
