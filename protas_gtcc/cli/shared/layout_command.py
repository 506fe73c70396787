"""What the commands on foreign layouts share: the layout's options, `--json`, and a bar on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.layouts.options import LayoutOptions


@dataclass(frozen=True, kw_only=True)
class LayoutCommand:
    """Options of every command that reads a foreign layout."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the result as JSON."""
    layout: tyro.conf.OmitArgPrefixes[tyro.conf.FlagCreatePairsOff[LayoutOptions]] = field(
        default_factory=LayoutOptions
    )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (what, done, total) that shows a bar with the time left for each `what`.

    A bar comes up with its first step, so that a command that fails before it prints nothing but its error.
    """
    columns = TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=make_console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def update(what: str, done: int, total: int) -> None:
        if not tasks:
            progress.start()
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    try:
        yield update
    finally:
        if tasks:
            progress.stop()
