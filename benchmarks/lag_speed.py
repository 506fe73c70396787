"""Time a frame of a stream that reports frames later, beside the same model that reports them at once.

    python benchmarks/lag_speed.py [--lag-seconds 2] [--classes 50] [--fps 30]

The model is that of `procedure_speed.py`, without procedures: the size of `default`, random weights. Every frame that
is reported takes a step back for each frame of the lag.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass

import torch
from procedure_speed import Arguments as Sizes
from procedure_speed import timed, untrained
from side_by_side import Measurement, describe_machine, measure, report, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.inference import TrainedModel

AT_ONCE = "step, reported at once"


@dataclass(frozen=True)
class Arguments(Sizes):
    """Time a frame with and without a lag."""

    classes: int = 50
    """Classes, background included."""
    fps: float = 30.0
    """Frames a second."""
    lag_seconds: float = 2.0
    """The lag."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(1)
    model = untrained(arguments)
    facts = dataclasses.replace(model.facts, procedure=None)
    at_once, later = (TrainedModel(model.network, facts) for _ in range(2))
    later.set_lag(arguments.lag_seconds)
    name = f"step, reported {arguments.lag_seconds:g} s later"
    programs = [timed(at_once, arguments, AT_ONCE), timed(later, arguments, name, AT_ONCE)]
    results = measure(programs, arguments.repeats)
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int | float)}
    notes = ["random weights, size of preset default"]
    report(Measurement("lag_speed", "frames", shown, results, notes, describe_machine(1), versions()), arguments.json)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "lag_speed.py", __doc__)))
