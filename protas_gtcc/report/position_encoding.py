"""Table and picture of the progress that scalar heads report for simulated actions of known lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from protas_gtcc.report.figures import line, rule
from protas_gtcc.simulate.actions import LENGTHS

SegmentProgress = list[np.ndarray]
"""Progress at every frame of each test segment, `[T]`."""
MIDDLE = (0.4, 0.6)
HEADS = (
    "frame error",
    "than its base",
    "in .4 to .6",
    "deviation",
    "first frame",
    "last frame",
    f"last of {LENGTHS[0]}",
    f"fifth of {LENGTHS[-1]}",
)
PICTURED = ("V2", "V3", "V3, clipped with an encoder", "V4", "gru-dense", "per class, given the class")


@dataclass(frozen=True)
class ConditionResult:
    """The test segments of one condition of the simulation and one seed, and what each predictor reports."""

    labels: list[int]
    lengths: list[int]
    reported: Mapping[str, SegmentProgress]
    bases: Mapping[str, str | None] = field(default_factory=dict)
    """By predictor, the one that it is a change to."""

    @property
    def targets(self) -> SegmentProgress:
        """True progress."""
        return [np.arange(1, length + 1) / length for length in self.lengths]

    def of_class(self, progress: SegmentProgress, label: int) -> SegmentProgress:
        """The segments of one class."""
        return [one for one, its_label in zip(progress, self.labels, strict=True) if its_label == label]

    def error(self, progress: SegmentProgress) -> float:
        """Mean absolute error over frames."""
        return float(np.abs(np.concatenate(progress) - np.concatenate(self.targets)).mean())

    def figures(self, name: str) -> list[float]:
        """A row of the table, by column; NaN for the difference to a base where there is none."""
        progress = self.targets if name == TRUTH else self.reported[name]
        every, base, error = np.concatenate(progress), self.bases.get(name), self.error(progress)
        change = error - self.error(self.reported[base]) if base else np.nan
        middle = float(np.mean((every >= MIDDLE[0]) & (every <= MIDDLE[1])))
        shown = [[one[0] for one in progress], [one[-1] for one in progress]]
        shown.append([one[-1] for one in self.of_class(progress, 0)])
        shown.append([one[4] for one in self.of_class(progress, len(LENGTHS) - 1)])
        return [error, change, middle, float(every.std()), *(float(np.mean(values)) for values in shown)]


TRUTH = "the truth"


def markdown(results: Mapping[str, Sequence[ConditionResult]]) -> str:
    """A row for each predictor in each condition: means over seeds, and the spread of errors."""
    lines = ["SIMULATED. True progress is in the middle, .4 to .6, for a fifth of frames; its deviation is .29.", ""]
    lines += [line("", HEADS), rule(len(HEADS) + 1)]
    for name, seeds in results.items():
        lines.append(line(f"**{name}**", [""] * len(HEADS)))
        for predictor in [*seeds[0].reported, TRUTH]:
            lines.append(line(predictor, _cells(np.array([one.figures(predictor) for one in seeds]))))
    count = len(next(iter(results.values())))
    lines += [
        "",
        f"Means of {count} seed{'s' * (count > 1)}; ± is half the distance between the largest and the least.",
    ]
    return "\n".join(lines) + "\n"


def _cells(figures: np.ndarray) -> list[str]:
    """The cells of a row, from its figures `[seeds, columns]`."""
    means, spreads = figures.mean(axis=0), np.ptp(figures, axis=0) / 2
    error, change, *rest = means
    cells = [f"{error:.3f} ± {spreads[0]:.3f}", "" if np.isnan(change) else f"{change:+.3f} ± {spreads[1]:.3f}"]
    return cells + [f"{value:.2f}" for value in rest]


def draw(results: Mapping[str, ConditionResult]) -> Figure:
    """Reported over true progress: a row for each condition, a column for each predictor, a line for each class."""
    names = [name for name in next(iter(results.values())).reported if name in PICTURED]
    figure = Figure(figsize=(2.15 * len(names) + 0.6, 5.9), dpi=110, layout="constrained")
    grid = figure.subplots(len(results), len(names), sharex=True, sharey=True)
    for axes_row, (name, result) in zip(grid, results.items(), strict=True):
        for axes, predictor in zip(axes_row, names, strict=True):
            _draw_panel(axes, result, result.reported[predictor])
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
    axes.text(0.97, 0.03, f"error {result.error(progress):.3f}", transform=axes.transAxes, ha="right", fontsize=9)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
