"""The screen that commands print on: a console, results, and progress."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from protas_gtcc.errors import listed, plural
from protas_gtcc.report.screen import print_markdown

PLAIN_WIDTH = 80
"""Columns where the output is not a terminal: the tables fit."""
SECONDS_BETWEEN_LINES = 10.0


def make_console(stderr: bool = False) -> Console:
    """A console as wide as the terminal, or of a fixed width for pipes and files; text is printed as it is.

    Under torchrun, only the first process prints.
    """
    stream, quiet = sys.stderr if stderr else sys.stdout, not is_first_process()
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, quiet=quiet, width=width, highlight=False, markup=False, emoji=False)


def is_first_process() -> bool:
    """Whether this is the process that writes and prints, under torchrun or alone."""
    return int(os.environ.get("RANK", 0)) == 0


def warn(console: Console) -> Callable[[str], None]:
    """A function that prints a warning: wrapped between words on a terminal, on one line in pipes and files."""
    return functools.partial(console.print, style="bold yellow", soft_wrap=not console.is_terminal)


def wrong_usage(verb: str, message: str) -> NoReturn:
    """Print what to give, in one line, and exit with the code of wrong usage."""
    print(f"protas-gtcc {verb}: {message}", file=sys.stderr)
    sys.exit(2)


def print_left_out(files: Sequence[Path]) -> None:
    """Print which files of folders of videos are not read, in one line, if there are any."""
    if files:
        names = listed(file.name for file in files)
        warn(make_console(stderr=True))(f"{plural(len(files), 'file')} left out, no videos by their names: {names}")


def print_skipped(broken: Mapping[str, str]) -> None:
    """Print why inputs were left out, a line each, on standard error."""
    for error in broken.values():
        warn(make_console(stderr=True))(f"skipped: {error}")


def print_result(markdown: str, figures: Any, as_json: bool, on_terminal: tuple[str, str] | None = None) -> None:
    """Print a result on standard output: as JSON, as a table on a terminal, or as Markdown into pipes and files.

    `on_terminal` is what a terminal shows of a long result, in place of all of it: Markdown, and a line below it.
    """
    if as_json:
        print(json.dumps(figures, allow_nan=False))
        return
    console = make_console()
    if on_terminal is None or not console.is_terminal:
        print_markdown(markdown, console)
        return
    shown, line = on_terminal
    print_markdown(shown, console)
    console.print(line, soft_wrap=True)  # no path in it is broken


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (done, total) that shows a bar, as `progress_bars`."""
    with progress_bars() as update:
        yield functools.partial(update, what)


class _Speed(TextColumn):
    """How much is done a second, such as `14 frames/s`."""

    def __init__(self, unit: str):
        super().__init__("")
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The speed of late; nothing before it is known."""
        return Text(f"{task.speed:.0f} {self._unit}/s" if task.speed else "")


@contextmanager
def progress_bars(unit: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (what, done, total) that shows a bar with the time left for each `what`.

    With a `unit` of what is counted, as `frames`, the speed is shown as well.

    Bars are on standard error; where that is no terminal, there is a line now and then. A bar appears with the first
    call, so that a command that fails before it prints nothing but its error.
    """
    console = make_console(stderr=True)
    columns = TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    speed = [_Speed(unit)] if unit else []
    progress = Progress(*columns, *speed, console=console, disable=not console.is_terminal)
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
            seconds = now - started[what]
            left = f", {seconds / done * (total - done):.0f} s left" if done else ""
            speed_text = f", {done / seconds:.0f} {unit}/s" if unit and seconds > 0 else ""
            console.print(f"{what} {done}/{total}{speed_text}{left}")

    try:
        yield update
    finally:
        if tasks:
            progress.stop()
