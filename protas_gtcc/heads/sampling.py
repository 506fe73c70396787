"""Which segments are in an epoch, and at which of their frames the loss is computed.

Long actions have many frames and short ones few, and most frames of an action are alike. So a few frames of each
segment are drawn, some from each third: early, middle, late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.network.padding import frame_mask, pad

THIRDS = 3


class SampledFrames(NamedTuple):
    """K frames of each segment; a segment with fewer has the rest marked as not valid."""

    frames: Int[Tensor, "B K"]
    valid: Bool[Tensor, "B K"]

    def targets(self, lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """True progress there, (t + 1) / L; at least 1 / L where not valid."""
        return (self.frames + 1) / lengths[:, None]


def draw_segments(videos: Sequence[str], config: HeadLossConfig, random: np.random.Generator) -> list[int]:
    """Indices of the segments of an epoch: each once if `dense`, else as many from each video, with replacement.

    `videos`: the video of each segment. The result is in the order of the videos.
    """
    numbers = np.arange(len(videos))
    if config.mode == "dense":
        return numbers.tolist()
    of_video = [numbers[np.asarray(videos) == video] for video in dict.fromkeys(videos)]
    return np.concatenate([random.choice(one, config.segments_per_video) for one in of_video]).tolist()


def stratified_frames(length: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Distinct frames of a segment of `length`, int64, in time order: `count` of them, or all of a shorter segment.

    Each third of the progress has a third of them, if it has enough frames; the rest are drawn from the whole segment.
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


def sample_frames(lengths: Int[Tensor, " B"], config: HeadLossConfig, random: np.random.Generator) -> SampledFrames:
    """The frames of each segment at which the loss is computed: all of them if `dense`, else `stratified_frames`."""
    if config.mode == "dense":
        valid = frame_mask(lengths, int(lengths.max()))
        frames = torch.arange(valid.shape[1], device=lengths.device).expand(len(lengths), -1)
        return SampledFrames(frames * valid, valid)
    return sample_stratified(lengths, config.frames_per_segment, random)


def sample_stratified(lengths: Int[Tensor, " B"], count: int, random: np.random.Generator) -> SampledFrames:
    """`stratified_frames` of each segment."""
    drawn = [torch.from_numpy(stratified_frames(length, count, random)) for length in lengths.tolist()]
    frames, counts = pad([*drawn, torch.zeros(count, dtype=torch.int64)])
    valid = frame_mask(counts, count)
    return SampledFrames(frames[:-1].to(lengths.device), valid[:-1].to(lengths.device))
