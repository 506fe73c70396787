"""`protas-gtcc evaluate RUN` as a whole: a new process, the network, the scores, all tables and pictures.

    python benchmarks/evaluate_command.py [--folder FOLDER]

The case is as large as CaptainCook4D's test part at 1 fps: 33 videos of about 750 frames, 120 classes, 14 steps a
video. Videos are simulated recipes, and the network is trained for one epoch, with three times as many videos: what is
predicted is poor, but costs what a good prediction costs. With a folder, the data and the run stay there for the next
time. Processor time is that of the process that evaluates.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from side_by_side import Measurement, Program, Time, describe_machine, measure, report, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.dataset import dataset_info, simulate
from protas_gtcc.simulate.profiles import TaskProfile

PRESET = "default"


@dataclass(frozen=True)
class Arguments:
    """Measure the command `evaluate`."""

    videos: int = 33
    """Test videos; there are three times as many training videos."""
    frames: int = 750
    """Mean number of frames of a video, at 1 fps."""
    recipes: int = 7
    """Recipes. No two share a step."""
    steps: int = 17
    """Steps of a recipe. With background, 7 recipes of 17 steps make 120 classes."""
    feature_dim: int = 768
    """Size of a frame's features."""
    folder: Path | None = None
    """Folder to keep the data and the run in, or to take them from."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    seed: int = 0
    """Seed of the videos and of training."""
    json: Path | None = None
    """Write the figures here too."""


@dataclass(frozen=True)
class Recipes(SimulationConfig):
    """Simulated recipes in place of EgoProceL's tasks; every fourth video of each is a test video."""

    recipes: tuple[TaskProfile, ...] = ()
    """Their profiles."""

    @property
    def profiles(self) -> tuple[TaskProfile, ...]:
        """The tasks in use."""
        return self.recipes


def main(arguments: Arguments) -> None:
    """Make what is missing, measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        config = simulation(arguments)
        run = made_run(folder, config)
        programs = [
            Program("with pictures", command("evaluate", run), arguments.videos),
            Program("--pictures 0", command("evaluate", run, "--pictures", "0"), arguments.videos, "with pictures"),
        ]
        machine = describe_machine()
        results = measure(programs, arguments.repeats)
    info = dataset_info(config)
    notes = [f"{len(info.splits['1']['test'])} test videos, {len(info.class_names)} classes, preset {PRESET}"]
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    report(Measurement("evaluate_command", "videos", shown, results, notes, machine, versions()), arguments.json)


def simulation(arguments: Arguments) -> Recipes:
    """The settings of the dataset: the test videos are dealt out to the recipes."""
    share, left = divmod(arguments.videos, arguments.recipes)
    profiles = tuple(
        TaskProfile(
            name=f"recipe{number}",
            videos=4 * (share + (number < left)),
            key_steps=arguments.steps,
            steps_per_video=14 / 17 * arguments.steps,
            actions_per_video=14 / 17 * arguments.steps,
            background_share=0.2,
            mean_seconds=float(arguments.frames),
            quartile_seconds=(20.0, 60.0),
            without_gap=0.5,
            swapped=0.1,
        )
        for number in range(arguments.recipes)
    )
    return Recipes(recipes=profiles, fewest_videos=1, feature_dim=arguments.feature_dim, seed=arguments.seed)


def made_run(folder: Path, config: Recipes) -> Path:
    """A run on the simulated recipes, trained for one epoch unless it is there.

    Raises `InputError` if the folder holds data of other settings.
    """
    data, run = folder / "recipes.h5", folder / "run"
    if not data.is_file():
        simulate(data, config)
    elif Dataset(data).info.source != dataset_info(config).source:
        raise InputError(f"{data} was made with other settings; give another --folder")
    if not run.is_dir():
        train = ("--dataset", str(data), "--preset", PRESET, "--epochs", "1", "--seed", str(config.seed))
        command("train", *train, "--device", "cpu", "--out", run)()
    return run


def command(*words: str | Path) -> Callable[[], Time]:
    """A function that runs `protas-gtcc` with these words, and returns the time that its process took."""

    def run() -> Time:
        before = os.times()
        subprocess.run([sys.executable, "-m", "protas_gtcc", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Time(after.elapsed - before.elapsed, cpu)

    return run


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "evaluate_command.py", __doc__)))
