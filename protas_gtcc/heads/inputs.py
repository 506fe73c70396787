"""What a frame is told beside its embedding: where it is. Frame k of a segment depends on no frame after it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

FRAMES_SCALE = 300
"""Number of frames seen that counts as 1 (the published heads')."""


def frames_seen(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T 1"]:
    """log(1 + n) / log(1 + 300) at the n-th frame of a segment, n from 1.

    The published heads tell every frame the number of the last one, so that a dense output knows the segment's length.
    """
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
    return (torch.log1p(count) / math.log1p(FRAMES_SCALE))[None, :, None].expand(len(x), -1, -1)


def positions(num_seen: Int[Tensor, " P"], num_frames: int) -> Float[Tensor, "P T 1"]:
    """k / n at frame k, from 0, of each prefix of n frames: below 1 within it, meaningless beyond its end."""
    frames = torch.arange(num_frames, device=num_seen.device, dtype=torch.float32)
    return (frames / num_seen[:, None]).unsqueeze(2)
