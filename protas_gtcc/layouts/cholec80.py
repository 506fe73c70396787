"""Cholec80 (Twinanda et al., EndoNet, IEEE TMI 2017): phases and tools of 80 gallbladder operations, as published.

    phase_annotations/video01-phase.txt   Frame, Phase: one line a frame, 25 a second
    tool_annotations/video01-tool.txt     Frame, Grasper, ... SpecimenBag: 0 or 1, at every 25th frame
    features*/video01.npy                 [T, D] or [D, T]

Cells are separated by tabs. The phases are the classes, and there is no background. Frame i at F frames a second is the
picture at time i / F, as `extract` takes it. The tools become the feature set `tools`, `[T, 7]` of 0 and 1. It is what
people annotated, not what a program saw in pictures.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.resampling import exact_rate, require_length, require_rate
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.features import FeatureFolder, find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name
from protas_gtcc.storage.text_files import read_lines

PHASES_FOLDER, TOOLS_FOLDER = "phase_annotations", "tool_annotations"
PHASES = (
    "Preparation",
    "CalotTriangleDissection",
    "ClippingCutting",
    "GallbladderDissection",
    "GallbladderPackaging",
    "CleaningCoagulation",
    "GallbladderRetraction",
)
TOOLS = ("Grasper", "Bipolar", "Hook", "Scissors", "Clipper", "Irrigator", "SpecimenBag")
TASK = "cholecystectomy"
_SOURCE_FPS = 25
_FRAMES_A_TOOL_ROW = 25
_DEFAULT_FPS = 1.0
_TRAINING_VIDEOS, _ALL_VIDEOS = 40, 80
"""EndoNet trains on videos 1 to 40 and tests on the others."""
_VIDEO = re.compile(r"video(?P<number>\d+)")


@dataclass(kw_only=True)
class Cholec80Layout(Layout):
    """The opened annotations of Cholec80."""

    fps_is_given: bool
    """Whether the user stated the labels' rate; else it is that of the features."""

    def labels(self, video: str) -> np.ndarray:
        """The phases of one video, int32 `[T]`, at the labels' rate."""
        phases = _read_phases(self._file(video))
        return phases[_taken(len(phases), self.annotation_fps or _DEFAULT_FPS, f"video {video}")]

    def labels_source(self, video: str) -> str:
        """The file of phases."""
        return str(self._file(video))

    def task(self, video: str) -> str:
        """The operation, the same in all videos."""
        return TASK

    def sample_labels(self, fps: float) -> None:
        """Give labels at the features' rate, unless the user stated another one for them; and tools at that rate."""
        if not self.fps_is_given:
            require_rate(fps)
            self.annotation_fps = fps
        for name, folder in self.feature_folders.items():
            if isinstance(folder, ToolFolder):
                self.feature_folders[name] = dataclasses.replace(folder, fps=fps)

    def _file(self, video: str) -> Path:
        return self.path / PHASES_FOLDER / f"{video}-phase.txt"


