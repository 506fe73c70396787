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

from protas_gtcc.errors import InputError
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


def draw_segments(
    videos: Sequence[str], lengths: Sequence[int], config: HeadLossConfig, random: np.random.Generator
) -> list[int]:
    """Indices of the segments of an epoch: each once, or as many from each video, with replacement.

    Segments shorter than the shortest prefix are left out, and so are videos with no other. The result is in the order
    of the videos. Raises `InputError` if nothing is left.

    Args:
        videos: the video of each segment.
        lengths: its number of frames.
        config: how many, and the shortest prefix.
        random: where draws come from.
    """
    numbers = np.flatnonzero(np.asarray(lengths) >= config.shortest_prefix)
    if not len(numbers):
        what = f"no training segment has {config.shortest_prefix} frames"
        raise InputError(f"{what}; lower --shortest-prefix, or give features at a higher rate")
    if not config.segments_per_video:
        return numbers.tolist()
    of = np.asarray(videos)[numbers]
    of_video = [numbers[of == video] for video in dict.fromkeys(of.tolist())]
    return np.concatenate([random.choice(one, config.segments_per_video) for one in of_video]).tolist()


def drawn_frames(
    length: int, count: int, random: np.random.Generator, strata: bool = True, shortest_prefix: int = 1
) -> np.ndarray:
    """Distinct frames of a segment of `length`, int64, in time order: `count` of them, or all if there are no more.

    With `strata`, each third of the progress has a third of them, if it has enough frames; the rest are drawn from the
    whole segment. Frames before the end of the shortest prefix are never drawn.
    """
    allowed = np.arange(min(shortest_prefix, length) - 1, length)
    if len(allowed) <= count:
        return allowed
    chosen = np.zeros(length, dtype=bool)
    third = (THIRDS * (allowed + 1) - 1) // length
    for part in range(THIRDS if strata else 0):
        frames = allowed[third == part]
        chosen[random.choice(frames, min(count // THIRDS, len(frames)), replace=False)] = True
    rest = allowed[~chosen[allowed]]
    chosen[random.choice(rest, count - chosen.sum(), replace=False)] = True
    return np.flatnonzero(chosen)


def sample_frames(lengths: Int[Tensor, " B"], config: HeadLossConfig, random: np.random.Generator) -> SampledFrames:
    """The frames of each segment at which the loss is computed: all that are allowed, or as many as are wanted."""
    count = config.frames_per_segment or int(lengths.max())
    drawn = [drawn_frames(length, count, random, config.strata, config.shortest_prefix) for length in lengths.tolist()]
    return _padded(drawn, lengths)


def sample_stratified(lengths: Int[Tensor, " B"], count: int, random: np.random.Generator) -> SampledFrames:
    """`count` frames of each segment, from each third of it."""
    return _padded([drawn_frames(length, count, random) for length in lengths.tolist()], lengths)


def _padded(drawn: Sequence[np.ndarray], lengths: Int[Tensor, " B"]) -> SampledFrames:
    frames, counts = pad([torch.from_numpy(one) for one in drawn])
    valid = frame_mask(counts, frames.shape[1])
    return SampledFrames(frames.to(lengths.device), valid.to(lengths.device))
