"""CSV tables: columns in, one file out, and back."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.storage.file_kinds import require_regular

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Text that spreadsheets would compute, such as a class called `=1+1`. An apostrophe is written before it, so that they
show it, and taken away again when it is read."""
_WRITTEN = re.compile(r"'+[=+\-@\t\r]")

Columns = Mapping[str, Any]
"""By heading, the values of one column: an array or a sequence `[N]`."""


def write_csv_table(path: Path | str, columns: Columns) -> None:
    """Write columns of one length in one step; blank where None or NaN.

    Numbers have six digits, and always a millionth: times tell frames apart at the highest rate, in the longest video.
    """
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    with replace_when_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_cell, columns))
        writer.writerows(map(_cell, row) for row in zip(*lists, strict=True))


def read_csv_table(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file, every cell as its text. Raises `InputError` if it cannot be read.

    Also raises it for a row that is longer or shorter than the first one, and for a heading that comes twice.
    """
    rows: list[list[str]] = []
    try:
        require_regular(path)
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if rows and len(row) != len(rows[0]):
                    what = f"{plural(len(row), 'cell')} where the first row has {len(rows[0])}"
                    raise InputError(f"{path}, line {reader.line_num}: {what}; write it again")
                rows.append([cell[1:] if _WRITTEN.match(cell) else cell for cell in row])
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"cannot read {path}: {reason}; write it again") from error
    if not rows:
        raise InputError(f"{path} is empty; write it again")
    heads, *body = rows
    twice = sorted(head for head, count in Counter(heads).items() if count > 1)
    if twice:
        raise InputError(f"{path} has the columns {listed(twice)} twice; keep one")
    return dict(zip(heads, map(list, zip(*body, strict=True)) if body else [[] for _ in heads], strict=True))


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows by name -> columns, in the order in which names come first; None where a row lacks one."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _cell(value: Any) -> Any:
    if value is None or value != value:  # NaN differs from itself
        return ""
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) else value
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if abs(value) < 1 else f"{value:.6f}".rstrip("0").rstrip(".")
