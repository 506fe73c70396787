"""The screen that commands print on: a console, tables, and progress."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_WIDTH = 80
"""Columns where the output is not a terminal: the tables fit."""
SECONDS_BETWEEN_LINES = 10.0

OnProgress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal, or of a fixed width for pipes and files."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, quiet=quiet, width=None if stream.isatty() else PLAIN_WIDTH)


def print_result(markdown: str, figures: Any, as_json: bool) -> None:
    """Print a result on standard output: as JSON, as a table on a terminal, or as Markdown into pipes and files."""
    if as_json:
        print(json.dumps(figures, allow_nan=False))
    else:
        from protas_gtcc.report.screen import print_markdown

        print_markdown(markdown, make_console())


@contextmanager
def progress_bars() -> Iterator[OnProgress]:
    """Yield a function of (what, done, total) that shows a bar with the time left for each `what`.

    Bars are on standard error; where that is no terminal, there is a line now and then. A bar appears with the first
    call, so that a command that fails before it prints nothing but its error.
    """
    console = make_console(stderr=True)
    columns = TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    tasks: dict[str, TaskID] = {}
    started: dict[str, float] = {}
    last_line = time.monotonic()

    def update(what: str, done: int, total: int) -> None:
        nonlocal last_line
        if not tasks:
            progress.start()
        if what not in tasks:
            tasks[what], started[what] = progress.add_task(what, total=total), time.monotonic()
        progress.update(tasks[what], completed=done, total=total)
        now = time.monotonic()
        if not console.is_terminal and now - last_line >= SECONDS_BETWEEN_LINES:
            last_line = now
            left = f", {(now - started[what]) / done * (total - done):.0f} s left" if done else ""
            console.print(f"{what} {done}/{total}{left}", highlight=False)

    try:
        yield update
    finally:
        if tasks:
            progress.stop()
