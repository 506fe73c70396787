"""Preparing and reading data, compared with copying and reading the same bytes.

    python benchmarks/data_speed.py

A folder in the MS-TCN layout is made up ([D, T] float32 features, text labels). Preparing it is compared with a plain
copy of all its bytes into one file; both end with the bytes on the disk (fsync). Reading the dataset file's windows
through the training loader is compared with reading the file's raw bytes from start to end. Beside it, the raw bytes of
the same windows are read in the same shuffled order: the same requests to the disk, without any other work. All this is
measured once from the disk and once from memory, where the disk sets no limit. Profiles show where the time goes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from profiling import print_profile, profile
from side_by_side import Measurement, Program, describe_machine, measure, report, timed, versions

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError
from protas_gtcc.layouts.options import LayoutOptions
from protas_gtcc.layouts.recognition import open_layout
from protas_gtcc.prepare.writing import prepare
from protas_gtcc.training.batching import EpochBatches, Window, WindowReader, cut_windows, make_loader

CLASS_NAMES = ["background", *(f"action{number:02d}" for number in range(1, 12))]
SEGMENT_FRAMES = 25
FPS = 15.0
MEGABYTE = 1_000_000
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Arguments:
    """Measure preparing and reading data."""

    videos: int = 100
    """Videos to make up."""
    frames: int = 1000
    """Frames of each."""
    dim: int = 2048
    """Features of a frame."""
    window_frames: int = 500
    """Windows that the loader reads."""
    batch_size: int = 4
    """Windows in a batch."""
    workers: int = 0
    """Loading processes beside this one."""
    repeats: int = 5
    """Rounds, after one to warm up."""
    folder: Path | None = None
    """Folder of the temporary files, on the disk to measure. Default: the system's temporary folder."""
    json: Path | None = None
    """Write the figures here too."""


def main(arguments: Arguments) -> None:
    """Measure and report."""
    torch.set_num_threads(1)
    if arguments.folder is not None and not arguments.folder.is_dir():
        raise InputError(f"--folder {arguments.folder} is no folder; give a folder on the disk to measure")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_layout(folder / "made_up", arguments)
        prepare_once(folder)
        programs = [*preparing(folder), *reading(folder, arguments)]
        machine = describe_machine(threads=1)
        results = measure(programs, arguments.repeats)
        profiles = {
            "preparing": profile(lambda: prepare_once(folder)),
            "reading, cached": profile(lambda: load_all(folder, arguments)),
        }
    notes = [
        f"{arguments.videos} videos, [{arguments.dim}, {arguments.frames}] float32 each; "
        f"windows of {arguments.window_frames} frames, batches of {arguments.batch_size}, {arguments.workers} workers",
        "'from disk': before each run the system was asked to drop the file from its cache",
    ]
    shown = {name: value for name, value in vars(arguments).items() if isinstance(value, int)}
    details = {"profiles": profiles}
    report(Measurement("data_speed", "MB", shown, results, notes, machine, versions(), details), arguments.json)
    for what, rows in profiles.items():
        print_profile(what, rows)


def preparing(folder: Path) -> list[Program]:
    """A plain copy, and ours."""
    sources = sorted(path for path in (folder / "made_up").rglob("*") if path.is_file())
    megabytes = sum(path.stat().st_size for path in sources) / MEGABYTE
    copy = timed(lambda: copy_bytes(sources, folder / "copy"), lambda: forget(sources))
    ours = timed(lambda: prepare_once(folder), lambda: forget(sources))
    return [
        Program("plain copy to one file", copy, megabytes),
        Program("prepare", ours, megabytes, "plain copy to one file"),
    ]


def reading(folder: Path, arguments: Arguments) -> list[Program]:
    """The raw bytes, and the loader; from the disk and from memory."""
    path = folder / "made_up.h5"
    megabytes = path.stat().st_size / MEGABYTE
    stretches = locate_windows(path, arguments)
    found = []
    # From memory comes second: by then the loader has read the whole file.
    for where, before in (("from disk", lambda: forget([path])), ("cached", lambda: None)):
        against = f"raw bytes, {where}"
        found += [
            Program(against, timed(lambda: read_bytes(path), before), megabytes),
            Program(
                f"raw windows, {where}", timed(lambda: read_stretches(path, stretches), before), megabytes, against
            ),
            Program(f"loader, {where}", timed(lambda: load_all(folder, arguments), before), megabytes, against),
        ]
    return found


