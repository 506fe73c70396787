"""Text files: JSON, and those of the MS-TCN family: ground truth and lists of videos.

A final newline may be missing. Unix and Windows line ends, a byte order mark and trailing blank lines are accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.names import find_name
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


_KINDS: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


def json_field(entry: Any, key: str, kind: type, where: object) -> Any:
    """What an object of a JSON file has by this key. Raises `InputError`, which begins with `where`, if it has none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        came = repr(value)[:80] if isinstance(entry, dict) else f"{type(entry).__name__} in place of its object"
        raise InputError(f"{where}: expected {key!r} as {_KINDS[kind]}, came {came}; correct the JSON")
    return value


def names_by_id(ids: Mapping[str, Any], where: object) -> dict[int, str]:
    """Of names and their ids, as JSON has them, the names by id, in the order of the ids. Raises `InputError`."""
    try:
        return dict(sorted((int(label), " ".join(name.split())) for name, label in ids.items()))
    except (AttributeError, TypeError, ValueError, OverflowError):
        came = listed(map(repr, ids.values()))
        raise InputError(f"{where}: expected whole numbers as ids, came {came}; correct the JSON") from None


def one_line(value: object, nothing: Collection[str] = ()) -> str:
    """A text of a JSON file as one line; "" for null and for what stands for `nothing`, in lower case."""
    line = "" if value is None else " ".join(str(value).split())
    return "" if line.casefold() in nothing else line


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"{twice!r} comes twice in one object")
    return found


def read_labels(path: Path, ids: Mapping[str, int]) -> np.ndarray:
    """Class ids of one video, int32 `[T]`, from one label a line.

    What follows a `|` in a line is left out (`read_states`). A file of a single line may hold all labels with `|`
    between them, as these code bases write predictions. A label may be in another Unicode form than its class. Raises
    `InputError` for an empty file and for an unknown or missing label, naming its line.
    """
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path} is empty; write one label a line, one line a frame")
    fields = lines
    if _has_bars(lines, ids):
        fields = lines[0].split("|") if len(lines) == 1 else [line.split("|", 1)[0] for line in lines]
    names = [field.strip() for field in fields]
    ids = {**ids, **{name: ids[known] for name in {*names} - {*ids} if (known := find_name(name, ids))}}
    try:
        return np.fromiter(map(ids.__getitem__, names), dtype=np.int32, count=len(names))
    except KeyError as error:
        name, number = error.args[0], names.index(error.args[0]) + 1
        where = f"line 1, label {number}" if len(lines) == 1 else f"line {number}"
        what = f"unknown label {name!r}" if name else "a blank line where a label is expected"
        known = f"use one of the {len(ids)} classes {listed(ids, most=20)}"
        raise InputError(f"{path}, {where}: {what}; {known}") from None


def read_states(path: Path, ids: Mapping[str, int]) -> list[str]:
    """What follows the `|` in each line of a file of labels, "" where a line has none; [] where no line has one.

    EgoPER writes `label|Normal` and `label|Error`.
    """
    lines = read_lines(path)
    if len(lines) < 2 or not _has_bars(lines, ids):
        return []
    return [line.partition("|")[2].strip() for line in lines]


def _has_bars(lines: Sequence[str], ids: Mapping[str, int]) -> bool:
    """Whether a `|` in the lines is not a part of the classes' names."""
    return "|" in lines[0] and lines[0] not in ids


def read_video_list(path: Path) -> list[str]:
    """Names of videos, one a line, with or without a folder before and `.txt` or `.npy` after them.

    They may have dots, as `01.tent.090617.gopro` has. What follows a tab is not read.
    """
    names: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        name = re.split(r"[/\\]", line.partition("\t")[0].strip())[-1].removesuffix(".txt").removesuffix(".npy")
        if not name:
            raise InputError(f"{path}, line {number}: expected the name of a video, came a blank line; remove it")
        if name in names:
            raise InputError(f"{path}, line {number}: video {name} comes twice in one list; list it once")
        names.append(name)
    return names
