"""The table of scalar progress heads: errors of predictors, and what each predictor is given.

Every frame of an action is scored, and no other: heads are given where actions are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.report.figures import at, bounded, fraction, line, rule, with_interval
from protas_gtcc.storage.csv_tables import Columns, columns_of

AVERAGES = ("frame", "macro", "video", "segment")
COLUMNS = {name: name for name in AVERAGES} | dict(
    zip(SHORT, ("rank correlation", "error, first frame", "error, last frame"), strict=True)
)
"""Heads of the columns, by figure."""


@dataclass(frozen=True)
class TableRow:
    """A predictor's figures."""

    name: str
    given: str
    """The truth that the predictor is given."""
    figures: dict[str, Any]
    """Errors by average, `per_class` by name and `by_length` by length; rank correlation, and errors at the ends of
    actions. None where undefined."""
    intervals: dict[str, Any]
    """The same structure, `[low, high]` at 95 %."""


def markdown(rows: Iterable[TableRow]) -> str:
    """A Markdown table: figures with their 95 % intervals."""
    lines = [line("", ["given", *COLUMNS.values()]), rule(len(COLUMNS) + 2)]
    for row in rows:
        cells = [with_interval(row.figures[name], row.intervals[name], fraction) for name in COLUMNS]
        lines.append(line(row.name, [row.given, *cells]))
    return "\n".join(lines) + "\n"


def long_table(rows: Iterable[TableRow]) -> Columns:
    """A row for each figure: predictor, what it is given, figure (as `frame` or `per_class.NAME`), value, low, high."""
    figures = []
    for row in rows:
        for path, value in leaves(row.figures):
            head = {"predictor": row.name.strip("`"), "given": row.given, "figure": ".".join(path)}
            figures.append(head | bounded(value, at(row.intervals, path)))
    return columns_of(figures)
