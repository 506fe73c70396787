"""Finished runs -> Markdown tables for each dataset, split and preset, seeds averaged.

    python experiments/results_table.py runs/gtea-* > table.md

Each cell is the mean over seeds, with the smallest and largest in brackets where they differ. The look-up
predictors' rows come from the same metrics.json files: on true segments they do not depend on the run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from protas_gtcc.cli.main import run_command
from protas_gtcc.errors import InputError
from protas_gtcc.run_directory import RunDirectory

SEGMENTATION = ("acc", "acc_no_background", "edit", "edit_merged", "f1@10", "f1@25", "f1@50")
PROGRESS = ("frame", "macro", "video", "segment")


@dataclass(frozen=True)
class ResultsTable:
    """Print a Markdown table of finished runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories that were evaluated."""

    def run(self) -> None:
        """Read, group and print."""
        groups: dict[str, list[Any]] = defaultdict(list)
        for path in self.runs:
            groups[_title(path)].append(_read(path))
        print(segmentation_table(groups))
        print(progress_tables(groups))


def segmentation_table(groups: dict[str, list[Any]]) -> str:
    """Scores in percent, and the time that training took."""
    rows = ["| run | seeds | " + " | ".join(SEGMENTATION) + " | training, s |", "|---" * (len(SEGMENTATION) + 3) + "|"]
    for title, runs in groups.items():
        cells = [_cell([one["segmentation"][name] for one in runs], "{:.1f}".format) for name in SEGMENTATION]
        seconds = _cell([one["training_seconds"] for one in runs], "{:.0f}".format)
        rows.append(f"| {title} | {len(runs)} | " + " | ".join([*cells, seconds]) + " |")
    return "\n".join(rows) + "\n"


def progress_tables(groups: dict[str, list[Any]]) -> str:
    """Progress errors of the model and of every look-up, a table for each group."""
    return "\n".join(_progress_table(title, runs) for title, runs in groups.items())


def _progress_table(title: str, runs: list[Any]) -> str:
    rows = [f"{title}:\n", "| progress by | " + " | ".join(PROGRESS) + " |", "|---" * (len(PROGRESS) + 1) + "|"]
    for which in ("predicted", "oracle"):
        rows.append(_progress_row(f"the model, {which} class", [one["progress"][which] for one in runs]))
    for segments, told in (("predicted_segments", "predicted segments"), ("oracle_segments", "true segments")):
        for name in runs[0]["baselines"]:
            rows.append(_progress_row(f"`{name}`, {told}", [one["baselines"][name][segments] for one in runs]))
    return "\n".join(rows) + "\n"


def _progress_row(who: str, errors: list[dict[str, float]]) -> str:
    cells = [_cell([one[name] for one in errors], "{:.3f}".format) for name in PROGRESS]
    return f"| {who} | " + " | ".join(cells) + " |"


def _cell(values: list[float], form: Callable[[float], str]) -> str:
    mean = form(float(np.mean(values)))
    return mean if len({form(value) for value in values}) == 1 else f"{mean} [{form(min(values))}, {form(max(values))}]"


def _title(path: Path) -> str:
    metrics, config = _metrics(path), RunDirectory(path).read_config()
    return f"{metrics['dataset']}, split {metrics['split']}, {metrics['feature_set']}, `{config.preset}`"


def _read(path: Path) -> dict[str, Any]:
    return {**_metrics(path), "training_seconds": float(pd.read_csv(RunDirectory(path).log)["seconds"].sum())}


def _metrics(path: Path) -> dict[str, Any]:
    file = RunDirectory(path).metrics
    if not file.is_file():
        raise InputError(f"{path} was not evaluated: it has no metrics.json; run protas-gtcc evaluate {path}")
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_command(lambda: tyro.cli(ResultsTable).run())
