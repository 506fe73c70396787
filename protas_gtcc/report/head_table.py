"""The table of scalar progress heads: errors of predictors, and what each predictor is given.

Every frame of an action is scored, and no other: heads are given where actions are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from protas_gtcc.errors import listed
from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.report.figures import at, bounded, figure, form, fraction, line, rule, with_interval
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
    left_seconds: float | None = None
    """Mean absolute error over frames of the time left in the action, of a predictor that gives it."""


def markdown(rows: Iterable[TableRow]) -> str:
    """A Markdown table: figures with their 95 % intervals; and the error of the time left, where heads give it.

    A sentence below it names the models and heads that are not better than 0.5 everywhere.
    """
    rows = list(rows)
    with_left = any(row.left_seconds is not None for row in rows)
    heads = ["given", *COLUMNS.values(), *["time left, s"] * with_left]
    lines = [line("", heads), rule(len(heads) + 1)]
    for row in rows:
        cells = [with_interval(row.figures[name], row.intervals[name], fraction) for name in COLUMNS]
        left = [figure(row.left_seconds, form("z.2f"))] * with_left
        lines.append(line(row.name, [row.given, *cells, *left]))
    return "\n".join([*lines, *_beside_half(rows)]) + "\n"


def _beside_half(rows: list[TableRow]) -> list[str]:
    errors = {row.name: row.figures["frame"] for row in rows if row.figures["frame"] is not None}
    half = errors.get("`half`")
    others = {name: error for name, error in errors.items() if not name.startswith("`")}
    if half is None or not others:
        return []
    worse = [name for name, error in others.items() if round(error - half, 3) >= 0]
    found = f"is as good as or better than {listed(worse, most=len(worse))}" if worse else "is worse than all of these"
    return ["", f"Over frames, 0.5 everywhere ({fraction(half)}) {found}."]


def long_table(rows: Iterable[TableRow]) -> Columns:
    """A row for each figure: predictor, what it is given, figure (as `frame` or `per_class.NAME`), value, low, high.

    The error of the time left is the figure `left_seconds`, and has no interval.
    """
    figures = []
    for row in rows:
        head = {"predictor": row.name.strip("`"), "given": row.given}
        for path, value in leaves(row.figures):
            figures.append(head | {"figure": ".".join(path)} | bounded(value, at(row.intervals, path)))
        if row.left_seconds is not None:
            figures.append(head | {"figure": "left_seconds"} | bounded(row.left_seconds, None))
    return columns_of(figures)