@dataclass(frozen=True)
class ToolFolder(FeatureFolder):
    """The annotated tools, as features `[T, 7]` at `fps`."""

    fps: float = _DEFAULT_FPS

    def file(self, video: str) -> Path:
        """The file of tools."""
        return self.path / f"{video}-tool.txt"

    def rows_are_frames(self, video: str) -> bool:
        """Always."""
        return True

    def unlabelled(self, videos: Collection[str]) -> list[str]:
        """Videos that have tools, but no phases."""
        return sorted({file.name.removesuffix("-tool.txt") for file in self.path.glob("*-tool.txt")} - {*videos})

    def not_read(self) -> list[str]:
        """Names of the other files."""
        return sorted(file.name for file in self.path.iterdir() if not file.name.endswith("-tool.txt"))

    def shape(self, video: str) -> tuple[int, int]:
        """`[T, 7]`. Raises `InputError` for what is wrong in the file."""
        return len(self.load(video, True)), len(TOOLS)

    def load(self, video: str, time_first: bool, fps: float = _DEFAULT_FPS) -> np.ndarray:
        """Which tools each frame shows, 0 or 1, float32 `[T, 7]`: those of the last row at or before it."""
        rows = _read_tools(self.file(video))
        frames = _taken(len(rows) * _FRAMES_A_TOOL_ROW, self.fps, f"video {video}")
        tools = rows[frames // _FRAMES_A_TOOL_ROW]
        return tools if time_first else tools.T


def is_cholec80(path: Path) -> bool:
    """Whether a path is a folder with `phase_annotations/<video>-phase.txt`."""
    return any((path / PHASES_FOLDER).glob("*-phase.txt"))


def open_cholec80(path: Path, options: LayoutOptions) -> Cholec80Layout:
    """Open the published folder; labels and tools are read later, video by video."""
    videos = sorted(file.name.removesuffix("-phase.txt") for file in (path / PHASES_FOLDER).glob("*-phase.txt"))
    folders, notices = find_feature_folders(path, options.feature_folders), []
    if (path / TOOLS_FOLDER).is_dir() and options.feature_folders is None:
        folders["tools"] = ToolFolder(path / TOOLS_FOLDER)
        notices.append("the feature set tools is what people annotated: a model of it does not see pictures")
    background = () if options.background is None else background_ids([*PHASES], options, path)
    return Cholec80Layout(
        path=path,
        name=options.name or own_name(path),
        class_names=[*PHASES],
        background=[*background],
        splits=_splits(videos),
        video_names=videos,
        feature_folders=folders,
        annotation_fps=options.annotation_fps or _DEFAULT_FPS,
        notices=notices,
        fps_is_given=options.annotation_fps is not None,
    )


def _splits(videos: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """EndoNet's split; none where a video is not of the 80, or where there is none to train or none to test on."""
    numbers = [int(found["number"]) if (found := _VIDEO.fullmatch(video)) else 0 for video in videos]
    train = [video for video, number in zip(videos, numbers, strict=True) if number <= _TRAINING_VIDEOS]
    test = [video for video in videos if video not in train]
    known = all(1 <= number <= _ALL_VIDEOS for number in numbers)
    return {"1": {"train": train, "test": test}} if known and train and test else {}


def _taken(num_frames: int, fps: float, what: str) -> np.ndarray:
    """The frames of the video that are shown at times i / fps, int64 `[T]`."""
    ratio = _SOURCE_FPS / exact_rate(fps)
    num_taken = -(-num_frames * ratio.denominator // ratio.numerator)
    require_length(num_taken, fps, what)
    return np.arange(num_taken) * ratio.numerator // ratio.denominator


def _read_phases(file: Path) -> np.ndarray:
    """The phase of each frame, int32 `[25 a second]`."""
    ids, phases = {name: number for number, name in enumerate(PHASES)}, []
    for number, (phase,) in enumerate(_read_rows(file, ["Frame", "Phase"], step=1), start=2):
        if phase not in ids:
            raise InputError(f"{file}, line {number}: unknown phase {phase!r}; use one of {listed(PHASES, most=7)}")
        phases.append(ids[phase])
    return np.array(phases, dtype=np.int32)


def _read_tools(file: Path) -> np.ndarray:
    """The tools of each row, float32 `[one a second, 7]`."""
    tools = []
    for number, cells in enumerate(_read_rows(file, ["Frame", *TOOLS], step=_FRAMES_A_TOOL_ROW), start=2):
        if not {*cells} <= {"0", "1"}:
            raise InputError(f"{file}, line {number}: expected 0 or 1 for each tool, came {listed(cells)}; correct it")
        tools.append([float(cell) for cell in cells])
    return np.array(tools, dtype=np.float32)


def _read_rows(file: Path, columns: Sequence[str], step: int) -> list[list[str]]:
    """The cells after the frame of each row; the frames are 0, `step`, 2 `step`, and so on."""
    first, *lines = read_lines(file) or [""]
    if first.split("\t") != [*columns] and first.split() != [*columns]:
        raise InputError(f"{file}, line 1: expected {' '.join(columns)}, came {first[:80]!r}; correct it")
    if not lines:
        raise InputError(f"{file} has no rows; copy it again")
    rows = []
    for number, line in enumerate(lines):
        cells = line.split()
        if len(cells) != len(columns) or cells[0] != str(number * step):
            more = plural(len(columns) - 1, "cell")
            what = f"expected frame {number * step} and {more}, came {line[:80]!r}"
            raise InputError(f"{file}, line {number + 2}: {what}; correct it")
        rows.append(cells[1:])
    return rows
