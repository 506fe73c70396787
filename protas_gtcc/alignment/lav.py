"""Learning by aligning videos (LAV): soft-DTW between two videos, with a contrast within each.

Source: Haresh et al., Learning by Aligning Videos in Time, CVPR 2021. Distances are squared, as in the authors' code
and in soft-DTW's. In the paper both terms are sums. Soft-DTW adds up about N costs. The contrast adds up N^2 pairs,
with weights of up to N^2, since they count frames. So it grows with N^4, and its weight would hold for one N only. Here
both are means: soft-DTW is divided by the frames of the longer video, the contrast by the sum of its weights. In the
LAV code, weights use times as shares of the video, so they are at most 2, and the total is divided by the number of
frames. The GTCC authors' code squares distances in soft-DTW but not in the contrast.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.config import LOSS_DEFAULTS, AlignmentLossConfig
from protas_gtcc.alignment.pairs import Pairs, in_full_precision, squared_distances
from protas_gtcc.alignment.soft_dtw import soft_dtw
from protas_gtcc.network.padding import frame_mask
from protas_gtcc.network.terms import Terms


@in_full_precision
def lav_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = AlignmentLossConfig.warp_gamma,
    margin: float = AlignmentLossConfig.margin,
    near_share: float = AlignmentLossConfig.near_share,
    contrast_weight: float = LOSS_DEFAULTS["lav"]["contrast_weight"],
) -> Float[Tensor, "*P"]:
    """Soft-DTW + contrast_weight times the contrast: the terms, arguments and errors of `lav_terms`."""
    terms = lav_terms(u, v, u_lengths, v_lengths, gamma, margin, near_share)
    return terms["soft_dtw"] + contrast_weight * terms["contrast"]


@in_full_precision
def lav_terms(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = AlignmentLossConfig.warp_gamma,
    margin: float = AlignmentLossConfig.margin,
    near_share: float = AlignmentLossConfig.near_share,
) -> Terms:
    """The terms `soft_dtw`, divided by the frames of the longer video, and `contrast`, `contrastive_idm` of both.

    `u`, `v` and their lengths are as in `protas_gtcc.alignment.pairs`.

    Args:
        gamma: temperature of the soft minimum.
        margin: squared distance above which frames far in time are not pushed further apart.
        near_share: frames no further apart than this share of their video are near in time.

    Raises `ValueError` as `Pairs.of`, and for a gamma that is not above 0.
    """
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    lengths = (pairs.u_lengths, pairs.v_lengths)
    contrast = contrastive_idm(pairs.u, lengths[0], margin, near_share)
    contrast = contrast + contrastive_idm(pairs.v, lengths[1], margin, near_share)
    # Every frame of the longer video has at least one cost in the sum.
    warping = soft_dtw(squared_distances(pairs.u, pairs.v), gamma, lengths) / torch.maximum(*lengths)
    return {"soft_dtw": pairs.result(warping), "contrast": pairs.result(contrast)}


def contrastive_idm(
    x: Float[Tensor, "P N D"], lengths: Int[Tensor, " P"], margin: float, near_share: float
) -> Float[Tensor, " P"]:
    """Contrastive inverse difference moment: a weighted mean over the pairs of frames i, j of a video.

        D                  with weight 1               where |i - j| is at most near_share of the video (rounded)
        max(0, margin - D) with weight (i - j)^2 + 1   elsewhere

    D is the squared distance of the embedded frames. So frames near in time are near in the embedding, and others are
    not. Without it the alignment losses have a trivial solution, in which all frames have the same embedding.

    Source: section 3.3, where it is the sum with these weights. In the GTCC authors' code the term within the window is
    a constant, without a gradient.
    """
    distances = squared_distances(x, x)
    frames = torch.arange(x.shape[1], device=x.device)
    gaps = (frames[:, None] - frames).abs().to(x.dtype)
    is_near = gaps <= (near_share * lengths).round()[:, None, None]
    weights = torch.where(is_near, 1, gaps**2 + 1)
    terms = weights * torch.where(is_near, distances, (margin - distances).clamp(min=0))
    is_frame = frame_mask(lengths, x.shape[1]).to(x.dtype)[..., None]
    total, of_weights = ((is_frame.transpose(1, 2) @ one @ is_frame).flatten() for one in (terms, weights))
    return total / of_weights
