"""Table and picture of the progress that scalar heads report for simulated actions of known lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from protas_gtcc.report.figures import line, rule
from protas_gtcc.simulate.actions import LENGTHS

SegmentProgress = list[np.ndarray]
"""Progress at every frame of each test segment, `[T]`."""
MIDDLE = (0.4, 0.6)
HEADS = ("frame error", "segment error", "reported in the middle", "deviation", "first frame", "last frame")


@dataclass(frozen=True)
class ConditionResult:
    """The test segments of one condition of the simulation, and the progress that each predictor reports."""

    labels: list[int]
    lengths: list[int]
    reported: Mapping[str, SegmentProgress]

    @property
    def targets(self) -> SegmentProgress:
        """True progress."""
        return [np.arange(1, length + 1) / length for length in self.lengths]

    def of_class(self, progress: SegmentProgress, label: int) -> SegmentProgress:
        """The segments of one class."""
        return [one for one, its_label in zip(progress, self.labels, strict=True) if its_label == label]

    def errors(self, progress: SegmentProgress) -> list[np.ndarray]:
        """Absolute errors."""
        return [np.abs(one - target) for one, target in zip(progress, self.targets, strict=True)]


def markdown(results: Mapping[str, ConditionResult]) -> str:
    """A row for each predictor in each condition."""
    heads = [*HEADS, f"last of {LENGTHS[0]}", f"fifth of {LENGTHS[-1]}"]
    lines = ["SIMULATED. True progress is in the middle, .4 to .6, for a fifth of frames; its deviation is .29.", ""]
    lines += [line("", heads), rule(len(heads) + 1)]
    for name, result in results.items():
        lines.append(line(f"**{name}**", [""] * len(heads)))
        rows = {**result.reported, "the truth": result.targets}
        lines += [line(predictor, _figures(result, progress)) for predictor, progress in rows.items()]
    return "\n".join(lines) + "\n"


def _figures(result: ConditionResult, progress: SegmentProgress) -> list[str]:
    errors, every = result.errors(progress), np.concatenate(progress)
    figures = [np.concatenate(errors).mean(), np.mean([one.mean() for one in errors])]
    figures += [np.mean((every >= MIDDLE[0]) & (every <= MIDDLE[1])), every.std()]
    figures += [np.mean([one[0] for one in progress]), np.mean([one[-1] for one in progress])]
    figures.append(np.mean([one[-1] for one in result.of_class(progress, 0)]))
    figures.append(np.mean([one[4] for one in result.of_class(progress, len(LENGTHS) - 1)]))
    return [f"{value:.2f}" if number > 1 else f"{value:.3f}" for number, value in enumerate(figures)]


def draw(results: Mapping[str, ConditionResult]) -> Figure:
    """Reported over true progress: a row for each condition, a column for each predictor, a line for each class."""
    names = list(next(iter(results.values())).reported)
    figure = Figure(figsize=(2.15 * len(names) + 0.6, 5.9), dpi=110, layout="constrained")
    grid = figure.subplots(len(results), len(names), sharex=True, sharey=True)
    for axes_row, (name, result) in zip(grid, results.items(), strict=True):
        for axes, progress in zip(axes_row, result.reported.values(), strict=True):
            _draw_panel(axes, result, progress)
        axes_row[0].set_ylabel(f"{name}\n\nreported progress (mean)", fontsize=9)
    for name, top, bottom in zip(names, grid[0], grid[-1], strict=True):
        top.set_title(name.replace(", ", ",\n").replace(": ", ":\n"), fontsize=9.5)
        bottom.set_xlabel("true progress", fontsize=9)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)
    title = "Progress that scalar heads report for simulated actions; grey: how often each value is reported"
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_panel(axes: Axes, result: ConditionResult, progress: SegmentProgress) -> None:
    axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":", label="truth")
    counts, edges = np.histogram(np.concatenate(progress), bins=40, range=(0, 1))
    axes.fill_betweenx(edges[:-1], 0, counts / counts.sum() * 2.5, step="post", color="0.85", lw=0)
    # Dark to light by length, and readable without colour: the lines are in the order of the lengths.
    colours = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8b000")
    for label, (length, colour) in enumerate(zip(LENGTHS, colours, strict=True)):
        # At shares of the action that every length has frames near to.
        at = np.linspace(1 / length, 1, min(length, 20))
        chosen = result.of_class(progress, label)
        mean = np.mean([one[np.ceil(at * len(one) - 1e-9).astype(int) - 1] for one in chosen], axis=0)
        axes.plot(at, mean, color=colour, lw=1.8, marker="o", ms=2.5, label=f"about {length} frames")
    error = np.concatenate(result.errors(progress)).mean()
    axes.text(0.97, 0.03, f"error {error:.3f}", transform=axes.transAxes, ha="right", fontsize=9)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
