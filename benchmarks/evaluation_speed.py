"""Scoring predictions on disk: ProTAS's own `evaluate` and ours, on the same labels in the same run.

    python benchmarks/evaluation_speed.py --protas FOLDER

Videos are made up: true segments, and predictions with shifted borders and some wrong classes. Theirs reads text files,
ours a prediction file and a dataset file; the scores of both must agree to 1e-9. Our full evaluation is measured beside
it: progress errors, look-up predictors and intervals, which theirs does not have. Without a checkout only ours is
measured.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reference_code import load_module, numpy_with_float
from side_by_side import Measurement, Program, Time, describe_machine, measure, report, timed, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset, DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.evaluation import evaluate_prediction_files
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.metrics.segmentation import score_segmentation
from protas_gtcc.predictions import Prediction, PredictionInfo, reported_progress

CLASS_NAMES = ["background", *(f"action{number:02d}" for number in range(1, 12))]
BACKGROUND = [0]
FPS = 15.0
SPLIT = "1"
FEWEST_SEGMENTS, MOST_SEGMENTS = 30, 60
THEIR_NAMES = {
    "Acc": "acc",
    "Acc-bg": "acc_no_background",
    "Edit": "edit_merged",
    "F1@10": "f1@10",
    "F1@25": "f1@25",
    "F1@50": "f1@50",
}
"""ProTAS's names of the scores, and ours."""


@dataclass(frozen=True)
class Arguments:
    """Measure evaluation against ProTAS's script."""

    protas: Path | None = None
    """Checkout of github Yuhan-Shen/ProTAS."""
    videos: int = 1000
    """Videos to score. A tenth of this number is added as training videos, for the look-ups."""
    frames: int = 1000
    """Frames of each."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    seed: int = 0
    """Seed of the videos."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, arguments)
        pairs = list(read_pairs(folder, "labels.h5"))
        ours = ("ours, segmentation", timed(lambda: our_scores(folder, "labels.h5")))
        others = [
            ("ours, segmentation, file with probabilities", timed(lambda: our_scores(folder, "predictions.h5"))),
            ("ours, segmentation, labels in memory", timed(lambda: score_segmentation(pairs, BACKGROUND))),
            ("ours, full evaluation", timed(lambda: full_evaluation(folder))),
        ]
        theirs = [] if arguments.protas is None else [("theirs, segmentation", their_loop(folder, arguments.protas))]
        against = theirs[0][0] if theirs else ours[0]
        programs = [
            Program(name, run, arguments.videos, None if name == against else against)
            for name, run in (*theirs, ours, *others)
        ]
        machine = describe_machine()
        results = measure(programs, arguments.repeats)
        notes = [f"{arguments.videos} videos of {arguments.frames} frames, {len(CLASS_NAMES)} classes"]
        notes.append(compare_scores(folder) if theirs else "no --protas FOLDER given: measured only ours")
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    report(Measurement("evaluation_speed", "videos", shown, results, notes, machine, versions()), arguments.json)


def our_scores(folder: Path, predictions: str) -> dict[str, float]:
    """Segmentation scores, predictions and true labels read from disk."""
    return score_segmentation(read_pairs(folder, predictions), BACKGROUND)


