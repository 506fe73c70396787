"""A file that lines are appended to: all of a line, or nothing of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from protas_gtcc.errors import InputError


class LineFile:
    """Appends to a file, each `write` at once. Raises `InputError` if the disk refuses, and then removes the part."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._refused(error, "give another path") from error

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def write(self, lines: str) -> None:
        """Append whole lines."""
        left, end = lines.encode(), os.fstat(self._descriptor).st_size
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            with suppress(OSError):  # a pipe or a device, which has no end to go back to
                os.ftruncate(self._descriptor, end)
            raise self._refused(error, "free space, or give another path (the lines before are whole)") from error

    def flush(self) -> None:
        """Nothing waits."""

    def _refused(self, error: OSError, way_out: str) -> InputError:
        return InputError(f"cannot write {self._path}: {error.strerror}; {way_out}")
