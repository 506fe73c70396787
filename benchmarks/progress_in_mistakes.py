"""Does progress stall, fall or run on when a step is done wrongly, against the same steps done right?

    protas-gtcc prepare captaincook4d --out captaincook4d.h5 --fps 1
    protas-gtcc cross-validate --dataset captaincook4d.h5 --splits recordings --train-on-validation --seeds 3 --out runs
    python benchmarks/progress_in_mistakes.py --runs runs --dataset captaincook4d.h5

Steps are those of the test videos as annotated, with their own start and end. A step is *wrong* if a mistake is
annotated for it, else *right*. It is *done wrongly* if some mistake is of another kind than its order: a step at the
wrong place may itself be done well. Three curves are compared: progress of the true class, so that classification does
not matter; reported progress; and counting, the look-up that is given the true start and sees nothing: elapsed time /
usual length. What counting does on wrong steps comes from their length alone. `step_curves.py` defines the figures.
Differences are between steps of the same class; intervals are 95 %, over people and seeds.

In a recording with mistakes, the right steps may look different, too: they come in another order, and after other
things. So the second table ends with two more rows. One compares wrong steps with the right ones of recordings with
mistakes alone. The control compares these right steps with those of recordings in which nothing is wrong or missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mistake_picture import Panel, draw
from mistake_steps import METHODS, Steps, collect
from step_curves import ELAPSED, FIGURES, SHARES, Compared, compare

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import File, parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, plural
from protas_gtcc.metrics.intervals import NO_LIMITS, jackknife_intervals
from protas_gtcc.metrics.left_out import Groups, leave_out

LEAST_STEPS, LEAST_PEOPLE = 10, 3
"""A kind of mistake has a row if so many wrong steps, of so many people, have a right step of their class beside."""
OF_KIND = ("at the end", "gain, first half", "gain, second half", "fallen", "longest stall", "bias")
"""The figures that the table of kinds has."""


@dataclass(frozen=True)
class Arguments:
    """Compare progress in wrong steps with that in right ones."""

    runs: tuple[Path, ...]
    """Run directories of one kind, or folders with them at any depth."""
    dataset: File
    """Dataset file that they were trained on, with mistakes."""
    order_tags: tuple[str, ...] = ("Order Error",)
    """Kinds of mistakes that are about the order of steps, not about how a step was done."""
    least_seconds: float = 10
    """Shorter steps are left out."""
    picture: Path | None = None
    """Draw mean curves into this PNG file."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The steps of one kind of mistake, the right ones beside them, and weights that leave out one thing at a time."""

    steps: Steps
    wrong: np.ndarray
    """The wrong steps of this kind, bool `[S]`."""
    used: np.ndarray
    """Those and the right ones, of classes that have both; bool `[S]`."""
    weights: np.ndarray
    """`[1 + J, S]`."""
    groups: Groups

    def of(self, values: np.ndarray) -> Compared:
        """Compare a figure `[S]`."""
        wrong, classes, lengths = (one[self.used] for one in (self.wrong, self.steps.classes, self.steps.lengths))
        return compare(values[self.used], wrong, classes, lengths, self.weights[:, self.used])

    def interval(self, values: np.ndarray) -> np.ndarray:
        """Low and high end of a figure, `[1 + J]` -> `[2]`; NaN where undefined."""
        return jackknife_intervals(values[None], self.groups, np.array([NO_LIMITS]))[0]

    @property
    def people(self) -> int:
        """How many people did the wrong steps."""
        return len({self.steps.rows.clusters[row] for row in self.steps.row[self.used & self.wrong]})

    def __str__(self) -> str:
        counted, classes = self.of(self.steps.lengths), len(np.unique(self.steps.classes[self.used]))
        counts = f"{plural(counted.num_wrong, 'wrong step')} and {plural(counted.num_right, 'right step')}"
        return f"{counts} of {plural(classes, 'class')}; the wrong ones are by {self.people} people"


def comparisons(steps: Steps, order_tags: Sequence[str]) -> dict[str, Comparison]:
    """The wrong steps by kind beside the right ones; controls that hold apart the step and its recording."""
    (weights,), groups = leave_out(steps.rows)
    right = np.array([not tags for tags in steps.tags])
    done_wrongly = np.array([bool(tags - {*order_tags}) for tags in steps.tags])
    kinds = {"done wrongly": (done_wrongly, right), "any mistake": (~right, right)}
    kinds["order alone"] = (~right & ~done_wrongly, right)
    for tag in sorted(frozenset().union(*steps.tags)):
        kinds[tag] = (np.array([tag in tags for tags in steps.tags]), right)
    kinds["done wrongly, in recordings with mistakes"] = (done_wrongly, right & steps.with_mistakes)
    kinds["control: right, in recordings with mistakes"] = (right & steps.with_mistakes, right & ~steps.with_mistakes)
    found = {}
    for name, (wrong, beside) in kinds.items():
        both = np.intersect1d(steps.classes[wrong], steps.classes[beside])
        used = (wrong | beside) & np.isin(steps.classes, both)
        found[name] = Comparison(steps, wrong, used, weights[:, steps.row], groups)
    return found


