"""Mean curves of progress in right and in wrong steps, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from protas_gtcc.report.plots import DOTS_PER_INCH, save, tidy

AXES = {"shares": "share of the step's own length", "elapsed": "elapsed time, in usual lengths of the class"}
TITLES = {"true class": "progress of the true class", "reported": "reported progress"}
RIGHT, WRONG = "#00796B", "#D84315"


@dataclass(frozen=True, eq=False)
class Panel:
    """Curves of one method over one axis, each `[E]`."""

    method: str
    axis: str
    points: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    interval: np.ndarray
    """Of the wrong curve, were the right one known: the interval of their difference, `[2, E]`."""


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """A row for each method of `TITLES`, a column for each axis; counting is in all of them."""
    figure = Figure(figsize=(8, 5.5), dpi=DOTS_PER_INCH, layout="constrained")
    grid = figure.subplots(len(TITLES), len(AXES), sharex="col", sharey=True)
    place = {(method, axis): grid[row, column] for row, method in enumerate(TITLES) for column, axis in enumerate(AXES)}
    for panel in panels:
        if panel.method in TITLES:
            axis = place[panel.method, panel.axis]
            axis.fill_between(panel.points, *panel.interval, color=WRONG, alpha=0.2, linewidth=0)
            axis.plot(panel.points, panel.right, color=RIGHT, label="right")
            axis.plot(panel.points, panel.wrong, color=WRONG, label="done wrongly")
            axis.set(ylim=(0, 1), ylabel=TITLES[panel.method] if panel.axis == "shares" else "")
            tidy(axis)
        else:
            for method in TITLES:
                axis = place[method, panel.axis]
                axis.plot(panel.points, panel.right, color=RIGHT, linestyle=":", linewidth=1, label="counting, right")
                axis.plot(panel.points, panel.wrong, color=WRONG, linestyle=":", linewidth=1, label="counting, wrong")
    for axis, name in zip(grid[-1], AXES.values(), strict=True):
        axis.set_xlabel(name)
    grid[0, 0].legend(frameon=False, fontsize="small", ncols=2, loc="upper left")
    save(figure, path)
