"""Learning by aligning videos (LAV): soft-DTW between two videos, with a contrast within each.

Source: Haresh et al., Learning by Aligning Videos in Time, CVPR 2021. Distances are squared, as in the paper's own code
and in soft-DTW's; there frames are told apart by shares of the video, which makes W at most 2, and the total is divided
by the number of frames. Here W counts frames, as the paper writes it: the contrast wants a small weight. The GTCC
authors take squared ones in soft-DTW and others in the contrast, and sum over ordered pairs, so that every term counts
twice.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.contrast import contrastive_idm
from protas_gtcc.alignment.pairs import Pairs, in_full_precision, squared_distances
from protas_gtcc.alignment.soft_dtw import soft_dtw


@in_full_precision
def lav_terms(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = 0.1,
    margin: float = 2.0,
    window_frames: int = 15,
    band_frames: int | None = None,
) -> dict[str, Float[Tensor, "*P"]]:
    """The terms `soft_dtw`, summed along the alignment, and `contrast`, summed over both videos' pairs of frames.

    Args:
        u: embedded frames of the first video.
        v: of the second.
        u_lengths: frames of each padded u; by default all.
        v_lengths: of each v.
        gamma: temperature of the soft minimum.
        margin: squared distance from which frames far in time are far enough.
        window_frames: frames no further apart than this are near in time.
        band_frames: see `soft_dtw`.
    """
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    lengths = (pairs.u_lengths, pairs.v_lengths)
    contrast = contrastive_idm(pairs.u, lengths[0], margin, window_frames)
    contrast = contrast + contrastive_idm(pairs.v, lengths[1], margin, window_frames)
    warping = soft_dtw(squared_distances(pairs.u, pairs.v), gamma, lengths, band_frames)
    return {"soft_dtw": pairs.result(warping), "contrast": pairs.result(contrast)}


def lav_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = 0.1,
    contrast_weight: float = 0.01,
    margin: float = 2.0,
    window_frames: int = 15,
    band_frames: int | None = None,
) -> Float[Tensor, "*P"]:
    """The weighted sum of `lav_terms`."""
    terms = lav_terms(u, v, u_lengths, v_lengths, gamma, margin, window_frames, band_frames)
    return terms["soft_dtw"] + contrast_weight * terms["contrast"]
