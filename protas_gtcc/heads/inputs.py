"""Inputs of a frame beside its embedding: position and count. Frame k of a segment depends on no later frame."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

FRAMES_SCALE = 300
"""Number of frames so far that counts as 1, as in the published heads."""


def frames_seen(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T 1"]:
    """log(1 + n) / log(1 + 300) at the n-th frame of a segment, n from 1.

    In the published heads every frame has the number of the last one, so an output depends on the segment's length.
    """
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
    return (torch.log1p(count) / math.log1p(FRAMES_SCALE))[None, :, None].expand(len(x), -1, -1)


def positions(num_seen: Int[Tensor, " P"], num_frames: int) -> Float[Tensor, "P T 1"]:
    """k / n at frame k, from 0, of each prefix of n frames; below 1 within the prefix, unused beyond its end."""
    frames = torch.arange(num_frames, device=num_seen.device, dtype=torch.float32)
    return (frames / num_seen[:, None]).unsqueeze(2)
