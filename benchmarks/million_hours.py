"""What a very large set of videos costs: on paper from costs measured here, and with a simulated work list.

    python benchmarks/million_hours.py --hours 1000000 --fps 5 --workers 100 1000 10000

Measured on one core: extracting a rendered video of 720p, an epoch of training `default` on its features, following
them, and the start of a command. On paper, these are multiplied. The simulated work list has the jobs of `extract
--workers N`, eight videos each: their lengths differ, they share the disk that the videos lie on, and machines die. A
job that died is tried again, twice; it goes on with the video that it was at.
"""

from __future__ import annotations

import dataclasses
import heapq
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from extract_speed import RenderedVideo, render
from procedure_speed import Arguments as Untrained
from procedure_speed import drawn_labels, untrained
from training_speed import Clock

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.config import DEFAULT
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import Trainer
from protas_gtcc.video.backbones.choice import make_backbone
from protas_gtcc.video.extraction import Extraction
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.naming import VideoFile
from protas_gtcc.work.work_list import RETRIES

HOUR, YEAR = 3600.0, 365.25 * 24 * 3600.0
CLASSES, TRAINING_VIDEOS, TRAINING_MINUTES = 20, 8, 5
VIDEOS_OF_A_JOB = 8
PREDICTION_BYTES = 4 + 4 + 4
"""Of a frame, without the channels of all classes: label, reported progress, probability."""


@dataclass(frozen=True)
class Arguments:
    """Estimate what a very large set of videos costs."""

    hours: float = 1e6
    """Hours of video."""
    fps: float = 5.0
    """Frames per second that are looked at."""
    epochs: int = 40
    """Epochs of a training on all of it."""
    megabits: float = 4.0
    """Of a second of video."""
    workers: tuple[int, ...] = (100, 1_000, 10_000)
    """Jobs at once, one core each, in the simulated work list."""
    minutes: float = 20.0
    """Mean length of a video; lengths are log-normal, with a deviation of 0.7."""
    disk: float = 10.0
    """Gigabytes a second that the shared disk gives to all."""
    days_between_deaths: float = 30.0
    """Of a worker, in the mean."""
    seed: int = 0
    """Draws lengths and deaths."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one core for a second of video; `start` for a command."""

    decode: float
    extract: float
    epoch: float
    follow: float
    start: float
    feature_bytes: float
    """Of a frame."""


