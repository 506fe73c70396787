"""Predictions of many videos: shards, each an HDF5 file of some videos, and an index that makes them one.

    predictions.json    format, shards [paths, seen from the index's folder], videos {video: number of its shard}

Nothing is copied: a shard is opened when one of its videos is read.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import Hdf5File, PredictionFiles, open_file
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.file_kinds import PREDICTIONS_INDEX

FORMAT = "protas_gtcc predictions index 2"
MOST_OPEN = 32
"""Shards that are open at a time, with some 4 MB each."""


def write_index(folder: Path, shards: Mapping[str, Path]) -> Path:
    """Write the index of videos and their shards, which lie in the folder; returns its path."""
    numbers = {path: number for number, path in enumerate(dict.fromkeys(shards.values()))}
    content = {
        "format": FORMAT,
        "shards": [path.relative_to(folder).as_posix() for path in numbers],
        "videos": {video: numbers[path] for video, path in shards.items()},
    }
    write_text(folder / PREDICTIONS_INDEX, json.dumps(content, indent=1) + "\n")
    return folder / PREDICTIONS_INDEX


class PredictionParts(PredictionFiles):
    """The shards of an index as one. Raises `InputError` for an index that is none, and for shards that differ."""

    info: PredictionInfo

    def __init__(self, index: Path, class_names: list[str] | None = None):
        self.path, self._class_names = index, class_names
        names, self._shard_of = read_index(index)
        self._shards, self._open = [index.parent / name for name in names], OrderedDict[int, Hdf5File]()
        self.video_names = list(self._shard_of)
        self.info = self._opened(self._shard_of[self.video_names[0]]).info

    def read(self, video: str) -> Prediction:
        """The prediction of a video."""
        return self._with(video).read(video)

    def read_labels(self, video: str) -> np.ndarray:
        """Class ids alone, int64 `[T]`."""
        return self._with(video).read_labels(video)

    def _with(self, video: str) -> Hdf5File:
        if video not in self._shard_of:
            raise InputError(f"{self.path} has no video {video!r}; predict it, or name another one")
        number = self._shard_of[video]
        files = self._opened(number)
        if files.info != self.info:
            what = f"{self._shards[number]} and {self._shards[self._shard_of[self.video_names[0]]]}"
            raise InputError(f"{what} were made by different models; predict again into another --out")
        return files

    def _opened(self, number: int) -> Hdf5File:
        if number not in self._open:
            files = open_file(self._shards[number], self._class_names, is_one_of_many=True)
            if len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)
            self._open[number] = files
        self._open.move_to_end(number)
        return self._open[number]


def read_index(path: Path) -> tuple[list[str], dict[str, int]]:
    """An index's shards, and the number of each video's shard; whether they are there is not looked at.

    Raises `InputError` for a file that is no index.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] == FORMAT and _is_index(content["shards"], content["videos"]):
            return content["shards"], content["videos"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    raise InputError(f"{path} is no index of predictions; predict again, or name the file of predictions itself")


def _is_index(shards: object, videos: object) -> bool:
    """Whether there are videos, each with the number of a shard."""
    if not isinstance(shards, list) or not isinstance(videos, dict) or not videos:
        return False
    numbers = set(map(type, videos.values())) == {int} and 0 <= min(videos.values()) <= max(videos.values())
    return numbers and max(videos.values()) < len(shards) and all(isinstance(one, str) for one in shards)
