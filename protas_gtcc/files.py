"""Writing files so that an interrupted command leaves the old file or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from protas_gtcc.errors import InputError


@contextmanager
def replace_when_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the name `path`, on any failure it is removed.

    Raises `InputError` when the disk is full or the folder cannot be written; whatever stood at `path` survives.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path}: {reason}; what was there before is untouched") from error
    finally:
        with suppress(NotADirectoryError):  # a file where the folder should be: nothing was written
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Replace the text file at `path` in one step."""
    with replace_when_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
