"""`protas-gtcc train`: dataset file -> run directory with a trained model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from protas_gtcc.cli.shared.run_arguments import RunArguments, parse_run, train_run
from protas_gtcc.cli.shared.run_folders import is_first_process


@dataclass(frozen=True)
class Command:
    """Train a model on one split of a dataset and leave a run directory.

    'protas-gtcc evaluate' scores it; 'protas-gtcc run' does both.
    """

    arguments: RunArguments

    def run(self) -> None:
        """Train, or resume a run."""
        from protas_gtcc.cli.shared.console import make_console

        # With --json, standard output holds nothing else.
        console = make_console(stderr=self.arguments.json, quiet=not is_first_process())
        run, _, config = train_run(self.arguments, console)
        if self.arguments.json and is_first_process():
            rows = run.read_log()
            print(json.dumps({"run": str(run.path), "dataset": config.dataset, "epochs": len(rows), "last": rows[-1]}))
        console.print(f"trained: {run.path}", highlight=False)


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Parse flags on top of a preset's or a resumed run's settings."""
    return Command(parse_run(arguments, prog, Command.__doc__ or ""))
