"""Training frames per second: ProTAS's and MS-TCN's own training loops and ours, on the same videos in the same run.

    python benchmarks/training_speed.py --dataset FILE.h5 --protas FOLDER --mstcn FOLDER

Theirs is `Trainer.train` of a checkout of their repository, one epoch at batch 1 with Adam, fed from memory: what they
take to read files does not count. Ours is the training loop of `protas-gtcc train`, reading the dataset file. Both do
4 stages of 10 layers and 64 maps. Without a checkout only ours is measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from reference_code import load_module
from side_by_side import Contestant, Measurement, describe_machine, measure, report, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.parsing import parse
from protas_gtcc.config import REFERENCE, RunConfig
from protas_gtcc.dataset import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset_writer import write_dataset
from protas_gtcc.devices import choose_device
from protas_gtcc.errors import InputError
from protas_gtcc.labels import progress_by_class
from protas_gtcc.observers import Row
from protas_gtcc.run_directory import RunDirectory
from protas_gtcc.task_graph import count_task_graph
from protas_gtcc.training import Trainer

BATCH_SIZES = (1, 4, 8)


@dataclass(frozen=True)
class Arguments:
    """Measure training frames per second against the reference code."""

    dataset: Path
    """Prepared dataset file."""
    protas: Path | None = None
    """Checkout of github Yuhan-Shen/ProTAS."""
    mstcn: Path | None = None
    """Checkout of github yabufarha/ms-tcn."""
    split: str = "1"
    """Split whose training videos are used."""
    videos: int = 16
    """The first so many training videos."""
    threads: int = 1
    """Threads of torch on the CPU."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where to train."""
    json: Path | None = None
    """Write the figures here too."""


class Clock:
    """An observer that times one epoch of ours, from before its first batch is read until its last step is done."""

    def __init__(self, device: str):
        self._device = device
        self._started = self.seconds = 0.0
        self._steps = 0

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Start."""
        self._steps = steps_an_epoch
        self._started = now(self._device)

    def on_step(self, epoch: int, step: int, losses: Any) -> None:
        """Stop after the last step."""
        if step + 1 == self._steps:
            self.seconds = now(self._device) - self._started

    def on_epoch(self, row: Row) -> None:
        """Nothing: saving is not timed, nor is theirs."""

    def on_end(self) -> None:
        """Nothing."""


class MemoryFeed:
    """A batch generator as their loops ask for, that hands out tensors and times the loop around it."""

    def __init__(self, videos: list[tuple[torch.Tensor, ...]], device: str):
        self.list_of_examples = videos
        self.device = device
        self._next = 0
        self._started = self.seconds = 0.0

    def has_next(self) -> bool:
        """Whether the epoch goes on; the first time it is asked, the clock starts."""
        if self._next == 0:
            self._started = now(self.device)
        return self._next < len(self.list_of_examples)

    def next_batch(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """The next video."""
        assert batch_size == 1
        self._next += 1
        return self.list_of_examples[self._next - 1]

    def reset(self) -> None:
        """The epoch is over."""
        self.seconds = now(self.device) - self._started
        self._next = 0


def now(device: str) -> float:
    """The time at which all work given to the device so far is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def main(arguments: Arguments) -> None:
    """Measure and report."""
    device = choose_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        dataset = first_videos(arguments, Path(folder))
        contestants = list_contestants(arguments, dataset, Path(folder))
        machine = describe_machine(arguments.threads, torch.cuda.get_device_name() if device == "cuda" else None)
        results = measure(contestants, arguments.repeats)
    missing = [name for name in ("protas", "mstcn") if getattr(arguments, name) is None]
    notes = [f"{dataset.info.name}: {len(dataset.video_names)} videos, {sum(dataset.num_frames.values())} frames"]
    notes += [f"no --{name} FOLDER given: measured only ours, without that reference" for name in missing]
    shown = {name: str(value) for name, value in vars(arguments).items() if not isinstance(value, Path)}
    report(
        Measurement("training_speed", "frames", shown, results, notes, machine, versions()),
        arguments.json,
    )


def first_videos(arguments: Arguments, folder: Path) -> Dataset:
    """A dataset file of the first training videos only, and one feature set."""
    source = Dataset(arguments.dataset)
    names = source.part(arguments.split, "train")[: arguments.videos]
    if not names:
        raise InputError(f"{arguments.dataset}: split {arguments.split} has no training videos to measure on")
    feature_set = source.choose_feature_set(arguments.split)
    splits: dict[str, dict[str, list[str]]] = {arguments.split: {"train": names, "test": []}}
    info: DatasetInfo = dataclasses.replace(source.info, splits=splits)
    path = folder / "videos.h5"
    with write_dataset(path, info, {"features": FeatureSet(source.feature_sets[feature_set].dim)}) as writer:
        for name in names:
            features = source.features(name, feature_set).astype("float32")
            writer.add(Video(name, source.labels(name), {"features": features}))
    return Dataset(path)


