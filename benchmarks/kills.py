"""Commands that are killed at random moments: is every file whole, and is a resumed run the one that never stopped?

    python benchmarks/kills.py --kills 300

Each command is a process of its own, killed (SIGKILL) at a random moment between its start and its usual end. Then
every file in the folder is read whole, and the command is repeated, a training with `--resume`. In the end, the weights
and scores of each resumed run are compared with those of a run that was never killed.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from safetensors import safe_open

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.header import is_dataset_file
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.storage.csv_tables import read_csv_table
from protas_gtcc.storage.feature_files import open_array

CLASSES = ("background", "pour", "stir", "cut")


@dataclass(frozen=True)
class Arguments:
    """Kill commands, and look at what they leave."""

    kills: int = 300
    """Processes to kill."""
    seed: int = 0
    """Seed of the moments."""


def write_layout(folder: Path) -> None:
    """Twelve short videos of six people in the layout of MS-TCN."""
    for name in ("groundTruth", "features", "splits"):
        (folder / name).mkdir(parents=True)
    (folder / "mapping.txt").write_text("\n".join(f"{number} {name}" for number, name in enumerate(CLASSES)))
    names = [f"P{number // 2}_{number}" for number in range(12)]
    for number, name in enumerate(names):
        draw = np.random.default_rng(number)
        labels = np.repeat([0, 1, 0, 2, 3, 0], draw.integers(20, 60, 6))
        (folder / "groundTruth" / f"{name}.txt").write_text("\n".join(CLASSES[label] for label in labels))
        features = draw.normal(size=(len(labels), 32)) + np.eye(4, 32)[labels]
        np.save(folder / "features" / f"{name}.npy", features.T.astype(np.float32))
    for part, chosen in (("train", names[:10]), ("test", names[10:])):
        (folder / "splits" / f"{part}.split1.bundle").write_text("\n".join(f"{name}.txt" for name in chosen))


def commands(folder: Path, run: str) -> dict[str, list[str]]:
    """The commands that are killed, in an order in which each has what it needs."""
    layout, data = str(folder / "layout"), str(folder / "data.h5")
    prepare = ["prepare", layout, "--out", data, "--fps", "5", "--subject-pattern", r"^(P\d)", "--overwrite"]
    short = ["--epochs", "4", "--stages", "2", "--maps", "16"]
    return {
        "prepare": prepare,
        "labels": ["labels", layout, "--into", data],
        "run": ["run", "--dataset", data, "--out", str(folder / run), *short],
        "evaluate": ["evaluate", str(folder / run)],
        "predict": ["predict", str(folder / run), str(folder / "layout/features/P5_10.npy"), "--out",
                    str(folder / "predictions"), "--overwrite"],
        "align": ["align", "--dataset", data, "--epochs", "2", "--out", str(folder / f"{run}-align"), "--replace"],
    }  # fmt: skip


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """A process of `protas-gtcc`."""
    command = [sys.executable, "-m", "protas_gtcc", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(name: str, arguments: list[str], folder: Path, run: str) -> float:
    """Run a command to its end; a training goes on where it was. Returns its seconds."""
    target = folder / (f"{run}-align" if name == "align" else run)
    if name in ("run", "align") and (target / "config.yaml").exists():
        arguments = [name, "--resume", str(target), *(["--replace"] if name == "align" else [])]
    started = time.perf_counter()
    process = start(arguments)
    error = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"{name} failed after a kill: {error.decode()}")
    return time.perf_counter() - started


def broken_files(folder: Path) -> Iterator[str]:
    """Files that cannot be read whole, and why."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith((".", "events.")) and "layout" not in path.parts:
            try:
                _read(path)
            except Exception as error:  # whatever a half file raises is what is looked for
                yield f"{path.relative_to(folder)}: {error}"


def _read(path: Path) -> None:
    if path.suffix == ".h5" and is_dataset_file(path):
        dataset = Dataset(path)
        for video in dataset.video_names:
            dataset.labels(video)
            for name in dataset.feature_sets:
                if dataset.has_features(video, name):
                    dataset.features(video, name)
    elif path.suffix == ".h5":
        files = open_predictions(path)
        [files.read(video) for video in files.video_names]
    elif path.suffix == ".safetensors":
        with safe_open(path, "np") as file:
            [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 (not a mapping)
    elif path.suffix in (".json", ".yaml"):
        (json.loads if path.suffix == ".json" else yaml.safe_load)(path.read_text())
    elif path.suffix in (".csv", ".npy"):
        (read_csv_table if path.suffix == ".csv" else open_array)(path)
    elif path.suffix == ".png":
        Image.open(path).load()


def main() -> None:
    """Print, for each command, how often it was killed, what was broken, and whether results differ."""
    arguments = parse(Arguments, sys.argv[1:], "kills.py", __doc__)
    draw, kills, broken, different = random.Random(arguments.seed), Counter[str](), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_layout(folder / "layout")
        steps = commands(folder, "whole")
        seconds = {name: finish(name, step, folder, "whole") for name, step in steps.items()}
        whole = results(folder / "whole")
        while sum(kills.values()) < arguments.kills:
            for name, step in commands(folder, "killed").items():
                for _ in range(3):
                    process = start(step)
                    time.sleep(draw.uniform(0.3, 1.05) * seconds[name])
                    process.kill()
                    process.communicate()
                    kills[name] += 1
                    for what in broken_files(folder):
                        broken[name] += 1
                        print(f"broken after {name}: {what}", file=sys.stderr)
                    finish(name, step, folder, "killed")
            different["run"] += results(folder / "killed") != whole
            for name in ("killed", "killed-align"):
                shutil.rmtree(folder / name)
        left = [path for path in folder.rglob(".*") if path.is_file()]
    print("| command | kills | broken files | results that differ |\n|---|---|---|---|")
    for name in kills:
        print(f"| {name} | {kills[name]} | {broken[name]} | {different[name] if name == 'run' else ''} |")
    print(f"\nleft over in the end: {len(left)}")


def results(run: Path) -> tuple[str, object]:
    """The digest of a run's checkpoint, and its scores. (The order of a file's entries is not always the same.)"""
    with safe_open(run / "checkpoint.safetensors", "np") as file:
        return file.metadata()["digest"], json.loads((run / "metrics.json").read_text())


if __name__ == "__main__":
    run_command(main)
