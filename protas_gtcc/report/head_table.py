"""The table of scalar progress heads: errors of predictors, and what each predictor is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from protas_gtcc.report.figures import at, fraction, line, rule, with_interval

AVERAGES = ("frame", "macro", "video", "segment")


@dataclass(frozen=True)
class TableRow:
    """A predictor's errors."""

    name: str
    given: str
    """The truth that the predictor is given."""
    errors: dict[str, Any]
    """By average, and `per_class` by name; fractions, None where undefined."""
    intervals: dict[str, Any]
    """The same structure, `[low, high]` at 95 %."""


def markdown(rows: Iterable[TableRow]) -> str:
    """A Markdown table: errors with their 95 % intervals."""
    return "\n".join([line("", ["given", *AVERAGES]), rule(len(AVERAGES) + 2), *map(markdown_row, rows)]) + "\n"


def markdown_row(row: TableRow) -> str:
    """One line of the table."""
    cells = [with_interval(row.errors[average], row.intervals[average], fraction) for average in AVERAGES]
    return line(row.name, [row.given, *cells])


def long_table(rows: Iterable[TableRow]) -> pd.DataFrame:
    """A row a figure: predictor, what it is given, average (`per_class.NAME` for a class), error, low, high."""
    lines = []
    for row in rows:
        names: list[tuple[str, ...]] = [(average,) for average in AVERAGES]
        names += [("per_class", name) for name in row.errors["per_class"]]
        for path in names:
            low, high = at(row.intervals, path) or (None, None)
            lines.append((row.name.strip("`"), row.given, ".".join(path), at(row.errors, path), low, high))
    return pd.DataFrame(lines, columns=["predictor", "given", "average", "error", "low", "high"])
