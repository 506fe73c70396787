"""Timing programs side by side: in one process, one after the other, round after round.

Machines are shared and clocks drift, so a time alone means little. Within a round the programs meet the same
conditions, so the result is the ratio of each round. A first round warms up and does not count.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.versions import software_versions


class Time(NamedTuple):
    """A point in time, or the time between two: on the clock, and of this process and its children on a processor."""

    clock: float
    cpu: float

    def since(self, start: Time) -> Time:
        """The time from `start` to here."""
        return Time(self.clock - start.clock, self.cpu - start.cpu)


@dataclass(frozen=True)
class Program:
    """One way to do the work. `run` does it once and returns the time it took, preparations left out."""

    name: str
    run: Callable[[], Time]
    amount: float
    """Amount of work of one run, in the benchmark's unit."""
    against: str | None = None
    """Name of the program that its speed is divided by."""


@dataclass(frozen=True)
class Result:
    """The measurements of one program; every list has one entry a round."""

    name: str
    seconds: list[float]
    cpu_seconds: list[float]
    rate: float
    """Median amount of work a second."""
    against: str | None
    ratios: list[float]
    """Speed divided by the speed of `against`; empty if `against` is None."""
    cpu_ratios: list[float]
    """The same by processor time, which other work on the machine disturbs less."""


@dataclass(frozen=True)
class Measurement:
    """A benchmark's outcome: what `--json` writes."""

    benchmark: str
    unit: str
    arguments: dict[str, Any]
    results: list[Result]
    notes: list[str]
    machine: dict[str, Any]
    versions: dict[str, str]
    details: dict[str, Any] = field(default_factory=dict)
    date: str = field(default_factory=lambda: date.today().isoformat())


def measure(programs: Sequence[Program], repeats: int) -> list[Result]:
    """Run all programs in turn, `repeats` rounds after one to warm up. Raises `InputError` if `repeats` < 1."""
    if repeats < 1:
        raise InputError(f"--repeats is {repeats}; it must be at least 1")
    times: dict[str, list[Time]] = {one.name: [] for one in programs}
    for _ in range(repeats + 1):
        for one in programs:
            times[one.name].append(one.run())
    counted = {name: of_rounds[1:] for name, of_rounds in times.items()}
    amounts = {one.name: one.amount for one in programs}
    return [_result(one, counted, amounts) for one in programs]


def _result(one: Program, times: dict[str, list[Time]], amounts: dict[str, float]) -> Result:
    own = times[one.name]
    ratios, cpu_ratios = [], []
    if one.against is not None:
        work = one.amount / amounts[one.against]
        pairs = list(zip(times[one.against], own, strict=True))
        ratios = [work * other.clock / mine.clock for other, mine in pairs]
        cpu_ratios = [work * other.cpu / mine.cpu for other, mine in pairs]
    seconds, cpu_seconds = [time.clock for time in own], [time.cpu for time in own]
    rate = one.amount / statistics.median(seconds)
    return Result(one.name, seconds, cpu_seconds, rate, one.against, ratios, cpu_ratios)


def timed(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> Callable[[], Time]:
    """A function that calls `before`, then does the work and returns the time that the work took."""

    def run() -> Time:
        before()
        started = now()
        work()
        return now().since(started)

    return run


def now(device: str = "cpu") -> Time:
    """The time when the device has finished all work given to it so far."""
    if device != "cpu":
        import torch  # here, because scoring needs no torch

        torch.cuda.synchronize() if device == "cuda" else torch.mps.synchronize()
    # Of children too, such as ffmpeg. This process's own time is counted finer than in ticks of a hundredth.
    return Time(time.perf_counter(), time.process_time() + sum(os.times()[2:4]))


def describe_machine(threads: int | None = None, gpu: str | None = None) -> dict[str, Any]:
    """Processor, usable cores, load and threads; nothing that identifies the machine."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "threads": threads,
        "gpu": gpu,
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries in use."""
    return {"python": platform.python_version(), **software_versions()}


def report(measurement: Measurement, out: Path | None) -> None:
    """Print the measurement as a table; write it to `out` as JSON if one is given."""
    table = Table(title=f"{measurement.benchmark}, {measurement.date}", title_justify="left")
    numbers = ("seconds", "of CPU", f"{measurement.unit}/s", "ratio: min", "median", "max", "of CPU")
    table.add_column("program")
    for heading in numbers:
        table.add_column(heading, justify="right")
    table.add_column("to")
    for one in measurement.results:
        table.add_row(*_cells(one))
    console = Console(width=None if Console().is_terminal else 150)
    console.print(table)
    for line in _facts(measurement):
        console.print(line, highlight=False, soft_wrap=True)
    if out is not None:
        write_text(out, json.dumps(asdict(measurement), indent=1) + "\n")


def _cells(one: Result) -> list[str]:
    seconds, cpu_seconds = statistics.median(one.seconds), statistics.median(one.cpu_seconds)
    cells = [one.name, f"{seconds:.3f}", f"{cpu_seconds:.3f}", f"{one.rate:,.1f}"]
    if one.against is None:
        return [*cells, *[""] * 5]
    spread = (min(one.ratios), statistics.median(one.ratios), max(one.ratios), statistics.median(one.cpu_ratios))
    return [*cells, *(f"{ratio:.2f}" for ratio in spread), one.against]


def _facts(measurement: Measurement) -> list[str]:
    machine = {name: value for name, value in measurement.machine.items() if value is not None}
    rounds = len(measurement.results[0].seconds)
    return [
        f"medians of {rounds} rounds; a ratio is the speed divided by that of the program in the last column, "
        "by the clock and by processor time",
        *measurement.notes,
        ", ".join(f"{name} {value}" for name, value in machine.items()),
        ", ".join(f"{name} {version}" for name, version in measurement.versions.items()),
    ]


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text(encoding="utf-8").splitlines() if info.is_file() else []:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