def prepare_once(folder: Path) -> None:
    """Prepare the layout, in place of an earlier file."""
    options = LayoutOptions()
    prepare(open_layout(folder / "made_up", options), folder / "made_up.h5", FPS, options)


def load_all(folder: Path, arguments: Arguments) -> None:
    """One epoch of batches, as training reads them."""
    dataset = Dataset(folder / "made_up.h5")
    windows, batches = plan_batches(dataset, arguments)
    reader = WindowReader(dataset, windows, FeatureReader(dataset, "features", "1"))
    frames = 0
    for batch in make_loader(reader, batches, arguments.workers, torch.device("cpu")):
        frames += batch.num_frames
    assert frames == sum(dataset.num_frames.values())


def plan_batches(dataset: Dataset, arguments: Arguments) -> tuple[list[Window], EpochBatches]:
    """The windows, and the epoch's batches of them, shuffled as training shuffles them."""
    windows = cut_windows(dataset.num_frames, arguments.window_frames)
    return windows, EpochBatches(windows, arguments.batch_size, seed=0)


def locate_windows(path: Path, arguments: Arguments) -> list[tuple[int, int]]:
    """Place of each window's features in the file, in the order in which they are read: offset, bytes."""
    windows, batches = plan_batches(Dataset(path), arguments)
    found = []
    with h5py.File(path, "r") as file:
        for index, _ in (item for batch in batches for item in batch):
            window = windows[index]
            features = file["videos"][window.video]["features"]["features"]
            frame_bytes = features.shape[1] * features.dtype.itemsize
            found.append((features.id.get_offset() + window.start * frame_bytes, len(window) * frame_bytes))
    return found


def read_stretches(path: Path, stretches: Iterable[tuple[int, int]]) -> None:
    """Read stretches of a file, each with one call where the system allows."""
    with open(path, "rb", buffering=0) as file:
        for offset, size in stretches:
            file.seek(offset)
            buffer = memoryview(bytearray(size))
            while len(buffer) and (count := file.readinto(buffer)):
                buffer = buffer[count:]


def copy_bytes(sources: Iterable[Path], target: Path) -> None:
    """Append all sources to one file and wait until the disk has it."""
    buffer = memoryview(bytearray(COPY_BYTES))
    with open(target, "wb", buffering=0) as out:
        for source in sources:
            with open(source, "rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    out.write(buffer[:count])
        os.fsync(out.fileno())


def read_bytes(path: Path) -> None:
    """Read a file from start to end."""
    buffer = memoryview(bytearray(COPY_BYTES))
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def forget(paths: Iterable[Path]) -> None:
    """Ask the system to drop files from its cache, so that the next read comes from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def write_layout(folder: Path, arguments: Arguments) -> None:
    """Make up a dataset in the MS-TCN layout."""
    rng = np.random.default_rng(0)
    for name in ("groundTruth", "features", "splits"):
        (folder / name).mkdir(parents=True)
    mapping = "".join(f"{label} {name}\n" for label, name in enumerate(CLASS_NAMES))
    (folder / "mapping.txt").write_text(mapping)
    names = [f"video{number:04d}" for number in range(arguments.videos)]
    (folder / "splits" / "train.split1.bundle").write_text("".join(f"{name}.txt\n" for name in names))
    for name in names:
        labels = rng.integers(0, len(CLASS_NAMES), arguments.frames // SEGMENT_FRAMES + 1).repeat(SEGMENT_FRAMES)
        text = "\n".join(CLASS_NAMES[label] for label in labels[: arguments.frames])
        (folder / "groundTruth" / f"{name}.txt").write_text(text + "\n")
        np.save(folder / "features" / f"{name}.npy", rng.random((arguments.dim, arguments.frames), dtype=np.float32))


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "data_speed.py", __doc__)))
