"""The front door: prepare what is missing, train, evaluate, and leave a run directory.

python experiments/run.py --stages 4 --dataset egoprocel
python experiments/run.py --dataset path/to/file.h5 --split 1 --preset reference
python experiments/run.py --resume runs/x
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from protas_gtcc.cli.console import make_console
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.run_arguments import is_first_process, observers, open_run, parse_run
from protas_gtcc.devices import choose_device
from protas_gtcc.known_datasets import open_dataset
from protas_gtcc.report.tables import print_evaluation
from protas_gtcc.run_evaluation import evaluate_run
from protas_gtcc.training import train


def run(arguments: Sequence[str]) -> None:
    """Train and evaluate one run, as the flags say."""
    parsed = parse_run(arguments, "run.py", "Train on one split of a dataset, evaluate, and leave a run directory.")
    config, console, started = parsed.config, make_console(), time.perf_counter()
    dataset = open_dataset(config.dataset, lambda text: console.print(text, style="bold yellow"))
    directory = open_run(parsed, dataset)
    console.print(f"run directory: {directory.path}", highlight=False)
    train(config, dataset, directory, observers(console, directory), resume=parsed.resume is not None)
    if not is_first_process():
        return
    trained = time.perf_counter()
    evaluation = evaluate_run(
        directory, dataset, config.split, config.feature_set, choose_device(config.training.device)
    )
    print_evaluation(evaluation, console)
    console.print(
        f"trained in {trained - started:.0f} s, evaluated in {time.perf_counter() - trained:.0f} s; "
        f"everything is in {directory.path}",
        highlight=False,
    )


if __name__ == "__main__":
    run_command(lambda: run(sys.argv[1:]))
