"""Which segments an epoch takes, and at which of their frames a head is asked.

Long actions have many frames and short ones few, and most frames of any are alike. So a few frames of each are drawn,
some of each third: early, middle, late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

THIRDS = 3


class AskedFrames(NamedTuple):
    """K frames of each segment; a segment with fewer has the rest marked as not valid."""

    frames: Int[Tensor, "B K"]
    valid: Bool[Tensor, "B K"]

    def targets(self, lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """True progress there, (t + 1) / L; at least 1 / L where not valid."""
        return (self.frames + 1) / lengths[:, None]


def draw_segments(videos: Sequence[str], per_video: int, random: np.random.Generator) -> np.ndarray:
    """Numbers of segments, so many of each video, the same one perhaps several times.

    `videos` says which video each segment is of; the result is in the order of the videos.
    """
    numbers = np.arange(len(videos))
    of_video = [numbers[np.asarray(videos) == video] for video in dict.fromkeys(videos)]
    return np.concatenate([random.choice(one, per_video) for one in of_video])


def stratified_frames(length: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Different frames of a segment of `length`, int64, in time order: `count` of them, or all if it has no more.

    Each third of the progress has a third of them, as far as it has frames; the rest come from anywhere.
    """
    if length <= count:
        return np.arange(length)
    third = (THIRDS * np.arange(1, length + 1) - 1) // length
    chosen = np.zeros(length, dtype=bool)
    for part in range(THIRDS):
        frames = np.flatnonzero(third == part)
        chosen[random.choice(frames, min(count // THIRDS, len(frames)), replace=False)] = True
    rest = np.flatnonzero(~chosen)
    chosen[random.choice(rest, count - chosen.sum(), replace=False)] = True
    return np.flatnonzero(chosen)


def ask_stratified(lengths: Int[Tensor, " B"], count: int, random: np.random.Generator) -> AskedFrames:
    """`stratified_frames` of each segment."""
    frames = torch.zeros(len(lengths), count, dtype=torch.int64)
    valid = torch.zeros(len(lengths), count, dtype=torch.bool)
    for row, length in enumerate(lengths.tolist()):
        drawn = stratified_frames(length, count, random)
        frames[row, : len(drawn)] = torch.from_numpy(drawn)
        valid[row, : len(drawn)] = True
    return AskedFrames(frames.to(lengths.device), valid.to(lengths.device))


def ask_every_frame(lengths: Int[Tensor, " B"]) -> AskedFrames:
    """All frames of each segment."""
    frames = torch.arange(int(lengths.max()), device=lengths.device).expand(len(lengths), -1)
    valid = frames < lengths[:, None]
    return AskedFrames(frames * valid, valid)
