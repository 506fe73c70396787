"""CSV tables: columns in, one file out, without pandas."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.storage.atomic import replace_when_whole

Columns = Mapping[str, Any]
"""By heading, the values of one column: an array or a sequence `[N]`."""


def write_csv_table(path: Path | str, columns: Columns) -> None:
    """Write columns of one length in one step; numbers with six digits, blank where None or NaN."""
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    with replace_when_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(map(_cell, row) for row in zip(*lists, strict=True))


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows by name -> columns, in the order in which names come first; None where a row lacks one."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _cell(value: Any) -> Any:
    if value is None or value != value:  # NaN differs from itself
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
