"""Where time goes, by function."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PROFILE_LINES = 12


def profile(work: Callable[[], object]) -> list[dict[str, Any]]:
    """Functions by cumulative time, the longest first, with their own time beside it; seconds."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    # `stats` is documented, but missing in the types of pstats.
    table: dict[tuple[str, int, str], Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    rows = [
        {"function": _readable(*function), "calls": calls, "own_seconds": own, "cumulative_seconds": total}
        for function, (_, calls, own, total, _) in table.items()
    ]
    return sorted(rows, key=lambda row: -float(row["cumulative_seconds"]))


def print_profile(what: str, rows: list[dict[str, Any]]) -> None:
    """Two short tables: the functions with the most cumulative time, and with the most own time."""
    console = Console(width=120)
    whole = float(rows[0]["cumulative_seconds"])
    for heading, key in (("cumulative", "cumulative_seconds"), ("own", "own_seconds")):
        table = Table("function", "calls", "seconds", "share", title=f"{what}: most {heading} time (under cProfile)")
        for row in sorted(rows, key=lambda row: -float(row[key]))[:PROFILE_LINES]:
            seconds = float(row[key])
            table.add_row(row["function"], f"{row['calls']}", f"{seconds:.3f}", f"{seconds / whole:.0%}")
        console.print(table)


def _readable(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    parts = Path(file).parts
    return f"{'/'.join(parts[-2:])}:{line} {name}"
