"""Time a frame of a stream that follows a procedure, beside the same model without.

    python benchmarks/procedure_speed.py [--classes 120] [--steps 40]

The network has the size of `default` and random weights, so it is sure of nothing: the belief is spread over more
states than that of a trained network, which is the slower case. Procedures are learnt from transcripts that are drawn
here: recordings of `--steps` of the classes, each in an order near a common one.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from side_by_side import Measurement, Program, Time, describe_machine, measure, now, report, versions

from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import DEFAULT
from protas_gtcc.inference import TrainedModel
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.procedure.calibration import TrainingVideo, learn_procedure
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.procedure.truth import truth_of
from protas_gtcc.runs.timing import random_frames

WITHOUT = "step without procedure"


@dataclass(frozen=True)
class Arguments:
    """Time a frame with and without following the procedure."""

    classes: int = 120
    """Classes, background included."""
    steps: int = 40
    """Steps in a recording."""
    recordings: int = 30
    """Recordings to learn from."""
    fps: float = 15.0
    """Frames a second."""
    feature_dim: int = 768
    """Features of a frame."""
    frames: int = 1000
    """Frames in one measurement."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(1)
    following = untrained(arguments)
    without = TrainedModel(following.network, dataclasses.replace(following.facts, procedure=None))
    programs = [timed(without, arguments, WITHOUT), timed(following, arguments, "step with procedure", WITHOUT)]
    results = measure(programs, arguments.repeats)
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    notes = ["random weights, size of preset default"]
    measured = Measurement("procedure_speed", "frames", shown, results, notes, describe_machine(1), versions())
    report(measured, arguments.json)


def timed(model: TrainedModel, arguments: Arguments, name: str, against: str | None = None) -> Program:
    """One stream, frame by frame."""
    frames, stream = random_frames(model, arguments.frames), model.stream()

    def run() -> Time:
        started = now()
        for frame in frames:
            stream.step(frame)
        return now().since(started)

    return Program(name, run, arguments.frames, against)


def untrained(arguments: Arguments) -> TrainedModel:
    """A model with random weights that has learnt procedures."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = [drawn_labels(arguments, rng) for _ in range(arguments.recordings)]
    config = dataclasses.replace(DEFAULT, model=DEFAULT.model.at(arguments.fps, 16.0))
    states = count_transcripts(labels, arguments.classes, config.decoding, arguments.fps)
    videos = [TrainingVideo(truth_of(steps_of(one, [0])), 0, f"person{n % 8}", None) for n, one in enumerate(labels)]
    procedure = learn_procedure(videos, states, config.decoding, [0], arguments.fps).arrays()
    names = [f"class{number}" for number in range(arguments.classes)]
    facts = ModelFacts(
        config, arguments.feature_dim, names, [0], arguments.fps, transcripts=states, procedure=procedure
    )
    return TrainedModel(ProgressNetwork(config.model, arguments.feature_dim, arguments.classes), facts)


def drawn_labels(arguments: Arguments, rng: np.random.Generator) -> np.ndarray:
    """Labels of a recording: some of the steps, each near its place, with background between them."""
    places = np.arange(1, arguments.classes) + rng.normal(0, 3, arguments.classes - 1)
    chosen = rng.choice(arguments.classes - 1, min(arguments.steps, arguments.classes - 1), replace=False)
    order = 1 + chosen[np.argsort(places[chosen])]
    seconds = np.exp(rng.normal(2, 0.5, 2 * len(order)))
    return np.repeat(np.stack([np.zeros_like(order), order], axis=1).ravel(), (seconds * arguments.fps).astype(int) + 1)


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "procedure_speed.py", __doc__)))