def list_contestants(arguments: Arguments, dataset: Dataset, folder: Path) -> list[Contestant]:
    """Each reference right before ours, so that what is compared is also neighbours in time."""
    protas = REFERENCE
    no_progress = dataclasses.replace(protas.model, progress=False, graph=False, causal=False)
    mstcn = dataclasses.replace(protas, model=no_progress)
    found: list[tuple[str, Callable[[], float], str | None]] = []

    def add_ours(name: str, config: RunConfig, theirs: str | None) -> None:
        for size in BATCH_SIZES:
            against = theirs or (None if size == 1 else f"{name}, batch 1")
            run = _ours(config, size, arguments, dataset, folder)
            found.append((f"{name}, batch {size}", run, against))

    if arguments.protas is not None:
        found.append(("ProTAS, theirs, batch 1", protas_loop(arguments, dataset, folder), None))
    add_ours("ProTAS, ours", protas, None if arguments.protas is None else "ProTAS, theirs, batch 1")
    if arguments.mstcn is not None:
        found.append(("MS-TCN, theirs, batch 1", mstcn_loop(arguments, dataset, folder), None))
    add_ours("MS-TCN, ours", mstcn, None if arguments.mstcn is None else "MS-TCN, theirs, batch 1")
    frames = sum(dataset.num_frames.values())
    return [Contestant(name, run, frames, against) for name, run, against in found]


def _ours(
    config: RunConfig, batch_size: int, arguments: Arguments, dataset: Dataset, folder: Path
) -> Callable[[], float]:
    settings = dataclasses.replace(config.training, epochs=1, batch_size=batch_size, device=arguments.device)
    config = dataclasses.replace(config, split=arguments.split, training=settings)

    def run() -> float:
        clock = Clock(arguments.device)
        with tempfile.TemporaryDirectory(dir=folder) as run_folder:
            Trainer(config, dataset, RunDirectory(run_folder)).fit([clock])
        return clock.seconds

    return run


def protas_loop(arguments: Arguments, dataset: Dataset, folder: Path) -> Callable[[], float]:
    """One epoch of ProTAS's own training loop; causal, learnable graph, the settings of its README."""
    assert arguments.protas is not None
    module = load_module(arguments.protas, "model")
    info, names = dataset.info, dataset.video_names
    graph = count_task_graph((dataset.labels(name) for name in names), info.num_classes, info.background)
    pickled = folder / "graph.pkl"
    pickled.write_bytes(pickle.dumps({"matrix_pre": graph.pre, "matrix_suc": graph.suc}))
    logger = logging.getLogger("reference")
    logger.addHandler(logging.NullHandler())
    model, dim = REFERENCE.model, dataset.feature_sets["features"].dim
    torch.manual_seed(0)
    trainer = module.Trainer(
        model.stages, model.layers, model.maps, dim, info.num_classes, True, logger, init_graph_path=str(pickled)
    )
    return _epoch_of(trainer, MemoryFeed([_tensors(dataset, name) for name in names], arguments.device), folder)


def mstcn_loop(arguments: Arguments, dataset: Dataset, folder: Path) -> Callable[[], float]:
    """One epoch of MS-TCN's own training loop."""
    assert arguments.mstcn is not None
    module = load_module(arguments.mstcn, "model")
    model, dim = REFERENCE.model, dataset.feature_sets["features"].dim
    torch.manual_seed(0)
    trainer = module.Trainer(model.stages, model.layers, model.maps, dim, dataset.info.num_classes)
    videos = [_tensors(dataset, name) for name in dataset.video_names]
    without_progress = [(features, labels, mask) for features, labels, _, mask in videos]
    return _epoch_of(trainer, MemoryFeed(without_progress, arguments.device), folder)


def _epoch_of(trainer: Any, feed: MemoryFeed, folder: Path) -> Callable[[], float]:
    def run() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train(str(folder), feed, 1, 1, REFERENCE.training.lr, torch.device(feed.device))
        return feed.seconds

    return run


def _tensors(dataset: Dataset, name: str) -> tuple[torch.Tensor, ...]:
    """A video as their batch generators give it: features, labels, progress of every class, mask."""
    labels, classes = dataset.labels(name), dataset.info.num_classes
    progress = progress_by_class(labels, dataset.progress(name), classes)
    features = torch.from_numpy(dataset.features(name, "features")).t().contiguous()
    mask = torch.ones(1, classes, len(labels))
    return features[None], torch.from_numpy(labels)[None], torch.from_numpy(progress)[None], mask


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "training_speed.py", __doc__)))
