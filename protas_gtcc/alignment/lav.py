"""Learning by aligning videos (LAV): soft-DTW between two videos, with a contrast within each.

Source: Haresh et al., Learning by Aligning Videos in Time, CVPR 2021. Distances are squared, as in the authors' code
and in soft-DTW's. In the LAV code W uses times as shares of the video, so it is at most 2, and the total is divided by
the number of frames. Here W counts frames, as in the paper, so the contrast needs a small weight. The GTCC authors'
code squares distances in soft-DTW but not in the contrast, and sums over ordered pairs, so every term counts twice.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.pairs import Pairs, in_full_precision, squared_distances
from protas_gtcc.alignment.soft_dtw import soft_dtw
from protas_gtcc.network.padding import frame_mask
from protas_gtcc.network.terms import Terms


@in_full_precision
def lav_terms(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = 0.1,
    margin: float = 2.0,
    window_frames: int = 15,
) -> Terms:
    """The terms `soft_dtw`, summed along the alignment, and `contrast`, summed over both videos' pairs of frames.

    `u`, `v` and their lengths are as in `protas_gtcc.alignment.pairs`.

    Args:
        gamma: temperature of the soft minimum.
        margin: squared distance above which frames far in time are not pushed further apart.
        window_frames: frames no further apart than this are near in time.

    Raises `ValueError` as `Pairs.of`, and for a gamma that is not above 0.
    """
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    lengths = (pairs.u_lengths, pairs.v_lengths)
    contrast = contrastive_idm(pairs.u, lengths[0], margin, window_frames)
    contrast = contrast + contrastive_idm(pairs.v, lengths[1], margin, window_frames)
    warping = soft_dtw(squared_distances(pairs.u, pairs.v), gamma, lengths)
    return {"soft_dtw": pairs.result(warping), "contrast": pairs.result(contrast)}


def contrastive_idm(
    x: Float[Tensor, "P N D"], lengths: Int[Tensor, " P"], margin: float, window_frames: int
) -> Float[Tensor, " P"]:
    """Contrastive inverse difference moment: the sum over frames i, j of (1 - y) W max(0, margin - D) + y D.

    y is 1 where |i - j| <= window_frames, W = (i - j)^2 + 1, D the squared distance of the embedded frames. So frames
    near in time are near in the embedding, and others are not. Without it the alignment losses have a trivial solution,
    in which all frames have the same embedding.

    Source: section 3.3. In the GTCC authors' code the term within the window is a constant, without a gradient.
    """
    distances = squared_distances(x, x)
    frames = torch.arange(x.shape[1], device=x.device)
    gaps = (frames[:, None] - frames).abs()
    pushed = (gaps.to(x.dtype) ** 2 + 1) * (margin - distances).clamp(min=0)
    terms = torch.where(gaps <= window_frames, distances, pushed)
    is_frame = frame_mask(lengths, x.shape[1]).to(x.dtype)[..., None]
    return (is_frame.transpose(1, 2) @ terms @ is_frame).flatten()
