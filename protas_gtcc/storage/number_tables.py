"""Tables of numbers in CSV files: rows are frames, columns are features."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError, plural

MOST_HEADER_ROWS = 4
"""Of the tables that are known: those of keypoints have three or four."""
_NOT_FEATURES = ("", "frame")
"""Headings of columns that number the rows; the first one is that of pandas."""


def first_rows(path: Path, count: int = MOST_HEADER_ROWS + 1) -> list[list[str]]:
    """The first rows of a CSV file, each cell stripped. Raises `InputError` if it has none, or is not text."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row, _ in zip(csv.reader(file), range(count), strict=False)]
    except (ValueError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}; write it again as CSV in UTF-8") from error
    if not rows or not any(rows):
        raise InputError(f"{path} is empty; write a row of numbers for each frame")
    return [[cell.strip() for cell in row] for row in rows]


def table_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of `read_table`, without reading the numbers."""
    head, columns = _columns(path)
    return (len(_row_sizes(path)) - head, len(columns)), np.dtype(np.float32)


def read_table(path: Path) -> np.ndarray:
    """The numbers of a table with or without a row of headings, float32 `[T, D]`; NaN where a cell is blank.

    Columns called `frame`, and those without a heading, which pandas writes, are left out. Raises `InputError` for
    cells that are no numbers.
    """
    head, columns = _columns(path)
    return read_numbers(path, head)[:, columns]


def read_numbers(path: Path, num_header_rows: int) -> np.ndarray:
    """All columns below the headings, float32 `[T, N]`; NaN where a cell is blank. Raises `InputError` for others."""
    import pandas as pd

    sizes = _row_sizes(path)[num_header_rows:]
    if not sizes:
        raise InputError(f"{path} has no rows of numbers; write one for each frame")
    other = next((row for row, size in enumerate(sizes) if size != sizes[0]), None)
    if other is not None:  # pandas would take what a row lacks for blank cells
        what = f"row {other + 1} of numbers has {plural(sizes[other], 'cell')}, the first one {sizes[0]}"
        raise InputError(f"{path}: {what}: it is cut off or damaged; write it again")
    try:
        table = pd.read_csv(path, header=None, skiprows=num_header_rows, dtype=np.float32, encoding="utf-8-sig")
    except (ValueError, OverflowError) as error:
        message = " ".join(str(error).split())
        raise InputError(f"{path} is not a table of numbers with commas ({message}); write numbers alone") from error
    if len(table) != len(sizes):
        what = f"{len(sizes)} lines of numbers that are {plural(len(table), 'row')}"
        raise InputError(f"{path} has {what}; write it again")
    return table.to_numpy()


def _columns(path: Path) -> tuple[int, list[int]]:
    """The number of rows of headings, 0 or 1, and the columns that are features."""
    first = first_rows(path)[0]
    if not (_are_counted(first) or (not first[0] and _are_counted(first[1:])) or not all(map(_is_number, first))):
        return 0, list(range(len(first)))
    return 1, [number for number, name in enumerate(first) if name.casefold() not in _NOT_FEATURES]


def _row_sizes(path: Path) -> list[int]:
    """The number of cells in each row that is not blank. Headings may count as more, if they have commas in quotes."""
    with open(path, encoding="utf-8-sig") as file:
        return [line.count(",") + 1 for line in file if line.strip()]


def _are_counted(names: list[str]) -> bool:
    """Whether they are 0, 1, 2, ...: what pandas writes where columns have no names."""
    return len(names) > 1 and names == [str(number) for number in range(len(names))]


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
