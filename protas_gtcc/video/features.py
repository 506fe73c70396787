"""Pictures of one video, in order -> features, as files of features have them.

Features are rounded to float16 everywhere: in files, and where a model takes a video or a camera itself. So a model's
answers do not depend on which way its features came.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.video.ahead import ahead
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.frames import VideoFrames
from protas_gtcc.video.windows import Windows

BATCH_SIZE = 16
"""Pictures that a backbone takes at once."""
BATCHES_AHEAD = 2
"""Decoded while the backbone computes. More would only take memory: decoding is as fast at each moment."""
DTYPE = np.dtype(np.float16)
"""Of the features: half the space of float32, and 3 digits, more than a backbone's features are good for."""


class PictureFeatures:
    """Gives the features of a video's next pictures; windows and frame numbers go on from call to call."""

    def __init__(self, backbone: Backbone, name: str):
        """`name` of the video is for errors."""
        self._backbone, self._name = backbone, name
        self._windows, self._done = Windows(backbone.window), 0

    def of(self, pictures: np.ndarray, missed: int = 0) -> np.ndarray:
        """The features, float16 `[B, D]`, of uint8 `[B, H, W, 3]`.

        The first picture stands for the `missed` frames before it, too. Raises `InputError` for features that float16
        does not hold.
        """
        self._windows.skip(pictures[:1], missed)
        values = self._backbone(self._windows.of(pictures))
        with np.errstate(over="ignore"):  # it becomes infinity, which is refused
            half = values.astype(DTYPE)
        wrong = ~np.isfinite(half).all(axis=1)
        if wrong.any():
            where = f"{self._name}, frame {self._done + missed + int(np.argmax(wrong))}"
            what = f"{where}: {self._backbone.name} gives NaN, infinity or a value above 65504"
            raise InputError(f"{what}, which float16 does not hold; use another model")
        self._done += missed + len(half)
        return half


def features_of(video: VideoFrames, backbone: Backbone) -> Iterator[np.ndarray]:
    """Yield the features of a video, float16 `[B, D]`, batch by batch, decoding ahead.

    Raises `BrokenVideo` as iterating the video does, and `InputError` for features that float16 does not hold.
    """
    features = PictureFeatures(backbone, str(video.path))
    for pictures in ahead(video, BATCHES_AHEAD):
        yield features.of(pictures)
