"""Text files of the MS-TCN family: ground truth and lists of videos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.layouts.names import find_name
from protas_gtcc.storage.text_files import read_lines


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


def read_video_list(path: Path, known: Collection[str] = ()) -> list[str]:
    """Names of videos, one a line, with or without a folder before and `.txt` or `.npy` after them.

    They may have dots, as `01.tent.090617.gopro` has. The folder stays where a known video has it in its name. What
    follows a tab is not read.
    """
    names: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        whole = line.partition("\t")[0].strip().replace("\\", "/").removesuffix(".txt").removesuffix(".npy")
        name = whole if find_name(whole, known) else whole.rpartition("/")[2]
        if not name:
            raise InputError(f"{path}, line {number}: expected the name of a video, came a blank line; remove it")
        if name in names:
            raise InputError(f"{path}, line {number}: video {name} comes twice in one list; list it once")
        names.append(name)
    return names
