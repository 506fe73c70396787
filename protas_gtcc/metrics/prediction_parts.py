"""Predictions of a work list: one HDF5 file a video, and an index, `predictions.json`, that makes them one.

    predictions.json    format, videos {video: path of its file, beside the index}

Nothing is copied: a video's file is opened when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import PredictionFiles, open_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX

FORMAT = "protas_gtcc predictions index 1"


def write_index(folder: Path, files: Mapping[str, Path]) -> Path:
    """Write the index of files of predictions, which lie in the folder; returns its path."""
    videos = {video: path.relative_to(folder).as_posix() for video, path in files.items()}
    write_text(folder / PREDICTIONS_INDEX, json.dumps({"format": FORMAT, "videos": videos}, indent=1) + "\n")
    return folder / PREDICTIONS_INDEX


class PredictionParts(PredictionFiles):
    """The files of an index as one. Raises `InputError` for an index that is none, and for files that are not alike."""

    info: PredictionInfo

    def __init__(self, index: Path, class_names: list[str] | None = None):
        self.path, self._class_names = index, class_names
        self._files = {video: index.parent / path for video, path in _read_index(index).items()}
        self.video_names = list(self._files)
        first = open_predictions(self._files[self.video_names[0]], class_names).info
        assert first is not None, "HDF5 files have it"
        self.info = first

    def read(self, video: str) -> Prediction:
        """The prediction of a video."""
        return self._open(video).read(video)

    def read_labels(self, video: str) -> np.ndarray:
        """Class ids alone, int64 `[T]`."""
        return self._open(video).read_labels(video)

    def _open(self, video: str) -> PredictionFiles:
        if video not in self._files:
            raise InputError(f"{self.path} has no video {video!r}; predict it, or name another one")
        files = open_predictions(self._files[video], self._class_names)
        if files.info != self.info:
            what = f"{self._files[video]} and {self._files[self.video_names[0]]} were made by different models"
            raise InputError(f"{what}; predict again into another --out")
        return files


def _read_index(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        videos = content["videos"] if content["format"] == FORMAT else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        videos = None
    if not isinstance(videos, dict) or not videos or not all(isinstance(one, str) for one in videos.values()):
        raise InputError(f"{path} is no index of predictions; predict again, or name the file of predictions itself")
    return videos
