"""How right the classes must be for a skill: finished runs are given the true class in a share of segments.

    python benchmarks/given_classes.py runs/gtea/default/* --dataset gtea.h5 --skill 0.55

In that share of the true segments, drawn by `--seed`, the network's probabilities are mixed with 0.95 of the true
class. The rest, the network's progress, the filter and its settings stay as they are. So a row says what the same
models would report if only their classes were that good.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import Positional, parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.pooled_runs import PooledRows, pool, pooled_scores
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction
from protas_gtcc.procedure.of_model import make_decoder, to_prediction
from protas_gtcc.report.figures import value_at
from protas_gtcc.runs.cross_validation import rows_of_split

CERTAINTY = 0.95
FIGURES = {"acc": "segmentation.acc", "edit": "segmentation.edit", "F1@50": "segmentation.f1@50"}
SKILL = "progress.predicted.skill"


@dataclass(frozen=True)
class Arguments:
    """Give finished runs the true class in a share of segments."""

    runs: Positional[tuple[Path, ...]]
    """Run directories of one dataset."""
    dataset: Path
    """Their dataset file."""
    shares: tuple[float, ...] = (0, 0.2, 0.4, 0.6, 0.8, 1)
    """Shares of the segments whose class is given."""
    skill: float | None = None
    """Also say at which accuracy, between two rows, this skill is reached."""
    seed: int = 0
    """Draws the segments."""


def give(outputs: Outputs, segments: np.ndarray, share: float, random: np.random.Generator) -> Outputs:
    """The network's outputs for a video, with the true class given in a share of its segments."""
    probs = outputs.final_logits.softmax(dim=1)
    for start, end, label in segments[random.random(len(segments)) < share].tolist():
        probs[..., start:end] *= 1 - CERTAINTY
        probs[:, label, start:end] += CERTAINTY
    return outputs._replace(final_logits=probs.clamp_min(1e-9).log())


def rows_of_run(model: TrainedModel, dataset: Dataset, arguments: Arguments) -> Iterator[tuple[float, PooledRows]]:
    """The scored test videos of a run, for each share."""
    config = model.facts.config
    feature_set = dataset.choose_feature_set(config.split, config.feature_set)
    features = FeatureReader(dataset, feature_set, config.split, config.control)
    outputs = {video: model.outputs(features.read(video)) for video in dataset.part(config.split, "test")}
    for share in arguments.shares:
        random = np.random.default_rng(arguments.seed)

        def read(video: str, share: float = share, random: np.random.Generator = random) -> Prediction:
            given = give(outputs[video], dataset.segments(video), share, random)
            return to_prediction(given, model.background, make_decoder(model.facts))

        yield share, rows_of_split(dataset, config, read)


def main(arguments: Arguments) -> None:
    """Print a row for each share."""
    dataset = Dataset(arguments.dataset)
    parts: dict[float, list[PooledRows]] = {share: [] for share in arguments.shares}
    for path in arguments.runs:
        for share, rows in rows_of_run(load(path), dataset, arguments):
            parts[share].append(rows)
        print(f"{path} is done", file=sys.stderr)
    scores = {share: pooled_scores(pool(rows)) for share, rows in parts.items()}
    print(f"| classes given | {' | '.join(FIGURES)} | skill |\n|---|{'---|' * (len(FIGURES) + 1)}")
    for share, one in scores.items():
        cells = [f"{value_at(one, path):.1f}" for path in FIGURES.values()]
        print(f"| {share:.0%} | {' | '.join(cells)} | {value_at(one, SKILL):.2f} |")
    if arguments.skill is not None:
        print(f"skill {arguments.skill:g} is reached at acc {accuracy_at(arguments.skill, list(scores.values()))}")


def accuracy_at(skill: float, scores: list[dict[str, Any]]) -> str:
    """Between the two rows around that skill, on the line between them."""
    of_skill = [float(value_at(one, SKILL) or np.nan) for one in scores]
    accuracy = [float(value_at(one, FIGURES["acc"]) or np.nan) for one in scores]
    return "none of these" if skill > of_skill[-1] else f"{np.interp(skill, of_skill, accuracy):.1f}"


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "given_classes.py", __doc__)))
