"""Contrast within a video: frames near in time are near in the embedding, frames far in time are not.

Without it the alignment losses have a trivial solution, in which all frames have the same embedding.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.pairs import squared_distances
from protas_gtcc.network.padding import frame_mask


def contrastive_idm(
    x: Float[Tensor, "P N D"], lengths: Int[Tensor, " P"], margin: float = 2.0, window_frames: int = 15
) -> Float[Tensor, " P"]:
    """Contrastive inverse difference moment: the sum over frames i, j of (1 - y) W max(0, margin - D) + y D.

    y is 1 where |i - j| <= window_frames, W = (i - j)^2 + 1, D the squared distance of the embedded frames.

    Source: Haresh et al., Learning by Aligning Videos in Time, CVPR 2021, section 3.3. In the GTCC authors' code the
    term within the window is a constant, without a gradient.
    """
    distances = squared_distances(x, x)
    frames = torch.arange(x.shape[1], device=x.device)
    gaps = (frames[:, None] - frames).abs()
    pushed = (gaps.to(x.dtype) ** 2 + 1) * (margin - distances).clamp(min=0)
    terms = torch.where(gaps <= window_frames, distances, pushed)
    is_frame = frame_mask(lengths, x.shape[1]).to(x.dtype)[..., None]
    return (is_frame.transpose(1, 2) @ terms @ is_frame).flatten()
