"""`protas-gtcc run`, the front door: prepare what is missing, train, evaluate, and leave a run directory."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.run_arguments import RunArguments, parse_run, train_run
from protas_gtcc.cli.shared.run_folders import is_first_process


@dataclass(frozen=True)
class Command:
    """Train on one split of a dataset, evaluate on its test videos, and leave a run directory."""

    arguments: RunArguments

    def run(self) -> None:
        """Train, evaluate and print."""
        # torch is slow to import, and --help needs none of it
        from protas_gtcc.report.tables import print_evaluation
        from protas_gtcc.runs.evaluate_run import evaluate_run
        from protas_gtcc.training.devices import choose_device

        console = make_console(stderr=self.arguments.json, quiet=not is_first_process())
        started = time.perf_counter()
        run, dataset, config = train_run(self.arguments, console, to_evaluate=True)
        if not is_first_process():
            return
        trained = time.perf_counter()
        device = choose_device(config.training.device)
        evaluation = evaluate_run(run, dataset, config.split, config.feature_set, device)
        if self.arguments.json:
            print(json.dumps(evaluation.metrics, allow_nan=False))
        print_evaluation(evaluation, console)
        seconds = f"trained in {trained - started:.0f} s, evaluated in {time.perf_counter() - trained:.0f} s"
        console.print(f"{seconds}; everything is in {run.path}", highlight=False)


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Parse flags on top of a preset's or a resumed run's settings."""
    return Command(parse_run(arguments, prog, Command.__doc__ or ""))
