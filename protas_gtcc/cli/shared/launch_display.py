"""The screen while many runs are under way: a live table, or on anything but a terminal a line now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protas_gtcc.errors import InputError, listed
from protas_gtcc.runs.launching import PlannedRun, Situation, launch, usable_cores, visible_gpus


def bring_to_end(
    plans: Sequence[PlannedRun], script: Path, jobs: int | None, out: Path, console: Console
) -> tuple[list[PlannedRun], dict[str, str]]:
    """Make runs that are missing and go on with unfinished ones, on screen; those that are done, and why others failed.

    `jobs` at once, by default one for each GPU, else as many as the usable cores have room for.
    """
    states = {plan.name: plan.state() for plan in plans}
    missing = [plan for plan in plans if states[plan.name] != "done"]
    training = plans[0].config.training
    gpus = visible_gpus(training.device)
    at_once = jobs or len(gpus) or max(1, usable_cores() // training.threads)
    counts = ", ".join(f"{list(states.values()).count(state)} {state}" for state in ("done", "unfinished", "missing"))
    told = f"; {min(at_once, len(missing))} at once" if missing else ""
    console.print(f"runs in {out}: {counts}{told}", highlight=False, soft_wrap=True)
    with LaunchDisplay(console) as display:
        failed = launch(missing, script, at_once, gpus, display)
    return [plan for plan in plans if plan.name not in failed], failed


def raise_failures(failed: dict[str, str], num_plans: int, console: Console) -> None:
    """Say why runs failed, each in a line, and raise `InputError`, if any did."""
    for name, why in failed.items():
        console.print(f"{name} failed: {why}", style="bold red", highlight=False, soft_wrap=True, markup=False)
    if failed:
        without = "the table is without these" if len(failed) < num_plans else "there is nothing to pool"
        raise InputError(f"{len(failed)} of {num_plans} runs failed, {listed(failed)}; {without}")


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
