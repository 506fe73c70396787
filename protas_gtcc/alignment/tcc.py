"""Temporal cycle consistency (TCC): from a frame to its soft neighbour in the other video, and back to the start.

Source: Dwibedi et al., Temporal Cycle-Consistency Learning, CVPR 2019, section 3. The GTCC authors' code differs.
Distances are not squared (the LAV authors' code divides squared ones by D). The variance is around the means of other
frames, because an axis is lost in broadcasting. The loss divides by 0 where a cycle ends exactly at its start. A video
is also paired with itself.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from protas_gtcc.alignment.config import LOSS_DEFAULTS, AlignmentLossConfig
from protas_gtcc.alignment.pairs import (
    Pairs,
    in_full_precision,
    mean_over_frames,
    require_positive,
    soft_neighbours,
    squared_distances,
)

MIN_VARIANCE = 1 / 12
"""In squared frames: the variance of a uniform distribution over one frame, the resolution of the time line. Smaller
variances count as this."""


@in_full_precision
def tcc_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    temperature: float = LOSS_DEFAULTS["tcc"]["temperature"],
    variance_weight: float = AlignmentLossConfig.variance_weight,
) -> Float[Tensor, "*P"]:
    """Cycle-back regression from u over v: the mean over frames i of (i - mu)^2 / var + variance_weight log sqrt(var).

    beta = softmax_k(-|v~ - u_k|^2 / temperature) is the position in u of the soft neighbour v~ of frame i; mu and var
    are its mean and variance over k, in frames. `u`, `v` and their lengths are as in `protas_gtcc.alignment.pairs`.

    Args:
        temperature: of both softmaxes, in squared distance.
        variance_weight: lambda.

    Raises `ValueError` as `Pairs.of`, and for a temperature that is not above 0.
    """
    require_positive(temperature=temperature)
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    beta = soft_neighbours(_cycled(pairs, temperature), pairs.u, pairs.u_mask, temperature)
    frames = torch.arange(beta.shape[2], device=beta.device, dtype=beta.dtype)
    mu = beta @ frames
    variance = (beta * (frames - mu[..., None]) ** 2).sum(dim=2).clamp(min=MIN_VARIANCE)
    error = (frames - mu) ** 2
    return pairs.result(mean_over_frames(error / variance + 0.5 * variance_weight * variance.log(), pairs.u_mask))


@in_full_precision
def tcc_classification_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    temperature: float = LOSS_DEFAULTS["tcc-classification"]["temperature"],
) -> Float[Tensor, "*P"]:
    """Cycle-back classification from u over v: the mean over frames i of -log beta_i.

    Arguments and errors as of `tcc_loss`.
    """
    require_positive(temperature=temperature)
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    logits = -squared_distances(_cycled(pairs, temperature), pairs.u) / temperature
    logits = logits.masked_fill(~pairs.u_mask[:, None], -torch.inf)
    frames = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    # The mean leaves padded frames out; a label within the video keeps their loss finite.
    losses = functional.cross_entropy(logits.transpose(1, 2), frames * pairs.u_mask, reduction="none")
    return pairs.result(mean_over_frames(losses, pairs.u_mask))


def _cycled(pairs: Pairs, temperature: float) -> Float[Tensor, "P N D"]:
    """The soft neighbour in v of each frame of u."""
    alpha: Float[Tensor, "P N M"] = soft_neighbours(pairs.u, pairs.v, pairs.v_mask, temperature)
    return alpha @ pairs.v
