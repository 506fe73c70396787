"""The front door: prepare what is missing, train, evaluate, and leave a run directory.

python experiments/run.py --stages 4 --dataset egoprocel
python experiments/run.py --dataset path/to/file.h5 --split 1 --preset reference
python experiments/run.py --resume runs/x
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.console import make_console
from protas_gtcc.cli.shared.run_arguments import is_first_process, parse_run, train_run
from protas_gtcc.report.tables import print_evaluation
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.training.devices import choose_device


def run(arguments: Sequence[str]) -> None:
    """Train and evaluate one run, as the flags say."""
    parsed = parse_run(arguments, "run.py", "Train on one split of a dataset, evaluate, and leave a run directory.")
    console = make_console(stderr=parsed.json, quiet=not is_first_process())
    started = time.perf_counter()
    directory, dataset, config = train_run(parsed, console, to_evaluate=True)
    if not is_first_process():
        return
    trained = time.perf_counter()
    device = choose_device(config.training.device)
    evaluation = evaluate_run(directory, dataset, config.split, config.feature_set, device)
    if parsed.json:
        print(json.dumps(evaluation.metrics, allow_nan=False))
    print_evaluation(evaluation, console)
    console.print(
        f"trained in {trained - started:.0f} s, evaluated in {time.perf_counter() - trained:.0f} s; "
        f"everything is in {directory.path}",
        highlight=False,
    )


if __name__ == "__main__":
    run_command(lambda: run(sys.argv[1:]))
