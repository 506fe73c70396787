"""Work lists of commands: the flags that say where jobs run, the screen while they do, and the error of what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from protas_gtcc.config import Text as TextValue
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.runs.plans import PlannedRun
from protas_gtcc.work.engines.base import Engine
from protas_gtcc.work.engines.choice import EngineName, make_engine
from protas_gtcc.work.jobs import Job
from protas_gtcc.work.work_list import NextJobs, Status, work_through

SECONDS_BETWEEN_LINES = 30.0
MOST_ROWS = 20
WORK_FIELDS = ("on", "workers", "engine_options")
"""The flags of `WorkFlags`."""
JOBS = "jobs"
"""The folder in a command's output with the manifest, and what engines write."""


@dataclass(frozen=True)
class WorkFlags:
    """Where independent jobs run, and how many at once."""

    on: EngineName | None = None
    """Where jobs run: in processes of this machine (local), as Slurm jobs, or on a Ray cluster; by default local."""
    workers: int | None = None
    """Jobs at once; by default one for each GPU, else as many as the usable cores have room for, and 100 with Slurm."""
    engine_options: tuple[TextValue, ...] = ()
    """What Slurm or Ray is given for each job, as partition=gpu time=240 (minutes) mem_gb=16, or address=auto."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers is {self.workers}; it must be at least 1")

    def __bool__(self) -> bool:
        """Whether a command divides its work that would else do it by itself."""
        return self.on is not None or self.workers is not None or bool(self.engine_options)

    def engine(self, out: Path, first: Job) -> Engine:
        """The engine for jobs like the first. Raises `InputError` as `make_engine` does."""
        return make_engine(self.on or "local", self.workers, self.engine_options, out / JOBS, first)


def make_runs(
    plans: Sequence[PlannedRun],
    work: WorkFlags,
    out: Path,
    console: Console,
    finish: Callable[[Sequence[PlannedRun]], None],
) -> None:
    """Make missing runs and resume unfinished ones, on screen; call `finish` with the finished runs, if there are any.

    Afterwards, prints the error of each run that failed, and raises `InputError` if there is one.
    """
    states = [plan.state() for plan in plans]
    engine = work.engine(out, plans[0].job())
    num_missing = sum(state != "done" for state in states)
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("done", "unfinished", "missing"))
    parallel = f"; {min(engine.workers, num_missing)} at once" if num_missing else ""
    console.print(f"runs in {out}: {counts}{parallel}", soft_wrap=True)
    failed = do_jobs([plan.job() for plan in plans], engine, out, console)
    made = [plan for plan in plans if plan.name not in failed]
    if made:
        finish(made)
    without = "the table is without these" if made else "there is nothing to pool"
    refuse_failed(failed, len(plans), "run", without, console)


def do_jobs(
    jobs: Sequence[Job],
    engine: Engine,
    out: Path,
    console: Console,
    next_jobs: NextJobs | None = None,
    with_time_left: bool = True,
) -> dict[str, str]:
    """Do what is not done of a folder's jobs, on screen; returns the reason of each failure by the job's name."""
    with display_of(console, with_time_left) as display:
        return work_through(jobs, engine, manifest_of(out), display, next_jobs)


def manifest_of(out: Path) -> Path:
    """The manifest of the jobs of a command's output: it is there from the start."""
    return out / JOBS / "manifest.json"


def refuse_failed(failed: dict[str, str], count: int, noun: str, without: str, console: Console) -> None:
    """Print the error of each job that failed, and raise `InputError` if there is one."""
    for name, error in failed.items():
        console.print(f"{name} failed: {error}", style="bold red", soft_wrap=True)
    if failed:
        way_out = "remove the causes above, and repeat the command"
        raise InputError(f"{len(failed)} of {plural(count, noun)} failed, {listed(failed)}; {without}; {way_out}")


@contextmanager
def display_of(console: Console, with_time_left: bool = True) -> Iterator[Callable[[Status], None]]:
    """Yield a function that shows the status of jobs: a live table, or a line now and then where no terminal is."""
    last_line, last_running = 0.0, ""

    def counts(status: Status) -> str:
        failed = f", {status.num_failed} failed" if status.num_failed else ""
        is_known = with_time_left and status.seconds_left
        left = f", {_duration(status.seconds_left or 0)} left" if is_known else ""  # of the steps alone
        return f"{status.num_done} done{failed}, {status.num_waiting} waiting{left}"

    def print_line(status: Status) -> None:
        nonlocal last_line, last_running
        now, running = time.monotonic(), ", ".join(job.name for job in status.running)
        if running != last_running or now - last_line >= SECONDS_BETWEEN_LINES:
            last_line, last_running = now, running
            shown = listed((f"{job.name} {_steps(job)}" for job in status.running), MOST_ROWS)
            console.print(f"{counts(status)}; running: {shown}", soft_wrap=True)

    def draw(status: Status) -> None:
        table = Table("running", Column("steps", justify="right"), box=None, padding=(0, 2, 0, 0))
        for job in status.running[:MOST_ROWS]:
            table.add_row(job.name, _steps(job))
        if len(status.running) > MOST_ROWS:
            table.add_row(f"and {len(status.running) - MOST_ROWS} more", "")
        live.update(Group(Text(counts(status)), table))

    if not console.is_terminal:
        yield print_line
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield draw


def _steps(job: Job) -> str:
    done = job.steps_done()
    return f"{done}/{job.steps}" if done < job.steps else job.last_step


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