def main(arguments: Arguments) -> None:
    """Measure, multiply and simulate."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        costs = measured(arguments, Path(name))
    print("| a second of video takes, of one core | seconds |\n|---|---|")
    rows = {
        "decode alone": costs.decode,
        "extract": costs.extract,
        "an epoch of training": costs.epoch,
        "follow": costs.follow,
    }
    print("\n".join(f"| {name} | {value:.5f} |" for name, value in rows.items()))
    print(f"\nA command starts in {costs.start:.1f} s. Features have {costs.feature_bytes:.0f} bytes a frame.\n")
    print("\n".join(on_paper(arguments, costs)))
    print("\n| workers | days | at best | limited by | tried again | given up |\n|---|---|---|---|---|---|")
    for workers in arguments.workers:
        print(simulated(arguments, costs, workers))


def on_paper(arguments: Arguments, costs: Costs) -> list[str]:
    """The rows of the table of the whole set."""
    seconds = arguments.hours * HOUR
    frames = seconds * arguments.fps
    work = {
        "extract once": seconds * costs.extract,
        "… of it decoding": seconds * costs.decode,
        f"train for {arguments.epochs} epochs": seconds * costs.epoch * arguments.epochs,
        "follow from features": seconds * costs.follow,
    }
    bytes_of = {
        "videos": seconds * arguments.megabits * 1e6 / 8,
        "features": frames * costs.feature_bytes,
        "predictions": frames * PREDICTION_BYTES,
    }
    table = [f"| {arguments.hours:,.0f} hours at {arguments.fps:g} fps | core-years | terabytes |", "|---|---|---|"]
    table += [f"| {name} | {value / YEAR:,.1f} | |" for name, value in work.items()]
    return table + [f"| {name} | | {value / 1e12:,.1f} |" for name, value in bytes_of.items()]


def simulated(arguments: Arguments, costs: Costs, workers: int) -> str:
    """A row of the table: the work list of `extract` on that many workers."""
    rng = np.random.default_rng(arguments.seed)
    spread = 0.7
    count = round(arguments.hours * 60 / arguments.minutes)
    lengths = rng.lognormal(np.log(arguments.minutes * 60) - spread**2 / 2, spread, count)
    # All workers read at once, so the disk slows all of them alike.
    wanted = workers * arguments.megabits * 1e6 / 8 / costs.extract
    slower = max(wanted / (arguments.disk * 1e9), 1.0)
    videos = lengths * costs.extract * slower
    jobs = [videos[at : at + VIDEOS_OF_A_JOB] for at in range(0, count, VIDEOS_OF_A_JOB)]
    free = [0.0] * workers
    again = given_up = 0
    for job in jobs:
        started = heapq.heappop(free)
        ended, tries, failed = run_job(job, costs.start, arguments.days_between_deaths * 24 * HOUR, started, rng)
        again, given_up = again + tries - 1, given_up + failed
        heapq.heappush(free, ended)
    ideal = float(lengths.sum()) * costs.extract / workers
    limit = f"disk, {slower:.1f} times" if slower > 1 else "cores"
    days = 24 * HOUR
    return f"| {workers:,} | {max(free) / days:,.1f} | {ideal / days:,.1f} | {limit} | {again:,} | {given_up:,} |"


def run_job(
    videos: np.ndarray, start: float, between_deaths: float, now: float, rng: np.random.Generator
) -> tuple[float, int, bool]:
    """When a job's worker is free again, how often it was tried, and whether it was given up.

    A worker that dies is replaced at once. Videos that were whole stay so; the one that it was at begins anew.
    """
    ends = np.cumsum(videos)
    whole = 0.0
    for tries in range(1, RETRIES + 2):
        needed, death = start + ends[-1] - whole, rng.exponential(between_deaths)
        if death >= needed:
            return now + needed, tries, False
        now += death
        whole = max((end for end in ends if end <= whole + death - start), default=whole)
    return now, RETRIES + 1, True


def measured(arguments: Arguments, folder: Path) -> Costs:
    """Processor seconds of this machine."""
    backbone = make_backbone("efficientnet-lite0", "cpu", None)
    clip = RenderedVideo()
    video = VideoFile(render(folder / "video.mp4", clip), "video")
    started = time.process_time()
    for _ in VideoFrames(video.path, arguments.fps, backbone.size, 16):
        pass
    decode = (time.process_time() - started) / clip.seconds
    extraction = Extraction([video], folder / "features", backbone, arguments.fps, 16)
    started = time.process_time()
    extraction.run()
    extract = (time.process_time() - started) / clip.seconds
    (written,) = (folder / "features").glob("*.npy")
    features = np.load(written, mmap_mode="r")
    drawn = Untrained(classes=CLASSES, steps=CLASSES - 1, fps=arguments.fps, feature_dim=backbone.dim)
    return Costs(
        decode, extract, of_epoch(drawn, folder), of_following(drawn), of_start(), features.itemsize * features.shape[1]
    )


def of_epoch(drawn: Untrained, folder: Path) -> float:
    """An epoch of `default` on random features."""
    rng = np.random.default_rng(0)
    frames = round(TRAINING_MINUTES * 60 * drawn.fps)
    names = [f"video{number}" for number in range(TRAINING_VIDEOS)]
    info = DatasetInfo("drawn", ["background", *(f"step {n}" for n in range(1, CLASSES))], [0], drawn.fps)
    info = dataclasses.replace(info, splits={"1": {"train": names, "test": []}})
    with write_dataset(folder / "drawn.h5", info, {"features": FeatureSet(drawn.feature_dim)}) as writer:
        for name in names:
            labels = np.resize(drawn_labels(drawn, rng), frames)
            features = rng.standard_normal((frames, drawn.feature_dim), dtype=np.float32)
            writer.add(Video(name, labels, {"features": features}))
    settings = dataclasses.replace(DEFAULT.training, epochs=1, device="cpu", threads=1)
    clock = Clock("cpu")
    config = dataclasses.replace(DEFAULT, training=settings)
    Trainer(config, Dataset(folder / "drawn.h5"), RunDirectory(folder / "run"), [clock]).fit()
    return clock.spent.cpu / (TRAINING_VIDEOS * TRAINING_MINUTES * 60)


def of_following(drawn: Untrained) -> float:
    """Network and filter over a whole file of features, as in `predict`."""
    model, seconds = untrained(drawn), TRAINING_MINUTES * 60
    features = np.random.default_rng(0).standard_normal((round(seconds * drawn.fps), drawn.feature_dim))
    model.predict(features.astype(np.float32))
    started = time.process_time()
    model.predict(features.astype(np.float32))
    return (time.process_time() - started) / seconds


def of_start() -> float:
    """Processor seconds until a command that needs torch has started."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "import protas_gtcc.inference"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "million_hours.py", __doc__)))
