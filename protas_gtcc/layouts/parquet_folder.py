"""A column of Parquet files as a feature set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.layouts.features import FeatureFolder


@dataclass(frozen=True)
class ParquetFolder(FeatureFolder):
    """A column that has D numbers, or one, in each row."""

    read: Callable[[str], list[Any]] = lambda video: []
    """Gives the column's rows of a video, frame by frame."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Video -> its frames."""
    dim: int = 1

    def file(self, video: str) -> Path:
        """The Parquet file that has the video."""
        return self.files[video]

    def rows_are_frames(self, video: str) -> bool:
        """Always."""
        return True

    def unlabelled(self, videos: Collection[str]) -> list[str]:
        """None."""
        return []

    def not_read(self) -> list[str]:
        """None."""
        return []

    def shape(self, video: str) -> tuple[int, int]:
        """`[T, D]`, by the dataset's facts."""
        return self.lengths[video], self.dim

    def load(self, video: str, time_first: bool, fps: float = 1.0) -> np.ndarray:
        """The column, float32 `[T, D]`. Raises `InputError` for another size than the dataset's facts have."""
        try:
            values: np.ndarray = np.array(self.read(video), dtype=np.float32)
        except (TypeError, ValueError):
            values = np.empty((0, 0), np.float32)
        values = values[:, None] if values.ndim == 1 else values
        if values.shape != self.shape(video):
            what = f"expected {list(self.shape(video))} numbers for video {video}, came {list(values.shape)}"
            raise InputError(f"{self.file(video)}: {what}; copy the dataset again")
        return values if time_first else values.T
