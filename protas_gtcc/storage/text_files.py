"""Text files and JSON files, read whole.

A final newline may be missing. Unix and Windows line ends, a byte order mark and trailing blank lines are accepted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.storage.file_kinds import TEXT, require_kind


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, without trailing blank lines. Raises `InputError` if it cannot be read."""
    try:
        require_kind(path, "UTF-8 text", (TEXT,))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check that it is there and readable") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8") from error
    text = text.rstrip()
    return text.split("\n") if text else []


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises `InputError` if it cannot be read, and for a key that comes twice in an object."""
    try:
        return json.loads("\n".join(read_lines(path)), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON that can be read ({error}); correct it") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"{twice!r} comes twice in one object")
    return found
