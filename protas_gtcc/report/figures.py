"""How figures stand in Markdown tables: found by their path, written with their interval, bold where they are sure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MISSING = "–"
Bounds = Sequence[float] | None
"""`[low, high]` at 95 %; None where there is no interval."""


def at(tree: Any, path: Sequence[str]) -> Any:
    """What is at a path of names; None where there is nothing."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def percent(value: float) -> str:
    """12.3"""
    return f"{round(value, 1) + 0.0:.1f}"  # adding 0 turns -0.0 into 0.0


def share(value: float) -> str:
    """12.3 %, of .123"""
    return f"{percent(100 * value)} %"


def fraction(value: float) -> str:
    """.123"""
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(value, 3) + 0.0:.3f}")


def with_interval(value: float | None, bounds: Bounds, form: Callable[[float], str]) -> str:
    """`.123 [.101, .145]`"""
    if value is None:
        return MISSING
    return form(value) + ("" if bounds is None else f" [{form(bounds[0])}, {form(bounds[1])}]")


def is_sure(bounds: Bounds) -> bool:
    """Whether the interval of a difference leaves out 0."""
    return bounds is not None and (bounds[0] > 0 or bounds[1] < 0)


def line(first: str, cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join([first, *cells])} |"


def rule(num_columns: int) -> str:
    """The line below a table's heads."""
    return "|---" * num_columns + "|"
