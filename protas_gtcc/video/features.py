"""Pictures of one video, in order -> features, as files of features have them.

Features are rounded to float16 everywhere: in files, and where a model takes a video or a camera itself. So a model's
answers do not depend on which way its features came.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from protas_gtcc.errors import InputError, plural
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

    @property
    def before(self) -> np.ndarray | None:
        """The pictures that the next windows begin with, uint8 `[window - 1, H, W, 3]`; None without windows."""
        return self._windows.before

    def resume(self, num_frames: int, before: np.ndarray | None) -> None:
        """Go on after so many frames, with what was `before` then.

        Raises `InputError` if these are not the pictures that the backbone needs.
        """
        window, size = self._backbone.window, self._backbone.size
        self._done = num_frames
        if window == 1 or not num_frames:
            return
        if before is None or before.shape != (window - 1, size, size, 3):
            what = f"the state of the stream lacks the last {plural(window - 1, 'picture')} of {size} x {size} pixels"
            raise InputError(f"{what}, which {self._backbone.name} needs to go on; start a new stream without it")
        self._windows.before = before

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
