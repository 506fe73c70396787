"""The screen while many runs are under way: a live table, or on anything but a terminal a line now and then."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protas_gtcc.launching import Situation


class LaunchDisplay:
    """Shows a situation; use it as a context, and call it."""

    def __init__(self, console: Console, seconds_between_lines: float = 30.0):
        self._console, self._between = console, seconds_between_lines
        self._live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None
        self._last_line, self._last_running = 0.0, ""

    def __enter__(self) -> LaunchDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, situation: Situation) -> None:
        """Show how far the runs are."""
        if self._live is not None:
            self._live.update(_table(situation))
            return
        now, running = time.monotonic(), ", ".join(plan.name for plan in situation.running)
        if running != self._last_running or now - self._last_line >= self._between:
            self._last_line, self._last_running = now, running
            self._console.print(
                f"{_counts(situation)}; running: {_running(situation)}", highlight=False, soft_wrap=True
            )


def _table(situation: Situation) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("running")
    table.add_column("epochs", justify="right")
    for plan in situation.running:
        table.add_row(plan.name, f"{plan.epochs_done()}/{plan.config.training.epochs}")
    return Group(Text(_counts(situation)), table)


def _running(situation: Situation) -> str:
    names = (f"{plan.name} {plan.epochs_done()}/{plan.config.training.epochs}" for plan in situation.running)
    return ", ".join(names) or "none"


def _counts(situation: Situation) -> str:
    failed = f", {situation.num_failed} failed" if situation.num_failed else ""
    left = "" if situation.seconds_left is None else f", {_duration(situation.seconds_left)} left"
    return f"{situation.num_done} done{failed}, {situation.num_waiting} waiting{left}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
