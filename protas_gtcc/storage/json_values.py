"""Values in JSON files, checked: what a file lacks or has in another form is named with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError, listed
from protas_gtcc.storage.atomic import write_text

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
_WAY_OUT = "correct the JSON, or export it again"


def json_field(entry: Any, key: str, kind: type, where: object) -> Any:
    """What an object has by this key, of a kind: dict, list or str. Raises `InputError`, which begins with `where`."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind):
        came = repr(value)[:80] if isinstance(entry, dict) else f"{type(entry).__name__} in place of its object"
        raise InputError(f"{where}: expected {key!r} as {_KINDS[kind]}, came {came}; {_WAY_OUT}")
    return value


def an_object(value: Any, where: object) -> dict[str, Any]:
    """The value, if it is an object. Raises `InputError` for anything else."""
    return _of_kind(value, dict, where)


def a_list(value: Any, where: object) -> list[Any]:
    """The value, if it is a list. Raises `InputError` for anything else."""
    return _of_kind(value, list, where)


def text(value: Any, where: object) -> str:
    """The value, if it is text. Raises `InputError` for anything else."""
    return _of_kind(value, str, where)


def a_whole(value: Any, where: object) -> int:
    """The value, if it is a whole number from 0: that of a frame, or an id. Raises `InputError` for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise InputError(f"{where}: {repr(value)[:60]} is no whole number; expected one from 0")
    return value


def names_by_id(ids: Mapping[str, Any], where: object) -> dict[int, str]:
    """Of names and their ids, as JSON has them, the names by id, in the order of the ids. Raises `InputError`."""
    try:
        return dict(sorted((int(label), " ".join(name.split())) for name, label in ids.items()))
    except (AttributeError, TypeError, ValueError, OverflowError):
        came = listed(map(repr, ids.values()))
        raise InputError(f"{where}: expected whole numbers as ids, came {came}; {_WAY_OUT}") from None


def one_line(value: object, nothing: Collection[str] = ()) -> str:
    """A value as one line; "" for null and for what stands for `nothing`, in lower case."""
    line = "" if value is None else " ".join(str(value).split())
    return "" if line.casefold() in nothing else line


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step. Raises `InputError` if it cannot be written."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _of_kind(value: Any, kind: type, where: object) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{where}: expected {_KINDS[kind]}, came {repr(value)[:60]}; {_WAY_OUT}")
    return value
