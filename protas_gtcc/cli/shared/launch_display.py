"""The screen while many runs are made: a live table, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.runs.launching import Status, launch, usable_cores, visible_gpus
from protas_gtcc.runs.plans import PlannedRun


def make_runs(
    plans: Sequence[PlannedRun], jobs: int | None, out: Path, console: Console
) -> tuple[list[PlannedRun], dict[str, str]]:
    """Make missing runs and resume unfinished ones, on screen; return the finished runs, and the others' errors.

    `jobs` run at once, by default one for each GPU, else as many as the usable cores have room for.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; it must be at least 1")
    states = {plan.name: plan.state() for plan in plans}
    missing = [plan for plan in plans if states[plan.name] != "done"]
    training = plans[0].config.training
    gpus = visible_gpus(training.device)
    at_once = jobs or len(gpus) or max(1, usable_cores() // training.threads)
    counts = ", ".join(f"{list(states.values()).count(state)} {state}" for state in ("done", "unfinished", "missing"))
    parallel = f"; {min(at_once, len(missing))} at once" if missing else ""
    console.print(f"runs in {out}: {counts}{parallel}", highlight=False, soft_wrap=True)
    with LaunchDisplay(console) as display:
        failed = launch(missing, at_once, gpus, display)
    return [plan for plan in plans if plan.name not in failed], failed


def raise_failures(failed: dict[str, str], num_plans: int, console: Console) -> None:
    """Print the error of each run that failed, in a line, and raise `InputError` if there is one."""
    for name, error in failed.items():
        console.print(f"{name} failed: {error}", style="bold red", highlight=False, soft_wrap=True, markup=False)
    if failed:
        without = "the table is without these" if len(failed) < num_plans else "there is nothing to pool"
        raise InputError(f"{len(failed)} of {plural(num_plans, 'run')} failed, {listed(failed)}; {without}")


class LaunchDisplay:
    """Shows the status of runs; use it as a context, and call it."""

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

    def __call__(self, status: Status) -> None:
        """Show how far the runs are."""
        if self._live is not None:
            self._live.update(_table(status))
            return
        now, running = time.monotonic(), ", ".join(plan.name for plan in status.running)
        if running != self._last_running or now - self._last_line >= self._between:
            self._last_line, self._last_running = now, running
            self._console.print(f"{_counts(status)}; running: {_running(status)}", highlight=False, soft_wrap=True)


def _table(status: Status) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("running")
    table.add_column("epochs", justify="right")
    for plan in status.running:
        table.add_row(plan.name, f"{plan.epochs_done()}/{plan.config.training.epochs}")
    return Group(Text(_counts(status)), table)


def _running(status: Status) -> str:
    names = (f"{plan.name} {plan.epochs_done()}/{plan.config.training.epochs}" for plan in status.running)
    return ", ".join(names) or "none"


def _counts(status: Status) -> str:
    failed = f", {status.num_failed} failed" if status.num_failed else ""
    left = "" if status.seconds_left is None else f", {_duration(status.seconds_left)} left"
    return f"{status.num_done} done{failed}, {status.num_waiting} waiting{left}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
