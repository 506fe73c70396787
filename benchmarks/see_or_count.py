"""Does a model see how far an action is, or does it count? Runs on rendered videos, where the answer is known.

    protas-gtcc simulate --videos 104 --rates 10 12 15 --out rendered
    protas-gtcc prepare rendered/segments.csv --videos rendered/videos --fps 5 --test-share 0.25 --out rendered.h5
    protas-gtcc cross-validate --dataset rendered.h5 --out runs/rendered --seeds 3
    python benchmarks/see_or_count.py --runs runs/rendered --dataset rendered.h5 --simulation rendered/simulation.json

Counting is `average_index_class` with the true segments: class and start of every action are given to it, and nothing
else. A model that only counts cannot have a lower error, since it must find both. Skill is (E_half - E) / (E_half -
E_count), at the same frames of actions: above 1, the model sees progress. It must be so in the classes whose progress
shows in the pictures, and must not in the others. Intervals are 95 %, over the people of the test videos and the seeds.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.metrics.intervals import NO_LIMITS, jackknife_intervals
from protas_gtcc.metrics.left_out import Rows, leave_out
from protas_gtcc.metrics.lookups import LookUps, fit_lookups
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.predictions import Prediction

METHODS = ("reported", "class's progress", "count", "half")
"""What is scored at the frames whose class the model has right; the last two see nothing."""
GROUPS = ("progress shows", "it does not")
"""Classes whose progress shows in the pictures, and the others."""


@dataclass(frozen=True)
class Arguments:
    """Score runs on rendered videos apart for classes whose progress can be seen, and for the others."""

    runs: Path
    """Folder with run directories at any depth."""
    dataset: Path
    """Dataset file that they were trained on."""
    simulation: Path
    """simulation.json of the rendered videos."""
    split: str = "1"
    """Split whose test videos the runs have predicted."""


def errors_of_video(truth: np.ndarray, prediction: Prediction, lookups: LookUps, shows: np.ndarray) -> np.ndarray:
    """Sums for each group of classes: float64 `[2 groups, frames with any label, right frames, and errors]`.

    `shows` is bool `[C]`. Errors are |progress - target| at right frames, one of each of `METHODS`.
    """
    assert prediction.reported is not None
    assert prediction.progress is not None
    target = progress_target(truth, lookups.background)
    by_lookup = dict(zip(lookups.names, lookups.report(truth), strict=True))
    frames = np.arange(len(truth))
    guesses = (
        prediction.reported,
        prediction.progress[truth, frames],
        by_lookup["average_index_class"],
        by_lookup["half"],
    )
    errors = np.abs(np.stack(guesses) - target)
    is_action = ~np.isin(truth, sorted(lookups.background))
    sums = []
    for group in (shows[truth] & is_action, ~shows[truth] & is_action):
        right = group & (prediction.labels == truth)
        sums.append([group.sum(), right.sum(), *errors[:, right].sum(axis=1)])
    return np.array(sums, dtype=float)


def collect(arguments: Arguments) -> tuple[np.ndarray, Rows, int]:
    """The sums of every test video in every run `[N, 2, K]`, what each row is of, and the number of runs."""
    dataset = Dataset(arguments.dataset)
    visible = json.loads(arguments.simulation.read_text(encoding="utf-8"))["progress_is_visible"]
    shows = np.array([visible.get(name, False) for name in dataset.info.class_names])
    training = [dataset.labels(video) for video in dataset.part(arguments.split, "train")]
    lookups = fit_lookups(training, len(shows), dataset.info.background)
    files = prediction_files(arguments.runs, arguments.split)
    rows, tests, people = [], [], []
    for path in files:
        predictions = open_predictions(path)
        for video in dataset.part(arguments.split, "test"):
            rows.append(errors_of_video(dataset.labels(video), predictions.read(video), lookups, shows))
            tests.append((video, arguments.split))
            people.append(dataset.attribute(video, "subject") or video)
    return np.stack(rows), Rows(people, tests), len(files)


def prediction_files(runs: Path, split: str) -> list[Path]:
    """The predictions of runs on a split; raises `InputError` if there are none, or the runs are of several kinds."""
    scores = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.rglob("metrics.json"))}
    folders = [folder for folder, one in scores.items() if one["split"] == split]
    if not folders:
        raise InputError(f"{runs}: no run on split {split}; train with 'protas-gtcc cross-validate' first")
    kinds = {folder.parent.name for folder in folders}
    if len(kinds) > 1:
        raise InputError(f"{runs} has runs of several kinds, {listed(sorted(kinds))}; give the folder of one")
    return [folder / "predictions.h5" for folder in folders]


def table(sums: np.ndarray, rows: Rows) -> list[str]:
    """One line of Markdown for each group and method, with 95 % intervals."""
    (weights,), groups = leave_out(rows)
    lines = [
        "| classes | frames right | | error | skill, class right |",
        "|---|---|---|---|---|",
    ]
    for number, name in enumerate(GROUPS):
        total = weights @ sums[:, number]  # [1 + J, K]
        mean = total[:, 2:] / total[:, 1:2]
        half, count = mean[:, METHODS.index("half")], mean[:, METHODS.index("count")]
        for column, method in enumerate(METHODS):
            skill = (half - mean[:, column]) / (half - count)
            figures = np.stack([mean[:, column], skill])
            (low, high), (low_skill, high_skill) = jackknife_intervals(figures, groups, np.array([NO_LIMITS] * 2))
            share = f"{total[0, 1] / total[0, 0]:.0%}"
            error = f"{mean[0, column]:.3f} [{low:.3f}, {high:.3f}]"
            shown = "" if method in ("count", "half") else f"{skill[0]:.2f} [{low_skill:.2f}, {high_skill:.2f}]"
            lines.append(f"| {name} | {share} | {method} | {error} | {shown} |")
    return lines


def main(arguments: Arguments) -> None:
    """Print the table."""
    sums, rows, num_runs = collect(arguments)
    print("\n".join(table(sums, rows)))
    print(f"\n{len(set(rows.tests))} test videos of {len(set(rows.clusters))} people, {plural(num_runs, 'run')}")


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "see_or_count.py", __doc__)))
