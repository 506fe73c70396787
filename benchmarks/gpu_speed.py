"""A GPU beside the processor: training, whole videos, streams and backbone, on the same work in the same run.

    python benchmarks/gpu_speed.py --dataset FILE.h5 [--device cuda] [--backbone efficientnet-lite0]

Training is one epoch of a preset on the first videos, for each batch size and precision; reading the file counts,
saving does not. Whole videos are features that are predicted, the filter included, which always runs on the
processor. A stream's step is one frame of every person. The backbone turns pictures that are decoded already into
features. How far the two devices' results are apart is printed, too.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from side_by_side import Measurement, Program, Time, describe_machine, measure, now, report, versions
from training_speed import Clock, first_videos

from protas_gtcc.annotations.transcripts import count_transcripts
from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import PRESETS, Device, EngineName
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.inference import TrainedModel, choose_device
from protas_gtcc.network.checkpoint import ModelFacts
from protas_gtcc.network.model import ProgressNetwork
from protas_gtcc.runs.timing import random_frames
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import Trainer
from protas_gtcc.video.backbones.choice import make_backbone

Precision = Literal["32", "bf16", "16"]
PROCESSOR, GPU = "processor", "GPU"
CPU_TRAINING = f"train, {PROCESSOR}, batch 1, 32 bits"


@dataclass(frozen=True)
class Arguments:
    """Measure a GPU beside the processor."""

    dataset: Path
    """Prepared dataset file."""
    preset: Literal["reference", "default"] = "default"
    """What is trained and run."""
    split: str = "1"
    """Split whose training videos are used."""
    videos: int = 16
    """How many training videos to use; the first of the split."""
    device: Device = "cuda"
    """The GPU."""
    threads: int = 1
    """Threads of torch on the processor."""
    batch_sizes: tuple[int, ...] = (1, 4, 16)
    """Batches on the GPU; the processor has batches of 1."""
    precisions: tuple[Precision, ...] = ("32", "bf16", "16")
    """Precisions on the GPU."""
    streams: tuple[int, ...] = (1, 64, 1024)
    """People at once."""
    steps: int = 50
    """Frames of each person."""
    frames: int = 10_000
    """Frames of the whole video."""
    backbone: str = ""
    """As in 'extract'; empty measures none."""
    pictures: int = 64
    """Pictures in a batch of the backbone."""
    repeats: int = 3
    """Rounds, after one to warm up."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    device = choose_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        dataset = first_videos(arguments.dataset, arguments.split, arguments.videos, Path(folder))
        both = {PROCESSOR: untrained(dataset, arguments, "cpu"), GPU: untrained(dataset, arguments, device)}
        programs = [*training(arguments, dataset, device, Path(folder)), *whole_videos(both, arguments)]
        programs += [*streaming(both, arguments), *backbones(arguments, device)]
        notes = [f"{dataset.info.name}: {len(dataset.video_names)} videos, {sum(dataset.num_frames.values())} frames"]
        notes.append(differences(both))
        gpu = torch.cuda.get_device_name() if device == "cuda" else device
        machine = describe_machine(arguments.threads, gpu)
        results = measure(programs, arguments.repeats)
    shown = {name: str(value) for name, value in vars(arguments).items() if name != "json"}
    report(Measurement("gpu_speed", "frames", shown, results, notes, machine, versions()), arguments.json)


def untrained(dataset: Dataset, arguments: Arguments, device: str) -> TrainedModel:
    """A model of the preset's size with random weights, and a filter of the videos' transcripts."""
    torch.manual_seed(0)
    info, preset = dataset.info, PRESETS[arguments.preset]
    labels = [dataset.labels(name) for name in dataset.video_names]
    longest = max(map(len, labels)) / info.fps
    config = dataclasses.replace(preset, model=preset.model.at(info.fps, longest))
    dim = next(iter(dataset.feature_sets.values())).dim
    transcripts = count_transcripts(labels, info.num_classes, config.decoding, info.fps)
    facts = ModelFacts(config, dim, info.class_names, info.background, info.fps, transcripts=transcripts)
    return TrainedModel(ProgressNetwork(config.model, dim, info.num_classes), facts, device)


