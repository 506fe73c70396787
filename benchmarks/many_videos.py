"""What many videos cost: wall time and peak memory of each command, at several numbers of tiny videos.

    python benchmarks/many_videos.py --sizes 1000 10000 --folder FOLDER

Videos are made up in the MS-TCN layout: 40 to 60 frames of 8 features, 6 classes, 20 people, half of the videos for
training. Each command is a process of its own. Its memory is the largest resident set of one process, as the system
counts it. Bytes a video are the slope from the smallest size: what a larger number of videos adds, without what torch
takes. A command that needs more than `--limit-seconds` is ended and shown as such, and what depends on it is left out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from side_by_side import describe_machine, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.cli.shared.predicted_shards import VIDEOS_A_SHARD
from protas_gtcc.errors import InputError, plural
from protas_gtcc.storage.atomic import write_text

CLASS_NAMES = ["background", *(f"action{number}" for number in range(1, 6))]
DIM, PEOPLE = 8, 20
FEWEST_FRAMES, MOST_FRAMES = 40, 60
JOINED, ON_JOINED = "all.h5", ("align", "train")
"""The file of `join`, and the commands that read it."""
TINY = ("--epochs", "1", "--stages", "2", "--layers", "3", "--maps", "8", "--batch-size", "64", "--device", "cpu")
TINY_ENCODER = ("--loss", "tcc", "--epochs", "1", "--layers", "1", "--hidden", "8", "--output-dim", "8")


@dataclass(frozen=True)
class Arguments:
    """Measure the commands at several numbers of videos."""

    sizes: tuple[int, ...] = (1000, 10_000)
    """Numbers of videos."""
    steps: tuple[str, ...] = ()
    """Commands to measure, whose inputs are in --folder; by default all."""
    folder: Path | None = None
    """Folder of what is made, which stays; by default a temporary one."""
    limit_seconds: float = 1800.0
    """A command that takes longer is ended."""
    seed: int = 0
    """Seed of the videos and of training."""
    json: Path | None = None
    """Write the figures here too."""


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    step: str
    videos: int
    seconds: float
    megabytes: float
    """Largest resident set of one process."""
    written_megabytes: float
    """Bytes on the disk of what it wrote."""
    failure: str = ""
    """"" if it ended well."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        costs = [cost for size in arguments.sizes for cost in measure_size(folder, size, arguments)]
    for step in dict.fromkeys(cost.step for cost in costs):
        print_step([cost for cost in costs if cost.step == step])
    if arguments.json is not None:
        figures = {"machine": describe_machine(), "versions": versions(), "costs": [asdict(cost) for cost in costs]}
        write_text(arguments.json, json.dumps(figures, indent=1) + "\n")


def measure_size(folder: Path, size: int, arguments: Arguments) -> Iterator[Cost]:
    """Make the videos, and run each command on them."""
    if size < 2 * PEOPLE:
        raise InputError(f"--sizes {size}; give at least {plural(2 * PEOPLE, 'video')}, two of each person")
    place = folder / f"videos{size}"
    steps = steps_in(place, size, arguments.seed)
    for step in arguments.steps:
        if step not in steps:
            raise InputError(f"--steps {step}; name one of {', '.join(steps)}")
        if step in ON_JOINED and "join" not in arguments.steps and not (place / JOINED).is_file():
            raise InputError(f"--steps {step} reads {place / JOINED}, and there is none; name join before it")
    if not place.is_dir():
        write_layout(place / "layout", size, arguments.seed)
    for step in arguments.steps or steps:
        words, written = steps[step]
        cost = run_step(step, size, words, place / written if written else None, arguments.limit_seconds)
        print(f"{size} videos, {step}: {cost.seconds:.1f} s, {cost.megabytes:.0f} MB {cost.failure}", file=sys.stderr)
        yield cost


