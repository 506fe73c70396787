"""The screen while many runs are made: a live table, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.runs.launching import Status, launch, usable_cores, visible_gpus
from protas_gtcc.runs.plans import PlannedRun


def make_runs(
    plans: Sequence[PlannedRun],
    jobs: int | None,
    out: Path,
    console: Console,
    finish: Callable[[Sequence[PlannedRun]], None],
) -> None:
    """Make missing runs and resume unfinished ones, on screen; call `finish` with the finished runs, if there are any.

    `jobs` run at once, by default one for each GPU, else as many as the usable cores have room for. Afterwards, prints
    the error of each run that failed, and raises `InputError` if there is one.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; it must be at least 1")
    states = [plan.state() for plan in plans]
    missing = [plan for plan, state in zip(plans, states, strict=True) if state != "done"]
    training = plans[0].config.training
    gpus = visible_gpus(training.device)
    at_once = jobs or len(gpus) or max(1, usable_cores() // training.threads)
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("done", "unfinished", "missing"))
    parallel = f"; {min(at_once, len(missing))} at once" if missing else ""
    console.print(f"runs in {out}: {counts}{parallel}", soft_wrap=True)
    with LaunchDisplay(console) as display:
        failed = launch(missing, at_once, gpus, display)
    made = [plan for plan in plans if plan.name not in failed]
    if made:
        finish(made)
    for name, error in failed.items():
        console.print(f"{name} failed: {error}", style="bold red", soft_wrap=True)
    if failed:
        without = "the table is without these" if made else "there is nothing to pool"
        raise InputError(f"{len(failed)} of {plural(len(plans), 'run')} failed, {listed(failed)}; {without}")


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
        epochs = {plan.name: f"{plan.epochs_done()}/{plan.config.training.epochs}" for plan in status.running}
        if self._live is not None:
            table = Table("running", Column("epochs", justify="right"), box=None, padding=(0, 2, 0, 0))
            for name, done in epochs.items():
                table.add_row(name, done)
            self._live.update(Group(Text(_counts(status)), table))
            return
        now, running = time.monotonic(), ", ".join(epochs)
        if running != self._last_running or now - self._last_line >= self._between:
            self._last_line, self._last_running = now, running
            shown = ", ".join(f"{name} {done}" for name, done in epochs.items()) or "none"
            self._console.print(f"{_counts(status)}; running: {shown}", soft_wrap=True)


def _counts(status: Status) -> str:
    failed = f", {status.num_failed} failed" if status.num_failed else ""
    left = "" if status.seconds_left is None else f", {_duration(status.seconds_left)} left"
    return f"{status.num_done} done{failed}, {status.num_waiting} waiting{left}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
