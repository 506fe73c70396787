"""`protas-gtcc run`, the front door: prepare what is missing, train, evaluate, and leave a run directory."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import ClassVar

from protas_gtcc.cli.commands import train
from protas_gtcc.cli.shared.console import is_first_process, make_console, progress_bars
from protas_gtcc.cli.shared.shown_videos import print_test_videos
from protas_gtcc.training.callbacks import resumable


@dataclass(frozen=True)
class Command(train.Command):
    """Train on one split of a dataset, evaluate on its test videos, and leave a run directory."""

    verb: ClassVar[str] = "run"

    def run(self) -> None:
        """Train, evaluate and print."""
        from protas_gtcc.inference import choose_device
        from protas_gtcc.report.tables import print_evaluation
        from protas_gtcc.runs.evaluate_run import evaluate_run

        console = make_console(stderr=self.json)
        started = time.perf_counter()
        run, dataset, config = self.train(console, to_evaluate=True)
        if not is_first_process():
            return
        trained = time.perf_counter()
        device = choose_device(config.training.device)
        with resumable(run, self.verb), progress_bars() as on_progress:
            evaluation = evaluate_run(run, dataset, config.split, config.feature_set, device, on_progress=on_progress)
        if self.json:
            print(json.dumps(evaluation.metrics, allow_nan=False))
        print_evaluation(evaluation, console)
        print_test_videos(run.predictions, dataset, config.split, console)
        seconds = f"trained in {trained - started:.0f} s, evaluated in {time.perf_counter() - trained:.0f} s"
        console.print(f"{seconds}; everything is in {run.path}")
