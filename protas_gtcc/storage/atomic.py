"""Writing files: an interrupted command leaves the old file or the new one, never half of one."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.file_kinds import require_regular

ENTRIES_A_WRITE = 16
"""Entries of a folder that a file written there pays for: many files in one folder would else take squared time."""
SECONDS_KEPT = 86_400.0
"""A left-over of another machine is removed after a day without a change: nothing here shows whether its process lives.
"""


@contextmanager
def replace_when_whole(path: Path | str, exclusive: bool = False) -> Iterator[Path]:
    """Yield a temporary file beside `path`, empty; on success it is renamed to `path`, on any failure it is removed,
    and so are folders that were made for it.

    Its name is random and it is created exclusively, so that no two processes write one file, on whatever machine they
    are, and no link is followed. Temporary files that killed processes left in the folder are removed too. Raises
    `InputError` if the disk is full, the folder cannot be written or `path` is a pipe or a device; the old file at
    `path` then stays. With `exclusive`, raises `FileExistsError` if there is a file at `path` in the end, and leaves
    it.
    """
    path = Path(path)
    with suppress(OSError):  # there is none yet, or the folder says what is wrong
        require_regular(path)  # a device would be replaced by a file
    # A name may be as long as the file system allows: a part of it is enough.
    temporary = path.with_name(f".{path.name[:40]}.{_machine()}.{os.getpid()}.{secrets.token_hex(8)}.part")
    try:
        with folder_of(path), _removed(temporary):
            _look_for_left_over(path.parent)
            _create(temporary)
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            if not (exclusive and _linked(temporary, path)):
                os.replace(temporary, path)
    except _Taken:
        raise FileExistsError(path) from None
    except OSError as error:
        reason, untouched = error.strerror or str(error), "what was there before is untouched"
        if error.filename is not None and Path(error.filename) not in (path, temporary, *path.parents):
            # The block failed to read another file.
            way_out = f"remove the cause, and repeat the command ({path} was not written, {untouched})"
            raise InputError(f"{error.filename}: {reason}; {way_out}") from error
        way_out = f"remove the cause, or change the path ({untouched})"
        raise InputError(f"cannot write {path}: {reason}; {way_out}") from error


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Make the folders of `path`, and remove them if they are empty in the end. Raises `OSError` if it cannot."""
    new_folders = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in new_folders:
            with suppress(OSError):  # it holds the file now, or something of another process, or was never made
                folder.rmdir()


def require_absent(paths: Iterable[Path], overwrite: bool) -> None:
    """Raise `InputError`, naming the files, if any of them exists and `overwrite` is off."""
    found = [path for path in paths if path.exists()]
    if found and not overwrite:
        raise InputError(f"{listed(found)} would be replaced; give another name, or --overwrite")


def write_text(path: Path | str, text: str, exclusive: bool = False) -> None:
    """Replace the text file at `path` in one step. Raises as `replace_when_whole` does."""
    with replace_when_whole(path, exclusive) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


class _Taken(Exception):
    """Another process has made the file meanwhile."""


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _linked(temporary: Path, path: Path) -> bool:
    """Give a file another name, if there is no file of that name; without hard links, just take the name, empty."""
    try:
        with suppress(OSError):
            os.link(temporary, path)
            return True
        _create(path)
        return False
    except FileExistsError:
        raise _Taken from None


@dataclass
class _Looks:
    """How many files are to be written into a folder before this process looks for left-overs there again."""

    writes_left: int = 0


@functools.lru_cache(maxsize=1024)
def _looks(folder: Path, process: int) -> _Looks:
    return _Looks()


def _look_for_left_over(folder: Path) -> None:
    """`remove_left_over` in a small folder at each write; in a large one, now and then."""
    looks = _looks(folder.absolute(), os.getpid())
    looks.writes_left -= 1
    if looks.writes_left <= 0:
        looks.writes_left = remove_left_over(folder) // ENTRIES_A_WRITE


def remove_left_over(folder: Path) -> int:
    """Remove temporary files whose process is dead, and those of other machines that are old.

    Returns the number of entries of the folder. Raises `OSError` if it cannot be listed.
    """
    names = os.listdir(folder)
    temporary = re.compile(r"\..*\.([0-9a-f]{8})\.(\d+)\.[0-9a-f]{16}\.part", re.DOTALL)
    for name in names:
        found = temporary.fullmatch(name)
        if found:
            with suppress(OSError):  # another user's, or removed meanwhile
                own = found[1] == _machine()
                age = time.time() - (folder / name).lstat().st_mtime
                if age > SECONDS_KEPT or (own and not _is_alive(int(found[2]))):
                    (folder / name).unlink()
    return len(names)


@functools.cache
def _machine() -> str:
    """Eight digits that differ wherever a process id may mean another process: machines, their boots, containers."""
    parts = [platform.node()]
    with suppress(OSError):  # Linux has both
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), str(os.stat("/proc/self/ns/pid").st_ino)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only tests whether the process exists
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True
