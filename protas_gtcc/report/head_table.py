"""The table of scalar progress heads: errors of predictors, and what each predictor is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from protas_gtcc.report.figures import at, fraction, line, rule, with_interval
from protas_gtcc.storage.csv_tables import Columns, columns_of

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
    lines = [line("", ["given", *AVERAGES]), rule(len(AVERAGES) + 2)]
    for row in rows:
        cells = [with_interval(row.errors[average], row.intervals[average], fraction) for average in AVERAGES]
        lines.append(line(row.name, [row.given, *cells]))
    return "\n".join(lines) + "\n"


def long_table(rows: Iterable[TableRow]) -> Columns:
    """A row for each figure: predictor, what it is given, average (`per_class.NAME` for a class), error, low, high."""
    figures = []
    for row in rows:
        paths: list[tuple[str, ...]] = [(average,) for average in AVERAGES]
        paths += [("per_class", name) for name in row.errors["per_class"]]
        for path in paths:
            low, high = at(row.intervals, path) or (None, None)
            figure = {"average": ".".join(path), "error": at(row.errors, path), "low": low, "high": high}
            figures.append({"predictor": row.name.strip("`"), "given": row.given, **figure})
    return columns_of(figures)
