"""Learning by aligning videos (LAV): soft-DTW between two videos, with a contrast within each.

Source: Haresh et al., Learning by Aligning Videos in Time, CVPR 2021. Distances are squared, as in the authors' code
and in soft-DTW's. In the LAV code W uses times as shares of the video, so it is at most 2, and the total is divided by
the number of frames. Here W counts frames, as in the paper, so the contrast needs a small weight. The GTCC authors'
code squares distances in soft-DTW but not in the contrast, and sums over ordered pairs, so every term counts twice.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.contrast import contrastive_idm
from protas_gtcc.alignment.pairs import Pairs, in_full_precision, squared_distances
from protas_gtcc.alignment.soft_dtw import soft_dtw
from protas_gtcc.network.terms import Terms, total_loss, weigh


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

    Args:
        u: embedded frames of the first video.
        v: those of the second.
        u_lengths: frames of each padded u; by default all.
        v_lengths: of each v.
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


def lav_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    gamma: float = 0.1,
    contrast_weight: float = 0.01,
    margin: float = 2.0,
    window_frames: int = 15,
) -> Float[Tensor, "*P"]:
    """The weighted sum of `lav_terms`."""
    terms = lav_terms(u, v, u_lengths, v_lengths, gamma, margin, window_frames)
    return total_loss(weigh(terms, {"soft_dtw": 1.0, "contrast": contrast_weight}))