def training(arguments: Arguments, dataset: Dataset, device: str, folder: Path) -> Iterator[Program]:
    """An epoch on the processor, then on the GPU at each batch size and precision."""
    frames = sum(dataset.num_frames.values())

    def epoch(where: Any, size: int, precision: Precision) -> Callable[[], Time]:
        preset = PRESETS[arguments.preset]
        settings = dataclasses.replace(
            preset.training, epochs=1, batch_size=size, device=where, threads=arguments.threads, precision=precision
        )
        config = dataclasses.replace(preset, split=arguments.split, training=settings)

        def run() -> Time:
            clock = Clock(where)
            with tempfile.TemporaryDirectory(dir=folder) as run_folder:
                Trainer(config, dataset, RunDirectory(run_folder), [clock]).fit()
            return clock.spent

        return run

    yield Program(CPU_TRAINING, epoch("cpu", 1, "32"), frames)
    for precision in arguments.precisions:
        for size in arguments.batch_sizes:
            bits = precision if precision == "bf16" else f"{precision} bits"
            name = f"train, {GPU}, batch {size}, {bits}"
            yield Program(name, epoch(device, size, precision), frames, CPU_TRAINING)


def whole_videos(both: dict[str, TrainedModel], arguments: Arguments) -> Iterator[Program]:
    """One long video, by the network alone and with everything that is reported."""
    for what, of in (("network", TrainedModel.outputs), ("predict", TrainedModel.predict)):
        for where, model in both.items():
            features = random_frames(model, arguments.frames)

            def run(model: TrainedModel = model, features: np.ndarray = features, of: Any = of) -> Time:
                started = now(model.device.type)
                of(model, features)
                return now(model.device.type).since(started)

            yield Program(
                f"{what}, {where}", run, arguments.frames, None if where == PROCESSOR else f"{what}, {PROCESSOR}"
            )


def streaming(both: dict[str, TrainedModel], arguments: Arguments) -> Iterator[Program]:
    """A frame of every person at once: the compiled step on the processor, the network on the GPU."""
    for count in arguments.streams:
        for where, model in both.items():
            engine: EngineName = "compiled" if where == PROCESSOR else "torch"
            streams, frames = model.streams(count, engine, arguments.threads), random_frames(model, count)

            def run(streams: Any = streams, frames: Any = frames, device: str = model.device.type) -> Time:
                started = now(device)
                for _ in range(arguments.steps):
                    streams.step(frames)
                return now(device).since(started)

            name = f"{count} streams"
            against = None if where == PROCESSOR else f"{name}, {PROCESSOR}"
            yield Program(f"{name}, {where}", run, count * arguments.steps, against)


def backbones(arguments: Arguments, device: str) -> Iterator[Program]:
    """A batch of pictures."""
    for where, on in ((PROCESSOR, "cpu"), (GPU, device)) if arguments.backbone else ():
        backbone = make_backbone(arguments.backbone, on)
        shape = (arguments.pictures, backbone.size, backbone.size, 3)
        pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

        def run(backbone: Any = backbone, pictures: Any = pictures, on: str = on) -> Time:
            started = now(on)
            backbone(pictures)
            return now(on).since(started)

        name = f"{backbone.name}, batch {arguments.pictures}"
        yield Program(
            f"{name}, {where}", run, arguments.pictures, None if where == PROCESSOR else f"{name}, {PROCESSOR}"
        )


def differences(both: dict[str, TrainedModel]) -> str:
    """How far results on the GPU are from those on the processor, and streamed ones from those of the whole video."""
    features = random_frames(both[PROCESSOR], 500)
    logits = {where: model.outputs(features).final_logits[0].cpu().double() for where, model in both.items()}
    apart = (logits[GPU] - logits[PROCESSOR]).abs().max() / logits[PROCESSOR].abs().max()
    stream, whole = both[GPU].stream("torch"), both[GPU].predict(features)
    probs = np.concatenate([stream.step(part).probs for part in np.array_split(features, 20)], axis=1)
    return (
        f"largest difference of logits on the GPU from the processor's, over the largest logit: {apart:.1e}; "
        f"of streamed probabilities from the whole video's, on the GPU: {np.abs(probs - whole.probs).max():.1e}"
    )


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "gpu_speed.py", __doc__)))
