"""The screen while many runs are made: a live table, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.runs.launching import Status, launch, usable_cores, visible_gpus
from protas_gtcc.runs.plans import PlannedRun

SECONDS_BETWEEN_LINES = 30.0


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
    at_once, gpus = runs_at_once(jobs, plans[0].config.training)
    states = [plan.state() for plan in plans]
    missing = [plan for plan, state in zip(plans, states, strict=True) if state != "done"]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("done", "unfinished", "missing"))
    parallel = f"; {min(at_once, len(missing))} at once" if missing else ""
    console.print(f"runs in {out}: {counts}{parallel}", soft_wrap=True)
    with launch_display(console) as display:
        failed = launch(missing, at_once, gpus, display)
    made = [plan for plan in plans if plan.name not in failed]
    if made:
        finish(made)
    for name, error in failed.items():
        console.print(f"{name} failed: {error}", style="bold red", soft_wrap=True)
    if failed:
        without = "the table is without these" if made else "there is nothing to pool"
        way_out = "remove the causes above, and repeat the command"
        raise InputError(f"{len(failed)} of {plural(len(plans), 'run')} failed, {listed(failed)}; {without}; {way_out}")


def runs_at_once(jobs: int | None, training: Any) -> tuple[int, list[str]]:
    """How many runs are made at once, and the GPUs that they are spread over.

    By default one for each GPU, else as many as the usable cores have room for.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; it must be at least 1")
    gpus = visible_gpus(training.device)
    return jobs or len(gpus) or max(1, usable_cores() // training.threads), gpus


@contextmanager
def launch_display(console: Console) -> Iterator[Callable[[Status], None]]:
    """Yield a function that shows the status of runs."""
    last_line, last_running = 0.0, ""

    def print_line(status: Status) -> None:
        nonlocal last_line, last_running
        now, running = time.monotonic(), ", ".join(plan.name for plan in status.running)
        if running != last_running or now - last_line >= SECONDS_BETWEEN_LINES:
            last_line, last_running = now, running
            shown = ", ".join(f"{plan.name} {_epochs(plan)}" for plan in status.running) or "none"
            console.print(f"{_counts(status)}; running: {shown}", soft_wrap=True)

    def draw(status: Status) -> None:
        table = Table("running", Column("epochs", justify="right"), box=None, padding=(0, 2, 0, 0))
        for plan in status.running:
            table.add_row(plan.name, _epochs(plan))
        live.update(Group(Text(_counts(status)), table))

    if not console.is_terminal:
        yield print_line
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield draw


def _epochs(plan: PlannedRun) -> str:
    done, epochs = plan.epochs_done(), plan.config.training.epochs
    return f"{done}/{epochs}" if done < epochs else "evaluating"


def _counts(status: Status) -> str:
    failed = f", {status.num_failed} failed" if status.num_failed else ""
    # The estimate is of epochs alone.
    left = f", {_duration(status.seconds_left)} left" if status.seconds_left else ""
    return f"{status.num_done} done{failed}, {status.num_waiting} waiting{left}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