def read_pairs(folder: Path, predictions: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Predicted and true class ids, `[T]` each, of every test video."""
    dataset, files = Dataset(folder / "truth.h5"), open_predictions(folder / predictions)
    for name in dataset.part(SPLIT, "test"):
        yield files.read_labels(name), dataset.labels(name)


def full_evaluation(folder: Path) -> object:
    """All that `protas-gtcc evaluate` computes from a prediction file."""
    return evaluate_prediction_files(folder / "predictions.h5", folder / "truth.h5", SPLIT)


def their_loop(folder: Path, protas: Path) -> Callable[[], Time]:
    """ProTAS's `evaluate`; it reads below the working directory and leaves its scores in a JSON file."""
    module = load_module(protas, "eval")

    def run() -> Time:
        with contextlib.chdir(folder), numpy_with_float(), contextlib.redirect_stdout(io.StringIO()):
            return timed(lambda: module.evaluate("made_up", "results", SPLIT, "benchmark", 50))()

    return run


def compare_scores(folder: Path) -> str:
    """Check that the scores of both sides are equal."""
    theirs = json.loads((folder / "results" / f"split{SPLIT}.eval.json").read_text(encoding="utf-8"))
    ours = our_scores(folder, "labels.h5")
    differences = [abs(theirs[name] - ours[our_name]) for name, our_name in THEIR_NAMES.items()]
    assert max(differences) <= 1e-9, f"scores differ: theirs {theirs}, ours {ours}"
    return f"scores agree: {', '.join(THEIR_NAMES.values())} differ by at most {max(differences):.1e}"


def write_inputs(folder: Path, arguments: Arguments) -> None:
    """Make up the videos and write them in the files that each side reads."""
    rng = np.random.default_rng(arguments.seed)
    train = [f"train{number:04d}" for number in range(max(1, arguments.videos // 10))]
    test = [f"video{number:04d}" for number in range(arguments.videos)]
    truth = {name: true_labels(rng, arguments.frames) for name in (*train, *test)}
    estimates = {name: noisy(rng, truth[name]) for name in test}
    info = DatasetInfo("made-up", CLASS_NAMES, BACKGROUND, FPS, {SPLIT: {"train": train, "test": test}}, True)
    with write_dataset(folder / "truth.h5", info, {}) as writer:
        for name, labels in truth.items():
            writer.add(Video(name, labels, {}))
    described = PredictionInfo(CLASS_NAMES, BACKGROUND, FPS)
    write_predictions(folder / "predictions.h5", full_predictions(rng, estimates), described)
    only_labels = ((name, Prediction(one, None, None, np.zeros(len(one)))) for name, one in estimates.items())
    write_predictions(folder / "labels.h5", only_labels, described)
    write_text_files(folder, {name: truth[name] for name in test}, estimates)


def true_labels(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Class ids `[T]` of 30 to 60 segments; no two neighbours are alike."""
    num_segments = min(int(rng.integers(FEWEST_SEGMENTS, MOST_SEGMENTS + 1)), num_frames)
    starts = np.sort(rng.choice(np.arange(1, num_frames), num_segments - 1, replace=False))
    steps = rng.integers(1, len(CLASS_NAMES), num_segments)
    labels = np.cumsum(steps) % len(CLASS_NAMES)
    return np.repeat(labels, np.diff([0, *starts, num_frames]))


def noisy(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Labels `[T]` with each border shifted by a few frames and every fifth segment of another class."""
    borders = np.flatnonzero(np.diff(labels)) + 1
    classes = labels[[0, *borders]]
    wrong = rng.random(len(classes)) < 0.2
    classes = np.where(wrong, rng.integers(0, len(CLASS_NAMES), len(classes)), classes)
    moved = np.sort((borders + rng.normal(0, 4, len(borders)).round().astype(int)).clip(0, len(labels)))
    return np.repeat(classes, np.diff([0, *moved, len(labels)]))


def full_predictions(rng: np.random.Generator, estimates: dict[str, np.ndarray]) -> Iterator[tuple[str, Prediction]]:
    """Predictions with probabilities and progress of every class, as a model's are."""
    for name, labels in estimates.items():
        probs, progress = rng.random((2, len(CLASS_NAMES), len(labels)), dtype=np.float32)
        probs /= probs.sum(axis=0)
        yield name, Prediction(labels, probs, progress, reported_progress(progress, labels, BACKGROUND))


def write_text_files(folder: Path, truth: dict[str, np.ndarray], estimates: dict[str, np.ndarray]) -> None:
    """Write what ProTAS's script reads: ground truth, list of videos, recognised labels."""
    data, results, names = folder / "data" / "made_up", folder / "results", np.array(CLASS_NAMES)
    for made in (data / "groundTruth", data / "splits", results):
        made.mkdir(parents=True)
    (data / "splits" / f"test.split{SPLIT}.bundle").write_text("".join(f"{name}.txt\n" for name in truth))
    for name, labels in truth.items():
        (data / "groundTruth" / f"{name}.txt").write_text("\n".join(names[labels]) + "\n")
        recognised = " ".join(names[estimates[name]])
        (results / name).write_text(f"### Frame level recognition: ###\n{recognised}")


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "evaluation_speed.py", __doc__)))