def steps_in(place: Path, size: int, seed: int) -> dict[str, tuple[list[str], str]]:
    """Words of each command, in order, and what it writes."""
    data, joined, run = (str(place / name) for name in ("videos.h5", JOINED, "run"))
    layout = str(place / "layout")
    people = ("--subject-pattern", "p[0-9]+")
    predict = ["predict", run, f"{layout}/features", "--device", "cpu", "--overwrite", "--no-pictures", "--no-tables"]
    align = ["align", *TINY_ENCODER, "--no-score", "--replace", "--device", "cpu"]
    predicted = place / "predicted" / ("predictions.json" if size > VIDEOS_A_SHARD else "predictions.h5")
    return {
        "prepare": (["prepare", layout, "--out", data, "--fps", "1", "--overwrite", *people], "videos.h5"),
        "check": (["check", data], ""),
        "check folder": (["check", layout, "--fps", "1", *people], ""),
        "labels": (["labels", layout, "--into", data], "videos.h5"),
        "join": (["join", data, "--out", joined, "--overwrite"], JOINED),
        "align": ([*align, "--dataset", joined, "--out", str(place / "align")], f"{JOINED}.features"),
        "train": (["train", "--dataset", joined, "--out", run, "--seed", str(seed), *TINY], "run"),
        "evaluate": (["evaluate", run, "--device", "cpu", "--pictures", "0"], "run"),
        "report": (["report", run, "--out", str(place / "report.html"), "--overwrite"], "report.html"),
        "predict": ([*predict, "--out", str(place / "predicted")], "predicted"),
        "predict --workers": ([*predict, "--out", str(place / "parts"), "--workers", "2"], "parts"),
        "evaluate file": (["evaluate", str(predicted), "--dataset", data], ""),
        "evaluate parts": (["evaluate", str(place / "parts" / "predictions.json"), "--dataset", data], ""),
    }


def run_step(step: str, size: int, words: Sequence[str], written: Path | None, limit_seconds: float) -> Cost:
    """Run a command as a process; its memory is that of the largest process, jobs of it included."""
    with open(os.devnull, "w") as nowhere, tempfile.TemporaryFile("w+") as errors:
        started = perf_counter()
        command = [sys.executable, "-m", "protas_gtcc", *words]
        process = subprocess.Popen(command, stdout=nowhere, stderr=errors, start_new_session=True)
        timer = threading.Timer(limit_seconds, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = perf_counter() - started
        errors.seek(0)
        last = ([line for line in errors.read().splitlines() if line.strip()] or [""])[-1]
    ended = f"ended after {limit_seconds:g} s" if seconds >= limit_seconds else last
    failure = ended if process.returncode not in (0, 1) or (process.returncode and step[:5] != "check") else ""
    megabytes = sum(one.stat().st_size for one in files_of(written)) / 1e6 if written else 0.0
    return Cost(step, size, seconds, usage.ru_maxrss * 1024 / 1e6, megabytes, failure)


def files_of(path: Path) -> list[Path]:
    """A file, or all files in a folder."""
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def print_step(costs: Sequence[Cost]) -> None:
    """One line for each size: time, memory, what was written, and bytes of memory a video beyond the smallest size."""
    first = costs[0]
    for cost in costs:
        line = f"{cost.step:<18}{cost.videos:>8} videos {cost.seconds:>8.1f} s {cost.megabytes:>7.0f} MB"
        line += f"  writes {cost.written_megabytes:8.1f} MB"
        if cost.videos > first.videos and not cost.failure:
            added = (cost.megabytes - first.megabytes) * 1e6 / (cost.videos - first.videos)
            line += f"  {added:7.0f} B a video"
        print(f"{line}  {cost.failure}".rstrip())


def write_layout(folder: Path, size: int, seed: int) -> None:
    """Make up the dataset: a video's features show its class, with noise."""
    rng = np.random.default_rng(seed)
    for name in ("groundTruth", "features", "splits"):
        (folder / name).mkdir(parents=True)
    (folder / "mapping.txt").write_text("".join(f"{label} {name}\n" for label, name in enumerate(CLASS_NAMES)))
    means = rng.normal(size=(len(CLASS_NAMES), DIM))
    names = [f"p{number % PEOPLE:02d}v{number:07d}" for number in range(size)]
    for part, chosen in (("train", range(PEOPLE // 2)), ("test", range(PEOPLE // 2, PEOPLE))):
        lines = [f"{name}.txt\n" for number, name in enumerate(names) if number % PEOPLE in chosen]
        (folder / "splits" / f"{part}.split1.bundle").write_text("".join(lines))
    for name in names:
        labels = rng.permutation(len(CLASS_NAMES)).repeat(MOST_FRAMES // len(CLASS_NAMES))
        labels = labels[: rng.integers(FEWEST_FRAMES, MOST_FRAMES + 1)]
        (folder / "groundTruth" / f"{name}.txt").write_text("".join(f"{CLASS_NAMES[label]}\n" for label in labels))
        features = means[labels] + rng.normal(size=(len(labels), DIM))
        np.save(folder / "features" / f"{name}.npy", features.T.astype(np.float32))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "many_videos.py", __doc__)))
