"""Time a frame: our stream, our own network run again on the prefix, and ProTAS's frame-by-frame prediction.

    python benchmarks/streaming_speed.py --protas FOLDER [--preset default] [--run RUN --dataset FILE.h5]

One new frame is timed after a history of frames: with `model.stream().step`; with our network on the whole prefix; and
with ProTAS's own code, whose `predict_online` runs its network on the whole prefix for each frame. Our network has a
preset's size and random weights, theirs the size of `reference`. Then many streams are timed at once, and one stream
far into a video. With a run that has a duration filter, its step is timed with and without the filter. The largest
difference between streamed and offline results is printed for each number of stages: on random frames, and with a run
and its dataset on the test videos.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from reference_code import load_module
from side_by_side import Measurement, Program, Time, describe_machine, measure, now, report, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import PRESETS, REFERENCE
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.runs.timing import random_frames, time_stream
from protas_gtcc.streaming.engines import CompiledEngine
from protas_gtcc.streaming.streams import Stream

FPS = 15.0
CHECKED_FRAMES = 300


@dataclass(frozen=True)
class Arguments:
    """Time a frame in every way to process a video."""

    preset: Literal["reference", "default"] = "reference"
    """Preset of our network's size and arrangement."""
    protas: Path | None = None
    """Checkout of github Yuhan-Shen/ProTAS."""
    run: Path | None = None
    """Run whose streamed and offline results are compared."""
    dataset: Path | None = None
    """The run's dataset."""
    histories: tuple[int, ...] = (100, 1000, 10000)
    """Frames before the one that is timed."""
    far: int = 100_000
    """Frames before the ones that show that a step does not grow."""
    streams: int = 64
    """People followed at once."""
    threads: int = 2
    """Threads for these; everything else has one."""
    feature_dim: int = 2048
    """Features of a frame."""
    classes: int = 20
    """Classes, background included."""
    steps: int = 1000
    """Steps in one measurement of a stream."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(1)
    # What is missing stops the benchmark here, before minutes of measuring.
    if arguments.protas is not None:
        load_module(arguments.protas, "model")
    if arguments.run is not None:
        load(arguments.run)
    model = untrained(arguments)
    machine = describe_machine(1)
    size = model.facts.config.model
    notes = [f"preset {arguments.preset}: D = {arguments.feature_dim}, {arguments.classes} classes"]
    notes[0] += f", {size.stages} stages in {size.arrangement}, {size.layers} layers, {size.maps} maps"
    if arguments.protas is None:
        notes.append("no --protas FOLDER given: measured only ours")
    notes += flatness(model, arguments)
    notes += equality(model, [random_frames(model, CHECKED_FRAMES)], f"{CHECKED_FRAMES} random frames")
    if arguments.run is not None and arguments.dataset is not None:
        notes += equality_on_tests(load(arguments.run), Dataset(arguments.dataset))
    with tempfile.TemporaryDirectory() as name:
        programs = [one for history in arguments.histories for one in of_history(model, history, arguments, Path(name))]
        programs.append(many_streams(model, arguments))
        if arguments.run is not None:
            programs += with_and_without_filter(load(arguments.run), arguments)
        results = measure(programs, arguments.repeats)
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    report(Measurement("streaming_speed", "frames", shown, results, notes, machine, versions()), arguments.json)


def untrained(arguments: Arguments) -> TrainedModel:
    """A model of the preset's size with random weights."""
    torch.manual_seed(0)
    names = [f"class{number}" for number in range(arguments.classes)]
    preset = PRESETS[arguments.preset]
    config = dataclasses.replace(preset, model=preset.model.at(FPS, 16.0))
    network = ProgressNetwork(config.model, arguments.feature_dim, arguments.classes)
    return TrainedModel(network, ModelFacts(config, arguments.feature_dim, names, [0], FPS))


