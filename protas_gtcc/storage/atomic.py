"""Writing files: an interrupted command leaves the old file or the new one, never half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from protas_gtcc.errors import InputError


@contextmanager
def replace_when_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on any failure it is removed, and
    so are folders that were made for it.

    Temporary files that killed processes left for the same target are removed too. Raises `InputError` if the disk is
    full or the folder cannot be written; the old file at `path` then stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    new_folders: list[Path] = []
    try:
        new_folders = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason, untouched = error.strerror or str(error), "what was there before is untouched"
        if error.filename is not None and Path(error.filename) not in (path, temporary, *path.parents):
            # The block failed to read another file.
            way_out = f"remove the cause, and repeat the command ({path} was not written, {untouched})"
            raise InputError(f"{error.filename}: {reason}; {way_out}") from error
        way_out = f"remove the cause, or change the path ({untouched})"
        raise InputError(f"cannot write {path}: {reason}; {way_out}") from error
    finally:
        with suppress(NotADirectoryError):  # a file where the folder should be: nothing was written
            temporary.unlink(missing_ok=True)
        for folder in new_folders:
            with suppress(OSError):  # it holds the file now, or something of another process, or was never made
                folder.rmdir()


def write_text(path: Path | str, text: str) -> None:
    """Replace the text file at `path` in one step. Raises `InputError` as `replace_when_whole` does."""
    with replace_when_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _remove_left_over(path: Path) -> None:
    # The name has the process id, so that the file of a process that still writes is kept.
    temporary = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.part")
    for name in os.listdir(path.parent):
        found = temporary.fullmatch(name)
        if found and not _is_alive(int(found[1])):
            with suppress(OSError):  # another user's, or removed meanwhile
                (path.parent / name).unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only tests whether the process exists
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True
