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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.resampling import require_rate
from protas_gtcc.layouts.base import Layout, background_ids
from protas_gtcc.layouts.cholec80_files import DEFAULT_FPS, PHASES, ToolFolder, read_phases, taken
from protas_gtcc.layouts.features import find_feature_folders
from protas_gtcc.layouts.options import LayoutOptions, own_name

PHASES_FOLDER, TOOLS_FOLDER = "phase_annotations", "tool_annotations"
TASK = "cholecystectomy"
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
        phases = read_phases(self._file(video))
        return phases[taken(len(phases), self.annotation_fps or DEFAULT_FPS, f"video {video}")]

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
        annotation_fps=options.annotation_fps or DEFAULT_FPS,
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
