"""What a lag gives: scores by how much of what follows a frame is known, as a table and a picture.

    protas-gtcc ablate runs/gtea/default/* --dataset gtea.h5 --json > gtea.json
    python benchmarks/lag_curves.py gtea.json salads.json --picture lag.png

Each file is what `ablate --json` prints of one set of runs; its name is the name of the set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.report.figures import value_at
from protas_gtcc.report.plots import DOTS_PER_INCH, save, tidy
from protas_gtcc.runs.ablation import LAGS

FIGURES = {
    "accuracy, %": "segmentation.acc",
    "edit, %": "segmentation.edit",
    "F1@50, %": "segmentation.f1@50",
    "skill": "progress.predicted.skill",
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito, which colour-blind people can keep apart."""


@dataclass(frozen=True)
class Arguments:
    """What a lag gives."""

    files: Positional[tuple[Path, ...]]
    """JSON of `ablate`, one file for each set of runs."""
    picture: Path | None = None
    """Draw the curves into this file."""


def scores_by_lag(file: Path) -> dict[str, list[float]]:
    """Of each of `FIGURES` the value for each of `LAGS`."""
    compared = json.loads(file.read_text())
    return {
        figure: [float(value_at(compared[name]["scores"], path) or np.nan) for name in LAGS]
        for figure, path in FIGURES.items()
    }


def table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A row for each figure of each set, a column for each lag."""
    lags = ["0", *(f"{one:g} s" for one in LAGS.values() if 0 < one < np.inf), "whole video"]
    rows = [f"| set | figure | {' | '.join(lags)} |", "|---|---|" + "---|" * len(lags)]
    for name, scores in found.items():
        for figure, values in scores.items():
            cells = " | ".join(f"{one:.2f}" if figure == "skill" else f"{one:.1f}" for one in values)
            rows.append(f"| {name} | {figure} | {cells} |")
    return "\n".join(rows)


def draw(path: Path, found: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """A panel for each figure, a curve for each set."""
    figure = Figure(figsize=(8, 5.5), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).flat
    places, labels = np.arange(len(LAGS)), ["0", *(f"{one:g}" for one in list(LAGS.values())[1:-1]), "all"]
    for axis, name in zip(panels, FIGURES, strict=True):
        for colour, (title, scores) in zip(COLOURS, found.items(), strict=False):
            axis.plot(places, scores[name], color=colour, marker="o", markersize=3, label=title)
        axis.set(title=name, xticks=places, xticklabels=labels)
        tidy(axis)
    figure.supxlabel("seconds of lag", fontsize="medium")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    save(figure, path)


def main(arguments: Arguments) -> None:
    """Print the table, and draw."""
    found = {file.stem: scores_by_lag(file) for file in arguments.files}
    print(table(found))
    if arguments.picture is not None:
        draw(arguments.picture, found)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "lag_curves.py", __doc__)))