def of_history(model: TrainedModel, history: int, arguments: Arguments, scratch: Path) -> list[Program]:
    """Ours, the prefix run again, and theirs, each after so many frames."""
    frames = random_frames(model, history + 1)
    stream = model.stream()
    stream.step(frames[:-1])

    def steps() -> None:
        for number in range(arguments.steps):
            stream.step(frames[number % len(frames)])

    against = f"prefix run again, ours, {history:,}"
    found = [Program(against, timed_once(lambda: model.outputs(frames)), 1)]
    if arguments.protas is not None:
        against = f"prefix run again, theirs, {history:,}"
        found.append(Program(against, timed_once(their_frame(arguments, frames, scratch)), 1, found[0].name))
    return [*found, Program(f"stream, ours, {history:,}", timed_once(steps), arguments.steps, against)]


def with_and_without_filter(model: TrainedModel, arguments: Arguments) -> list[Program]:
    """A run's step as it is, and without the filter after its network; nothing of a run without one."""
    if not model.facts.filtered:
        return []
    alone = TrainedModel(model.network, dataclasses.replace(model.facts, transcripts=None))
    frames = random_frames(model, arguments.steps)

    def steps_of(stream: Stream) -> Callable[[], None]:
        def steps() -> None:
            for frame in frames:
                stream.step(frame)

        return steps

    names = ("the run's network alone", "the run with its filter")
    return [
        Program(names[0], timed_once(steps_of(alone.stream())), arguments.steps),
        Program(names[1], timed_once(steps_of(model.stream())), arguments.steps, names[0]),
    ]


