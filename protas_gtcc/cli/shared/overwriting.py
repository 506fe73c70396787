"""One rule for commands that write: what exists is replaced with `--overwrite` only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from protas_gtcc.errors import InputError, listed


def require_absent(paths: Iterable[Path], overwrite: bool) -> None:
    """Raise `InputError`, naming the files, if any of them exists and `overwrite` is off."""
    found = [path for path in paths if path.exists()]
    if found and not overwrite:
        raise InputError(f"{listed(found)} would be replaced; give another name, or --overwrite")
