"""The files of Cholec80: phases of all frames, and tools of every 25th one as features.

phase_annotations/video01-phase.txt   Frame, Phase: one line a frame, 25 a second
tool_annotations/video01-tool.txt     Frame, Grasper, ... SpecimenBag: 0 or 1, at every 25th frame

Cells are separated by tabs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protas_gtcc.annotations.resampling import exact_rate, require_length
from protas_gtcc.errors import InputError, listed, plural
from protas_gtcc.layouts.features import FeatureFolder
from protas_gtcc.storage.text_files import read_lines

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
DEFAULT_FPS = 1.0
_SOURCE_FPS = 25
_FRAMES_A_TOOL_ROW = 25


@dataclass(frozen=True)
class ToolFolder(FeatureFolder):
    """The annotated tools, as features `[T, 7]` at `fps`."""

    fps: float = DEFAULT_FPS

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

    def load(self, video: str, time_first: bool, fps: float = DEFAULT_FPS) -> np.ndarray:
        """Which tools each frame shows, 0 or 1, float32 `[T, 7]`: those of the last row at or before it."""
        rows = _read_tools(self.file(video))
        frames = taken(len(rows) * _FRAMES_A_TOOL_ROW, self.fps, f"video {video}")
        tools = rows[frames // _FRAMES_A_TOOL_ROW]
        return tools if time_first else tools.T


def taken(num_frames: int, fps: float, what: str) -> np.ndarray:
    """The frames of the video that are shown at times i / fps, int64 `[T]`."""
    ratio = _SOURCE_FPS / exact_rate(fps)
    num_taken = -(-num_frames * ratio.denominator // ratio.numerator)
    require_length(num_taken, fps, what)
    return np.arange(num_taken) * ratio.numerator // ratio.denominator


def read_phases(file: Path) -> np.ndarray:
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
