"""`protas-gtcc train`: dataset file -> run directory with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protas_gtcc.cli.console import make_console
from protas_gtcc.cli.run_arguments import RunArguments, observers, open_run, parse_run
from protas_gtcc.known_datasets import open_dataset
from protas_gtcc.training import train


@dataclass(frozen=True)
class Command:
    """Train a model on one split of a dataset and leave a run directory. `protas-gtcc evaluate` scores it."""

    arguments: RunArguments

    def run(self) -> None:
        """Train, or go on training."""
        console = make_console()
        dataset = open_dataset(self.arguments.config.dataset, console.print)
        run = open_run(self.arguments, dataset)
        train(self.arguments.config, dataset, run, observers(console, run), self.arguments.resume is not None)
        console.print(f"trained: {run.path}")


def parse_command(arguments: Sequence[str], prog: str) -> Command:
    """Flags on top of a preset's or a resumed run's settings."""
    return Command(parse_run(arguments, prog, Command.__doc__ or ""))
