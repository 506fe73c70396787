"""Tables that other programs write: separated by commas, semicolons or tabs, with a row of headings somewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.errors import InputError
from protas_gtcc.storage.text_files import read_lines

SEPARATORS = "\t;,"


@dataclass(frozen=True)
class Table:
    """A table whose headings are in lower case. Rows before the headings are kept apart."""

    path: Path
    before: list[list[str]]
    separator: str
    headings: list[str]
    rows: list[tuple[int, list[str]]]
    """Line and cells of each row that is not blank."""

    def column(self, *names: str) -> int | None:
        """Number of the first of these columns that is there. Raises `InputError` if it is there twice."""
        name = next((name for name in names if name in self.headings), None)
        if name is not None and self.headings.count(name) > 1:
            raise InputError(f"{self.path} has the column {name!r} twice; rename one")
        return None if name is None else self.headings.index(name)

    def need(self, *names: str) -> int:
        """The same. Raises `InputError` if none is there."""
        found = self.column(*names)
        if found is None:
            raise InputError(f"{self.path} has no column {names[0]!r}, but {', '.join(self.headings)}; add the column")
        return found

    def cells(self, *columns: int | None) -> Iterator[tuple[int, list[str]]]:
        """Line, and the cells of these columns, "" for one that is not there."""
        for line, row in self.rows:
            yield line, [row[column].strip() if column is not None else "" for column in columns]


def point_of(table: Table, cell: str) -> str:
    """A number with a point, `1.5`, also where it is written `1,5`: some countries do, and separate by semicolons."""
    return cell if table.separator == "," else cell.replace(",", ".")


def headings_of(head: str, needed: Sequence[str]) -> list[str] | None:
    """The row of headings with these names at the beginning of a file, None if there is none."""
    for line in head.splitlines():
        cells = _cells(line)
        if {*needed} <= {*cells}:
            return cells
    return None


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a table whose headings have these names. Raises `InputError` if there is none, and for broken rows."""
    lines = read_lines(path)
    first = next((number for number, line in enumerate(lines) if {*needed} <= {*_cells(line)}), None)
    if first is None:
        raise InputError(f"{path} has no row of headings with {', '.join(needed)}; add it")
    separator = _separator(lines[first])
    # Quoted cells may hold line breaks, so rows are read on from the headings, not line by line.
    try:
        reader = csv.reader((f"{line}\n" for line in lines[first:]), delimiter=separator, strict=True)
        headings = [head.strip().casefold() for head in next(reader)]
        rows = [(first + reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{path} is no table that can be read ({error}); export it again") from error
    if rows:  # separators at the end of a file are stripped with its line end
        rows[-1][1].extend([""] * (len(headings) - len(rows[-1][1])))
    for line, row in rows:
        if len(row) != len(headings):
            what = f"{len(row)} cells where the headings have {len(headings)}"
            raise InputError(f"{path}, line {line}: {what}; export it again")
    before = [next(csv.reader([line], delimiter=separator), []) for line in lines[:first]]
    return Table(path, before, separator, headings, rows)


def _separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"').casefold() for cell in line.split(_separator(line))]
