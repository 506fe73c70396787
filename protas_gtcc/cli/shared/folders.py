"""Where commands write: the folders of runs, and files that exist."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protas_gtcc.dataset.file import Dataset

RUNS_FOLDER = Path("runs")
LONGEST_NAME = 100


def free_run_folder(dataset: Dataset, split: str, parts: Iterable[str | None]) -> Path:
    """A new folder in runs/, named by dataset file, split and parts, and by a number if that name is taken."""
    name = "-".join([f"{_stem(dataset)}-split{split}", *filter(None, parts)])
    number, path = 1, RUNS_FOLDER / name
    while path.exists():
        number += 1
        path = RUNS_FOLDER / f"{name}-{number}"
    return path


def group_folder(kind: str, dataset: Dataset, flags: Sequence[str]) -> Path:
    """The folder in runs/ for a group of runs, named by dataset file and by the flags that hold for all of them.

    The same command has the same folder again; commands with other flags have other folders.
    """
    name = "-".join([kind, _stem(dataset), *(re.sub(r"[^\w.+]+", "-", word).strip("-") for word in flags)])
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME - 9]}-{digest}"
    return RUNS_FOLDER / name


def _stem(dataset: Dataset) -> str:
    stem = dataset.path.stem
    return f"{'simulated-' if dataset.info.simulated and 'simulated' not in stem else ''}{stem}"
