"""Features as a run sees them: the dataset's own, or those of a control.

A control replaces the features by others that lack one kind of information. If a network scores as well on it, it does
not use that information.

- `noise`: Gaussian noise with the mean and deviation of each dimension over the split's training videos. A network can
  learn only the order and the durations of actions from it, by counting frames.
- `index`: the frame's number / 100 in the first dimension, 0 in the others. As `noise`, but the network need not count.
  The length of the video is not in it.
- `shuffle`: the features of all frames of a class in a video, permuted among these frames. They still show the class,
  but not how far the action is. It needs the true labels, also of test videos, and the whole video at once: it is for
  experiments only.

Training, validation and evaluation all read through `FeatureReader`. A video's control is the same in every epoch and
run, and a window of it equals that part of the whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from protas_gtcc.config import Control, RunConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError

FRAMES_A_UNIT = 100
"""For `index`: its numbers stay below some tens for minutes of video, a size that networks can take."""
BLOCK_FRAMES = 256
"""Noise is drawn in blocks, each from its own seed, so that a window draws little more than it needs."""


class FeatureReader:
    """Reads the features of a dataset's videos, or those of a control. It can be sent to loading workers.

    Raises `InputError` if the control is `noise` and the split has no training videos to take its scale from.
    """

    def __init__(self, dataset: Dataset, feature_set: str, split: str, control: Control = "none"):
        self._dataset, self._feature_set, self._control = dataset, feature_set, control
        self._dim = dataset.feature_set(feature_set).dim
        if control == "noise":
            videos = dataset.part(split, "train")
            if not videos:
                what = f"--control noise takes its scale from training videos, and split {split} has none"
                raise InputError(f"{dataset.path}: {what}; list some")
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
            features = np.zeros((end - start, self._dim), dtype=np.float32)
            features[:, 0] = np.arange(start, end) / FRAMES_A_UNIT
            return features
        return self._mean + self._deviation * gaussian_noise(video, start, end, self._dim)


def gaussian_noise(video: str, start: int, end: int, dim: int) -> np.ndarray:
    """Standard normal float32 `[T, D]` for frames `[start, end)`; it depends on the name of the video alone."""
    noise = np.empty((end - start, dim), dtype=np.float32)
    for block in range(start // BLOCK_FRAMES, -(-end // BLOCK_FRAMES)):
        first = block * BLOCK_FRAMES
        drawn = np.random.default_rng([_seed(video), block]).standard_normal((BLOCK_FRAMES, dim), dtype=np.float32)
        low, high = max(start, first), min(end, first + BLOCK_FRAMES)
        noise[low - start : high - start] = drawn[low - first : high - first]
    return noise


def shuffled_within_classes(labels: np.ndarray, video: str) -> np.ndarray:
    """The frame, of the same class, whose features each frame gets: labels `[T]` -> frame numbers int64 `[T]`."""
    random, source = np.random.default_rng(_seed(video)), np.arange(len(labels))
    for label in np.unique(labels):
        frames = np.flatnonzero(labels == label)
        source[frames] = random.permutation(frames)
    return source


def feature_statistics(videos: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation `[D]`, float32, over all frames of at least one video with features `[T, D]`."""
    frames, mean, squares = 0, np.zeros(1), np.zeros(1)
    for features in videos:
        values = features.astype(np.float64)
        # Statistics of two sets of frames are combined (Chan, Golub and LeVeque), without a difference of large sums.
        shift, total = values.mean(axis=0) - mean, frames + len(values)
        squares = squares + values.var(axis=0) * len(values) + shift**2 * frames * len(values) / total
        mean, frames = mean + shift * len(values) / total, total
    return mean.astype(np.float32), np.sqrt(squares / frames).astype(np.float32)


def require_no_control(config: RunConfig, purpose: str) -> None:
    """Raise `InputError` if the run is a control: on new features its predictions mean nothing."""
    if config.control != "none":
        why = "it was trained for comparison, on features that no new video has"
        raise InputError(f"the run is the control {config.control!r} and cannot {purpose}: {why}; use another run")


def _seed(video: str) -> int:
    return zlib.crc32(video.encode())
