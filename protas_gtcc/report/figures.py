"""Figures in tables: how they are found, written with their interval, and judged; and the files of a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.csv_tables import Columns, write_csv_table

MISSING = "–"
Bounds = Sequence[float] | None
"""`[low, high]` at 95 %; None where there is no interval."""
Form = Callable[[float], str]
"""How a number is written."""
percent: Form = "{:z.1f}".format
"""12.3"""


def form(spec: str) -> Form:
    """The form of a format specification, without a nought before the point."""

    def write(value: float) -> str:
        text = format(value, spec)
        return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text

    return write


fraction = form("z.3f")
""".123"""


def share(value: float) -> str:
    """12.3 %, of .123"""
    return f"{percent(100 * value)} %"


def at(tree: Any, path: Sequence[str | None]) -> Any:
    """The value at a path of names; None where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def value_at(scores: Mapping[str, Any], path: str) -> Any:
    """The figure at a dotted path; None where there is none. Names of classes and parts may hold dots: use `at`."""
    return at(scores, path.split("."))


def bounds_at(scores: Mapping[str, Any], path: str) -> Bounds:
    """Its interval."""
    bounds: Bounds = at(scores["intervals"], path.split("."))
    return bounds


def figure(value: float | None, form: Form = fraction) -> str:
    """A figure, or a dash where it is undefined (None or NaN)."""
    return MISSING if value is None or value != value else form(value)


def interval(bounds: Bounds, form: Form = fraction) -> str:
    """`[.101, .145]`; nothing where there is no interval."""
    return "" if bounds is None else f"[{form(bounds[0])}, {form(bounds[1])}]"


def with_interval(value: float | None, bounds: Bounds, form: Form) -> str:
    """`.123 [.101, .145]`"""
    return figure(value, form) if value is None else f"{form(value)} {interval(bounds, form)}".rstrip()


def excludes_zero(bounds: Bounds) -> bool:
    """Whether the interval of a difference excludes 0."""
    return bounds is not None and (bounds[0] > 0 or bounds[1] < 0)


def bounded(value: float | int | None, bounds: Bounds) -> dict[str, float | int | None]:
    """The columns `value`, `low` and `high` of a figure in a CSV file."""
    low, high = bounds or (None, None)
    return {"value": value, "low": low, "high": high}


def line(first: str, cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join([first, *cells])} |"


def rule(num_columns: int) -> str:
    """The line below the heads of a Markdown table."""
    return "|---" * num_columns + "|"


def write_tables(out: Path, markdown: str, rows: Columns, figures: Any = None) -> None:
    """Write table.md, table.csv, and if there are `figures` table.json into a folder."""
    write_text(out / "table.md", markdown)
    if figures is not None:
        write_text(out / "table.json", json.dumps(figures, indent=1, allow_nan=False) + "\n")
    write_csv_table(out / "table.csv", rows)
