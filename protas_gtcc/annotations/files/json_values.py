"""Values in JSON files, checked: what a file lacks or has in another form is named with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "text"}


def an_object(value: Any, where: str) -> dict[str, Any]:
    """The value, if it is an object. Raises `InputError` for anything else."""
    return _of_kind(value, dict, where)


def a_list(value: Any, where: str) -> list[Any]:
    """The value, if it is a list. Raises `InputError` for anything else."""
    return _of_kind(value, list, where)


def text(value: Any, where: str) -> str:
    """The value, if it is text. Raises `InputError` for anything else."""
    return _of_kind(value, str, where)


def a_frame(value: Any, where: str) -> int:
    """The value, if it is the number of a frame. Raises `InputError` for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise InputError(f"{where}: {value!r} is no frame; expected a whole number from 0")
    return value


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step. Raises `InputError` if it cannot be written."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _of_kind(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{where}: expected {_KINDS[kind]}, came {str(value)[:60]!r}; export the file again")
    return value
