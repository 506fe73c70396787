"""Figures in tables: how they are found, written with their interval, and judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MISSING = "–"
Bounds = Sequence[float] | None
"""`[low, high]` at 95 %; None where there is no interval."""
Form = Callable[[float], str]
"""How a number is written."""


def at(tree: Any, path: Sequence[str]) -> Any:
    """The value at a path of names; None where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of everything in nested dictionaries."""
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for name, branch in tree.items():
        yield from leaves(branch, (*path, name))


def percent(value: float) -> str:
    """12.3"""
    return f"{round(value, 1) + 0.0:.1f}"  # adding 0 turns -0.0 into 0.0


def share(value: float) -> str:
    """12.3 %, of .123"""
    return f"{percent(100 * value)} %"


def fraction(value: float) -> str:
    """.123"""
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(value, 3) + 0.0:.3f}")


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


def line(first: str, cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join([first, *cells])} |"


def rule(num_columns: int) -> str:
    """The line below the heads of a Markdown table."""
    return "|---" * num_columns + "|"