def many_streams(model: TrainedModel, arguments: Arguments) -> Program:
    """Many people at once."""
    streams = model.streams(arguments.streams, threads=arguments.threads)
    frames, rounds = random_frames(model, arguments.streams), max(1, arguments.steps // arguments.streams)

    def steps() -> None:
        for _ in range(rounds):
            streams.step(frames)

    name = f"{arguments.streams} streams, {arguments.threads} threads"
    return Program(name, timed_once(steps), rounds * arguments.streams, f"stream, ours, {arguments.histories[0]:,}")


def their_frame(arguments: Arguments, frames: np.ndarray, scratch: Path) -> Callable[[], object]:
    """What their `predict_online` computes for the last of these frames."""
    assert arguments.protas is not None
    module = load_module(arguments.protas, "model")
    pickled = scratch / "graph.pkl"
    zeros = np.zeros((arguments.classes, arguments.classes), dtype=np.float32)
    pickled.write_bytes(pickle.dumps({"matrix_pre": zeros, "matrix_suc": zeros}))
    logger = logging.getLogger("reference")
    logger.addHandler(logging.NullHandler())
    size = REFERENCE.model
    trainer = module.Trainer(
        size.stages,
        size.layers,
        size.maps,
        arguments.feature_dim,
        arguments.classes,
        True,
        logger,
        init_graph_path=str(pickled),
    )
    network = trainer.model.eval()
    prefix = torch.from_numpy(frames).t().contiguous()[None]

    def frame() -> None:
        with torch.no_grad():
            predictions, progress = network(prefix, torch.ones(prefix.size()))
            final = network.graph_learner.inference(predictions[-1], progress[-1])
            torch.max(final.data, 1)

    return frame


def flatness(model: TrainedModel, arguments: Arguments) -> list[str]:
    """The time of a step early and far into a video."""
    early, far, again = (time_stream(model, history, arguments.steps) for history in (1000, arguments.far, 1000))
    ratio = far.p50_ms / ((early.p50_ms + again.p50_ms) / 2)
    figures = (
        f"{early.p50_ms:.3f} and {again.p50_ms:.3f} ms at frame 1,000, {far.p50_ms:.3f} ms at frame {arguments.far:,}"
    )
    tail = f"p95 {far.p95_ms:.3f} ms, p99 {far.p99_ms:.3f} ms"
    return [f"median step: {figures}: {ratio:.2f} times; {tail}"]


def equality_on_tests(model: TrainedModel, dataset: Dataset) -> list[str]:
    """As `equality`, over the test videos of the run's split."""
    config = model.facts.config
    feature_set = dataset.choose_feature_set(config.split, config.feature_set)
    videos = [dataset.features(name, feature_set) for name in dataset.part(config.split, "test")]
    return equality(model, videos, f"{len(videos)} test videos of {dataset.info.name}")


def equality(model: TrainedModel, videos: list[np.ndarray], what: str) -> list[str]:
    """Largest differences between streamed and offline logits and progress, for each number of stages."""
    lines = [f"largest difference from offline, {what}, random chunks:"]
    for stages in range(1, len(model.network.stages) + 1):
        cut = first_stages(model, stages)
        found = np.max([difference(cut, features, seed) for seed, features in enumerate(videos)], axis=0)
        logits, largest, progress, offline, streamed = found
        lines.append(
            f"  {stages} stages: logits {logits:.1e} (of up to {largest:.0f}), progress {progress:.1e}; "
            f"logits from float64: offline {offline:.1e}, streamed {streamed:.1e}"
        )
    probs = np.max([whole_difference(model, features) for features in videos])
    return [*lines, f"  whole model, frame by frame: probabilities and progress {probs:.1e}"]


def first_stages(model: TrainedModel, stages: int) -> TrainedModel:
    """A model of the first stages alone, without the task graph."""
    network = copy.deepcopy(model.network)
    network.stages, network.graph = network.stages[:stages], None
    network.config = dataclasses.replace(network.config, stages=stages, graph=False)
    return TrainedModel(network, model.facts)


def difference(model: TrainedModel, features: np.ndarray, seed: int) -> tuple[float, ...]:
    """Difference of streamed from offline logits; the largest logit; difference of progress.

    Then the differences of the offline and of the streamed logits from the same network's in float64. The stream takes
    the video in random chunks.
    """
    cuts = np.sort(np.random.default_rng(seed).choice(len(features), 20, replace=False))
    engine = CompiledEngine(model.network, 1)
    chunks = np.split(features.astype(np.float32)[:, None], cuts)
    parts = [engine.step(np.array([0]), np.ascontiguousarray(chunk)) for chunk in chunks]
    offline = model.outputs(features)
    logits = np.concatenate([part.logits for part in parts]).T - offline.final_logits[0].numpy()
    assert offline.final_progress is not None
    progress = np.concatenate([part.progress for part in parts]).T - offline.final_progress[0].clamp(0, 1).numpy()
    with torch.no_grad():
        exact = in_double(model.network)(torch.from_numpy(features).double().t()[None]).final_logits[0].numpy()
    whole = offline.final_logits[0].numpy()
    found = (logits, whole, progress, whole - exact, whole + logits - exact)
    return tuple(float(np.abs(one).max()) for one in found)


class DoubleGRU(torch.nn.Module):
    """A GRU in float64; ours always computes in float32."""

    def __init__(self, gru: torch.nn.GRU):
        super().__init__()
        self.bidirectional = False
        self.gru = torch.nn.GRU(gru.input_size, gru.hidden_size, batch_first=True).double()
        self.gru.load_state_dict(gru.state_dict())

    def forward(self, x: torch.Tensor, lengths: object = None, hidden: object = None) -> torch.Tensor:
        """Over `[B, F, T]`."""
        return self.gru(x.transpose(1, 2))[0].transpose(1, 2)


def in_double(network: ProgressNetwork) -> ProgressNetwork:
    """The same network in float64."""
    exact = copy.deepcopy(network).double()
    stage: Any
    for stage in exact.stages:
        if stage.progress_head is not None:
            stage.progress_head.gru = DoubleGRU(stage.progress_head.gru)
    return exact


def whole_difference(model: TrainedModel, features: np.ndarray) -> float:
    """Of probabilities and progress, streamed frame by frame."""
    offline, stream = model.predict(features), model.stream()
    parts = [stream.step(frame) for frame in features]
    return max(
        float(np.abs(np.concatenate([getattr(part, name) for part in parts], axis=1) - getattr(offline, name)).max())
        for name in ("probs", "progress")
    )


def timed_once(work: Callable[[], object]) -> Callable[[], Time]:
    """A function that does the work and returns the time it took."""

    def run() -> Time:
        started = now()
        work()
        return now().since(started)

    return run


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "streaming_speed.py", __doc__)))
