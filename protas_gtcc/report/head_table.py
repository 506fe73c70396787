"""The table of scalar progress heads: errors of predictors, and what each predictor is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from protas_gtcc.report.figures import at, figure, form, fraction, line, rule, with_interval
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
    left_seconds: float | None = None
    """Mean absolute error over frames of the time left in the action, of a predictor that gives it."""


def markdown(rows: Iterable[TableRow]) -> str:
    """A Markdown table: errors with their 95 % intervals; and the error of the time left, where heads give it."""
    rows = list(rows)
    with_left = any(row.left_seconds is not None for row in rows)
    heads = ["given", *AVERAGES, *["time left, s"] * with_left]
    lines = [line("", heads), rule(len(heads) + 1)]
    for row in rows:
        cells = [with_interval(row.errors[average], row.intervals[average], fraction) for average in AVERAGES]
        left = [figure(row.left_seconds, form("z.2f"))] * with_left
        lines.append(line(row.name, [row.given, *cells, *left]))
    return "\n".join(lines) + "\n"


def long_table(rows: Iterable[TableRow]) -> Columns:
    """A row for each figure: predictor, what it is given, average (`per_class.NAME` for a class), error, low, high.

    The error of the time left has the average `left_seconds`, and no interval.
    """
    figures = []
    for row in rows:
        paths: list[tuple[str, ...]] = [(average,) for average in AVERAGES]
        paths += [("per_class", name) for name in row.errors["per_class"]]
        for path in paths:
            low, high = at(row.intervals, path) or (None, None)
            found = {"average": ".".join(path), "error": at(row.errors, path), "low": low, "high": high}
            figures.append({"predictor": row.name.strip("`"), "given": row.given, **found})
        if row.left_seconds is not None:
            found = {"average": "left_seconds", "error": row.left_seconds, "low": None, "high": None}
            figures.append({"predictor": row.name.strip("`"), "given": row.given, **found})
    return columns_of(figures)
