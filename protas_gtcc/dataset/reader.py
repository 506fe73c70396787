"""Features as a run sees them: the dataset's own, or those of a control, which lack what is to be proved needed.

- `noise`: Gaussian noise with the mean and deviation of each dimension over the split's training videos. What a network
  scores on it, it learnt from order and duration alone: from counting frames.
- `index`: the frame's number / 100 in the first dimension, the others 0. As `noise`, but counting is given. It says
  nothing of the video's length.
- `shuffle`: the features of all frames of a class within a video, permuted among these frames. What is seen stays,
  when in the segment it was seen is lost. It needs the true labels, of test videos too, and the whole video at once:
  for experiments only.

Training, validation and evaluation all read through `FeatureReader`. What it gives of a video is the same in every
epoch and run, and a window of a video is cut from the same control as the whole.
"""

from __future__ import annotations

import zlib

import numpy as np

from protas_gtcc.config import Control, RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.statistics import feature_statistics
from protas_gtcc.errors import InputError

FRAMES_A_UNIT = 100
"""Of `index`: so that its numbers are of a size that networks take, some tens at most for minutes of video."""
BLOCK_FRAMES = 256
"""Noise is drawn in blocks, each from its own seed, so that a window draws no more than it needs."""
NO_FIT = "a control run was trained to be compared with, on features that no new video has"


class FeatureReader:
    """Reads the features of a dataset's videos, under a control or as they are; safe to send to loading workers.

    Raises `InputError` where `noise` has no training video to take its scale from.
    """

    def __init__(self, dataset: Dataset, feature_set: str, split: str, control: Control = "none"):
        self._dataset, self._feature_set, self._control = dataset, feature_set, control
        self._dim = dataset.feature_sets[feature_set].dim
        if control == "noise":
            videos = dataset.part(split, "train")
            if not videos:
                raise InputError(
                    f"{dataset.path}: --control noise takes its scale from training videos, and the split has none"
                )
            self._mean, self._deviation = feature_statistics(dataset.features(video, feature_set) for video in videos)

    def read(self, video: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Features of frames `[start, end)`, `[T, D]`. Raises `InputError` as `Dataset.features` does."""
        if self._control == "none":
            return self._dataset.features(video, self._feature_set, start, end)
        start, end, _ = slice(start, end).indices(len(self._dataset.labels(video)))
        if self._control == "shuffle":
            order = shuffled_within_classes(self._dataset.labels(video), video)
            return self._dataset.features(video, self._feature_set)[order[start:end]]
        if self._control == "index":
            return frame_index(start, end, self._dim)
        return self._mean + self._deviation * gaussian_noise(video, start, end, self._dim)


def frame_index(start: int, end: int, dim: int) -> np.ndarray:
    """`index` of frames `[start, end)` of any video: float32 `[T, D]`."""
    features = np.zeros((end - start, dim), dtype=np.float32)
    features[:, 0] = np.arange(start, end) / FRAMES_A_UNIT
    return features


def gaussian_noise(video: str, start: int, end: int, dim: int) -> np.ndarray:
    """Standard normal float32 `[T, D]` for frames `[start, end)`, of this video's name alone."""
    noise = np.empty((end - start, dim), dtype=np.float32)
    for block in range(start // BLOCK_FRAMES, -(-end // BLOCK_FRAMES)):
        first = block * BLOCK_FRAMES
        drawn = np.random.default_rng([_seed(video), block]).standard_normal((BLOCK_FRAMES, dim), dtype=np.float32)
        low, high = max(start, first), min(end, first + BLOCK_FRAMES)
        noise[low - start : high - start] = drawn[low - first : high - first]
    return noise


def shuffled_within_classes(labels: np.ndarray, video: str) -> np.ndarray:
    """From class ids `[T]`, which frame's features each frame gets, int64 `[T]`: one of its own class."""
    random, source = np.random.default_rng(_seed(video)), np.arange(len(labels))
    for label in np.unique(labels):
        frames = np.flatnonzero(labels == label)
        source[frames] = random.permutation(frames)
    return source


def require_no_control(config: RunConfig, purpose: str) -> None:
    """Raise `InputError` if the run is a control: on new features its network would say nothing."""
    if config.control != "none":
        raise InputError(f"the run is the control {config.control!r} and cannot {purpose}: {NO_FIT}")


def _seed(video: str) -> int:
    return zlib.crc32(video.encode())