def table_of_figures(comparison: Comparison) -> Iterator[str]:
    """Lines of Markdown: every figure of every curve, wrong less right."""
    of_model = [
        f"{method}, {one}" for method in METHODS[:2] for one in ("right steps", "wrong - right", "equal length")
    ]
    yield from head("figure", "wrong, right", *of_model, "counting, right steps", "wrong - right")
    for name in FIGURES:
        results = [comparison.of(comparison.steps.figures[method, name]) for method in METHODS]
        cells = [one for result in results for one in cells_of(comparison, result)]
        yield line(name, counts(results[0]), *cells[:-1])
    probability = comparison.of(comparison.steps.figures["probability",])
    yield line("probability", counts(probability), *cells_of(comparison, probability), *["–"] * 5)


def table_of_kinds(found: dict[str, Comparison]) -> Iterator[str]:
    """Lines of Markdown: each kind of mistake with enough steps; progress of the true class, at equal length."""
    yield from head("mistake", "wrong, right", "people", "length", *OF_KIND, "probability")
    names: list[tuple[str, ...]] = [*((METHODS[0], name) for name in OF_KIND), ("probability",)]
    for kind, comparison in found.items():
        length = comparison.of(comparison.steps.lengths)
        if length.num_wrong < LEAST_STEPS or comparison.people < LEAST_PEOPLE:
            continue
        results = (comparison.of(comparison.steps.figures[name]) for name in names)
        cells = [cell(comparison, result.at_equal_length) for result in results]
        of_length = cell(comparison, length.difference)
        yield line(kind, counts(length), str(comparison.people), of_length, *cells)


def counts(result: Compared) -> str:
    """How many steps a figure is of."""
    return f"{result.num_wrong}, {result.num_right}"


def cells_of(comparison: Comparison, result: Compared) -> list[str]:
    """Mean of the right steps, difference of the wrong ones, and that at equal length."""
    differences = (result.difference, result.at_equal_length)
    return [number(result.right[0]), *(cell(comparison, one) for one in differences)]


def head(*names: str) -> Iterator[str]:
    """The first two lines of a table."""
    yield line(*names)
    yield line(*["---"] * len(names))


def line(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def cell(comparison: Comparison, difference: np.ndarray) -> str:
    """A difference with its interval, bold where that excludes 0."""
    if not np.isfinite(difference[0]):
        return "–"
    low, high = comparison.interval(difference)
    text = f"{number(difference[0], sign=True)} [{number(low)}, {number(high)}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def number(value: float, sign: bool = False) -> str:
    """Two digits, without a leading 0; "–" for NaN."""
    value = round(value, 2) + 0.0  # no -.00
    text = f"{value:+.2f}" if sign else f"{value:.2f}"
    return "–" if np.isnan(value) else text.replace("0.", ".", 1)


def panels(comparison: Comparison) -> Iterator[Panel]:
    """Mean curves of right and of wrong steps, over the share of the step and over elapsed time."""
    for method in METHODS:
        for axis, points in (("shares", SHARES), ("elapsed", ELAPSED)):
            results = [comparison.of(values) for values in comparison.steps.curves[method, axis].T]
            results = [one for one in results if one.num_wrong >= LEAST_STEPS]  # few steps last long
            right, difference = (
                np.array([getattr(one, name)[0] for one in results]) for name in ("right", "difference")
            )
            ends = np.array([comparison.interval(one.difference) for one in results]).reshape(-1, 2).T
            yield Panel(method, axis, points[: len(results)], right, right + difference, right + ends)


def main(arguments: Arguments) -> None:
    """Print the tables."""
    steps = collect(arguments.runs, Dataset(arguments.dataset), arguments.least_seconds)
    found = comparisons(steps, arguments.order_tags)
    wrong = found["done wrongly"]
    if not wrong.used.any():
        raise InputError(f"{arguments.dataset}: no step that is done wrongly has a right one of its class beside it")
    print(f"done wrongly: {wrong}\n")
    print("\n".join([*table_of_figures(wrong), "", *table_of_kinds(found), ""]))
    videos, people = set(steps.rows.tests), set(steps.rows.clusters)
    runs = len(steps.rows.tests) // len(videos)
    print(f"{plural(len(videos), 'test video')} of {len(people)} people, {plural(runs, 'run')} of each")
    if arguments.picture:
        draw(arguments.picture, list(panels(wrong)))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "progress_in_mistakes.py", __doc__)))
