"""Training frames per second: ProTAS's and MS-TCN's own training loops and ours, on the same videos in the same run.

    python benchmarks/training_speed.py --dataset FILE.h5 --protas FOLDER --mstcn FOLDER

Theirs is `Trainer.train` of a checkout of their repository, one epoch at batch 1 with Adam, fed from memory: what they
take to read files does not count. Ours is the training loop of `protas-gtcc train`, reading the dataset file. Both have
4 stages of 10 layers and 64 maps. The preset `default`, which has no counterpart there, is measured beside them.
Without a checkout only ours is measured.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from reference_training import mstcn_loop, protas_loop
from side_by_side import Measurement, Program, Time, describe_machine, measure, now, report, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import DEFAULT, REFERENCE, RunConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import choose_device
from protas_gtcc.training.callbacks import Callback
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import Trainer

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
    """How many training videos to use; the first of the split."""
    threads: int = 1
    """Threads of torch on the CPU."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where to train."""
    json: Path | None = None
    """Write the figures here too."""


class Clock(Callback):
    """Times one epoch of ours, from before its first batch is read until its last step is done. Saving is not timed."""

    def __init__(self, device: str):
        self._device = device
        self._started = self.spent = Time(0, 0)
        self._steps = 0

    def on_start(self, epochs_done: int, epochs: int, steps_an_epoch: int) -> None:
        """Start."""
        self._steps = steps_an_epoch
        self._started = now(self._device)

    def on_step(self, epoch: int, step: int, losses: Any) -> None:
        """Stop after the last step."""
        if step + 1 == self._steps:
            self.spent = now(self._device).since(self._started)


def main(arguments: Arguments) -> None:
    """Measure and report."""
    device = choose_device(arguments.device)
    if arguments.threads < 1:
        raise InputError(f"--threads is {arguments.threads}; it must be at least 1")
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        dataset = first_videos(arguments.dataset, arguments.split, arguments.videos, Path(folder))
        programs = list_programs(arguments, dataset, Path(folder))
        machine = describe_machine(arguments.threads, torch.cuda.get_device_name() if device == "cuda" else None)
        results = measure(programs, arguments.repeats)
    missing = [name for name in ("protas", "mstcn") if getattr(arguments, name) is None]
    notes = [f"{dataset.info.name}: {len(dataset.video_names)} videos, {sum(dataset.num_frames.values())} frames"]
    notes += [f"no --{name} FOLDER given: measured only ours, without that reference" for name in missing]
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int | str)}
    report(Measurement("training_speed", "frames", shown, results, notes, machine, versions()), arguments.json)


def first_videos(path: Path, split: str, count: int, folder: Path) -> Dataset:
    """A dataset file of the first training videos only, and one feature set."""
    source = Dataset(path)
    names = source.part(split, "train")[:count]
    if not names:
        raise InputError(f"{path}: split {split} has no training videos to measure on")
    feature_set = source.choose_feature_set(split)
    splits: dict[str, dict[str, list[str]]] = {split: {"train": names, "test": []}}
    info: DatasetInfo = dataclasses.replace(source.info, splits=splits)
    copy = folder / "videos.h5"
    with write_dataset(copy, info, {"features": FeatureSet(source.feature_sets[feature_set].dim)}) as writer:
        for name in names:
            features = source.features(name, feature_set).astype("float32")
            writer.add(Video(name, source.labels(name), {"features": features}))
    return Dataset(copy)


def list_programs(arguments: Arguments, dataset: Dataset, folder: Path) -> list[Program]:
    """Each reference right before ours, so that runs that are compared follow each other."""
    protas = REFERENCE
    no_progress = dataclasses.replace(protas.model, progress=False, graph=False, causal=False)
    mstcn = dataclasses.replace(protas, model=no_progress)
    found: list[tuple[str, Callable[[], Time], str | None]] = []

    def add_ours(name: str, config: RunConfig, theirs: str | None) -> None:
        for size in BATCH_SIZES:
            against = theirs or (None if size == 1 else f"{name}, batch 1")
            run = _ours(config, size, arguments, dataset, folder)
            found.append((f"{name}, batch {size}", run, against))

    if arguments.protas is not None:
        found.append(
            ("ProTAS, theirs, batch 1", protas_loop(arguments.protas, dataset, arguments.device, folder), None)
        )
    add_ours("ProTAS, ours", protas, None if arguments.protas is None else "ProTAS, theirs, batch 1")
    if arguments.mstcn is not None:
        found.append(("MS-TCN, theirs, batch 1", mstcn_loop(arguments.mstcn, dataset, arguments.device, folder), None))
    add_ours("MS-TCN, ours", mstcn, None if arguments.mstcn is None else "MS-TCN, theirs, batch 1")
    add_ours("default, ours", DEFAULT, None)
    frames = sum(dataset.num_frames.values())
    return [Program(name, run, frames, against) for name, run, against in found]


def _ours(
    config: RunConfig, batch_size: int, arguments: Arguments, dataset: Dataset, folder: Path
) -> Callable[[], Time]:
    settings = dataclasses.replace(
        config.training, epochs=1, batch_size=batch_size, device=arguments.device, threads=arguments.threads
    )
    config = dataclasses.replace(config, split=arguments.split, training=settings)

    def run() -> Time:
        clock = Clock(arguments.device)
        with tempfile.TemporaryDirectory(dir=folder) as run_folder:
            Trainer(config, dataset, RunDirectory(run_folder), [clock]).fit()
        return clock.spent

    return run


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "training_speed.py", __doc__)))
