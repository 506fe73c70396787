"""Where commands put runs, and what every command that trains does around the training."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset
    from protas_gtcc.training.callbacks import Callback
    from protas_gtcc.training.run_directory import RunDirectory

RUNS_FOLDER = Path("runs")
LONGEST_NAME = 100


def free_run_folder(dataset: Dataset, split: str, parts: Sequence[str]) -> Path:
    """A new folder in runs/, named by dataset file, split and parts, and by a number if that name is taken."""
    name = "-".join([f"{_stem(dataset)}-split{split}", *parts])
    number, path = 1, RUNS_FOLDER / name
    while path.exists():
        number += 1
        path = RUNS_FOLDER / f"{name}-{number}"
    return path


def group_folder(kind: str, dataset: Dataset, flags: Sequence[str]) -> Path:
    """The folder in runs/ for a group of runs, named by dataset file and by the flags that hold for all of them.

    The same command has the same folder again. Runs with other flags do not meet there.
    """
    name = "-".join([kind, _stem(dataset), *(re.sub(r"[^\w.+]+", "-", word).strip("-") for word in flags)])
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME - 9]}-{digest}"
    return RUNS_FOLDER / name


@contextmanager
def offer_resume(console: Console, run: RunDirectory) -> Iterator[None]:
    """Around training: when it is interrupted, print how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        if run.state.is_file():
            console.print(f"finished epochs are kept; continue with --resume {run.path}", highlight=False)
        raise


def training_callbacks(console: Console, run: RunDirectory) -> list[Callback]:
    """The progress bar and the TensorBoard log of a training run."""
    from protas_gtcc.training.callbacks import ProgressBar, TensorBoardLog

    return [ProgressBar(console), TensorBoardLog(run.path)]


def is_first_process() -> bool:
    """Whether this is the process that writes and prints, under torchrun or alone."""
    return int(os.environ.get("RANK", 0)) == 0


def _stem(dataset: Dataset) -> str:
    stem = dataset.path.stem
    return f"{'simulated-' if dataset.info.simulated and 'simulated' not in stem else ''}{stem}"
