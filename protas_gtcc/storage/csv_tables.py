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
from protas_gtcc.storage.file_kinds import TEXT, require_kind

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Text that spreadsheets would compute, such as a class called `=1+1`. An apostrophe is written before it, so that they
show it, and taken away again when it is read."""
_WRITTEN = re.compile(r"'+[=+\-@\t\r]")

_SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""Those of spreadsheets that are not read, and their names."""

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


def read_csv_table(path: Path, needed: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, list[str]]:
    """The columns of a CSV file, every cell as its text; those that are named here may have their names in any case.

    Blank lines at the end are left out. Raises `InputError` if the file cannot be read, for a row that is longer or
    shorter than the first one, for a heading that comes twice, and if a column that is needed is not there.
    """
    heads, *body = (list(map(without_apostrophe, row)) for row in _read_rows(path))
    known = {name.casefold(): name for name in (*needed, *optional)}
    heads = [known.get(head.strip().casefold(), head) for head in heads]
    twice = sorted(head for head, count in Counter(heads).items() if count > 1)
    if twice:
        raise InputError(f"{path} has the columns {listed(twice)} twice; keep one")
    missing = [name for name in needed if name not in heads]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}; it has {listed(heads)}: add the column")
    return dict(zip(heads, map(list, zip(*body, strict=True)) if body else [[] for _ in heads], strict=True))


def _read_rows(path: Path) -> list[list[str]]:
    """At least one row, all of one length."""
    try:
        require_kind(path, "CSV", (TEXT,))
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check that it is there and readable") from error
    except (ValueError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}; write it again") from error
    while rows and not rows[-1][1]:
        rows.pop()
    if not rows:
        raise InputError(f"{path} is empty; write it again")
    heading = rows[0][1]
    if len(heading) == 1 and (other := next((one for one in _SEPARATORS if one in heading[0]), None)):
        raise InputError(f"{path} has {_SEPARATORS[other]} between its columns; separate columns by commas")
    for line, row in rows:
        if len(row) != len(rows[0][1]):
            what = f"{plural(len(row), 'cell')} where the first row has {len(rows[0][1])}"
            raise InputError(f"{path}, line {line}: {what}; write it again")
    return [row for _, row in rows]


def without_apostrophe(cell: str) -> str:
    """The text of a cell as it was before `write_csv_table` put an apostrophe before a formula."""
    return cell[1:] if _WRITTEN.match(cell) else cell


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
