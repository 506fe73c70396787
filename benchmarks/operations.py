"""Time left on simulated operations, in minutes: look-ups, true phases, confused phases, and those of trained models.

    protas-gtcc simulate operations.h5 --only cholecystectomy
    protas-gtcc train --dataset operations.h5 --epochs 10 --out runs/operations
    python benchmarks/operations.py --dataset operations.h5 --runs runs/operations

Procedures are learnt from the training operations of a split. *Confused*: the true phases through a recogniser with a
stated share of wrong stretches of 10 seconds (`runs/procedures.py`). The error is the mean over operations of the mean
over an operation's frames: all of them, and those with at most 30 or 5 minutes left. *Pooled* is the mean over the
frames of all operations. Intervals are 95 %, over surgeons.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import DEFAULT, DecodingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.procedure import score_procedures
from protas_gtcc.metrics.procedure_lookups import PROCEDURE_LOOKUPS, fit_procedure_lookups
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.procedure.tables import Recording
from protas_gtcc.procedure.truth import read_truth
from protas_gtcc.runs.procedure_inputs import Evidence, confused_steps, true_steps
from protas_gtcc.runs.procedures import Test, exact_settings, learn, of_run

Reports = list[tuple[Procedure, ProcedureTruth]]
FIGURES = ("error_minutes", "last_30_error_minutes", "last_5_error_minutes", "interval_coverage")
COLUMNS = ("time left from", "whole", "last 30 minutes", "last 5 minutes", "interval holds", "whole, pooled")


@dataclass(frozen=True)
class Arguments:
    """Score the time left on operations."""

    dataset: Path
    """Dataset file of one task."""
    runs: tuple[Path, ...] = ()
    """Run directories of models that were trained on it."""
    split: str = "1"
    """Learn from its training and validation videos, score its test videos."""
    confusions: tuple[float, ...] = (0.1, 0.2)
    """Shares of wrong stretches."""
    seed: int = 0
    """Of what is confused."""


def inputs(arguments: Arguments, dataset: Dataset) -> Iterator[tuple[str, Reports]]:
    """Each input's name, and what is reported of each test video, beside the truth."""
    train = [video for part in ("train", "validation") for video in dataset.part(arguments.split, part)]
    test = dataset.part(arguments.split, "test")
    if not train or not test:
        raise InputError(f"{dataset.path}: split {arguments.split} needs training and test videos; choose another one")
    true = followed(dataset, train, test, true_steps(dataset), exact_settings())
    truths = [truth for _, truth in true]
    recordings = [Recording(read_truth(dataset, video).steps) for video in train]
    lookups = fit_procedure_lookups(recordings, dataset.info.num_classes, dataset.info.fps)
    for name in PROCEDURE_LOOKUPS:
        yield f"look-up `{name}`, true phases", [(lookups.report(truth)[name], truth) for truth in truths]
    yield "true phases", true
    for share in arguments.confusions:
        evidence = confused_steps(dataset, share, arguments.seed)
        yield f"confused phases, {share:.0%}", followed(dataset, train, test, evidence, DEFAULT.decoding)
    for run in arguments.runs:
        learnt, evidence, known = of_run(run, dataset, arguments.split, train)
        yield f"a model's own, {run.name}", reports(Test(dataset, known, test, evidence, learnt, task_given=True))


def followed(
    dataset: Dataset, train: list[str], test: list[str], evidence: Evidence, settings: DecodingConfig
) -> Reports:
    """What is reported from evidence of the phases; without alarms."""
    learnt = learn(dataset, train, evidence, settings)
    return reports(Test(dataset, train, test, evidence, learnt, task_given=True))


def reports(test: Test) -> Reports:
    """What is reported of each test video, beside the truth."""
    return [(test.report(tracked), truth) for tracked, truth in test.follow()]


def pooled_minutes(reports: Reports, fps: float) -> float:
    """Mean error over all frames of all videos, from the first step to the end of the last."""
    errors = []
    for procedure, truth in reports:
        frames = np.arange(truth.first, truth.end)
        errors.append(np.abs(procedure.left_seconds[frames] - (truth.end - frames - 1) / fps) / 60)
    return float(np.concatenate(errors).mean())


def cell(scores: dict[str, Any], figure: str) -> str:
    """A figure with its interval; "–" where there is none."""
    value, ends = scores["time_left"][figure], scores["intervals"]["time_left"][figure]
    interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else ""
    return "–" if value is None else f"{value:.2f}{interval}"


def main(arguments: Arguments) -> None:
    """Print the table."""
    dataset = Dataset(arguments.dataset)
    fps = dataset.info.fps
    print(f"| {' | '.join(COLUMNS)} |\n| {' | '.join(['---'] * len(COLUMNS))} |")
    for name, found in inputs(arguments, dataset):
        scores = score_procedures(found, fps)
        cells = [name, *(cell(scores, figure) for figure in FIGURES), f"{pooled_minutes(found, fps):.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "operations.py", __doc__)))
