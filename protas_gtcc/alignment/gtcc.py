"""Generalised temporal cycle consistency (GTCC): several soft neighbours for a frame, and frames that may have none.

A mixture of K Gaussians over the other video's time line is fitted to the weights alpha_i of frame i over that video.
Each component gives a soft neighbour, which is cycled back into a window around i; the errors have the weights of the
mixture. A frame without a counterpart in the other video may be dropped: with a low B_i, the loss wants it to cycle
badly.

Source: Donahue & Elhamifar, Learning to Predict Activity Progress by Self-Supervised Video Alignment, CVPR 2024. The
authors' code differs. Mixtures are fitted one frame at a time. The w_k are constants, so alpha is not trained to be
near one place. The window is on one side of the frame, by chance. Distances are not squared, 1 / L is not bounded, and
videos of fewer than 20 frames fail.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.alignment.config import LOSS_DEFAULTS, AlignmentLossConfig
from protas_gtcc.alignment.mixtures import Mixtures, fit_mixtures
from protas_gtcc.alignment.pairs import (
    Pairs,
    in_full_precision,
    mean_over_frames,
    require_positive,
    soft_neighbours,
    squared_distances,
    wide,
)
from protas_gtcc.network.padding import frame_mask


@in_full_precision
def gtcc_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    anchors: Int[Tensor, "*P A"] | None = None,
    keep: Float[Tensor, "*P N"] | None = None,
    temperature: float = LOSS_DEFAULTS["gtcc"]["temperature"],
    num_components: int = AlignmentLossConfig.components,
    window_share: float = AlignmentLossConfig.cycle_window,
    iterations: int = 5,
) -> Float[Tensor, "*P"]:
    """The mean over anchor frames i of B_i L_i + (1 - B_i) / (1 + L_i), L_i = sum_k w_k (i - mu_k)^2.

    The fit of the mixture is not differentiated. Its responsibilities divide alpha among the components, so w_k and the
    way back have gradients. With few components this is not exactly the gradient of the value, since alpha also moves
    the means; with fifteen components, on a small example, they agree to two digits.

    `u`, `v` and their lengths are as in `protas_gtcc.alignment.pairs`; the cycle starts and ends in u.

    Args:
        anchors: the frames of u that are cycled, -1 for no frame; by default all.
        keep: B of every frame of u, in [0, 1], see `keep_weights`; by default 1, nothing is dropped.
        temperature: of both softmaxes, in squared distance.
        num_components: K, soft neighbours of a frame.
        window_share: delta; a cycle ends at most this share of u's length away from its start.
        iterations: of the mixtures' fit.

    Raises `ValueError` as `Pairs.of`, for an anchor that u does not have, a pair without one, and settings that are not
    above 0. Memory grows with anchors, components and M: for long videos give the anchors in parts.
    """
    require_positive(
        temperature=temperature, num_components=num_components, window_share=window_share, iterations=iterations
    )
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    frames, is_anchor = _anchors(pairs, anchors)
    starts = pairs.u.gather(1, frames[..., None].expand(-1, -1, pairs.u.shape[2]))
    alpha = soft_neighbours(starts, pairs.v, pairs.v_mask, temperature)
    mixtures = fit_mixtures(alpha.detach(), num_components, iterations)
    error = _cycle_back(pairs, frames, mixtures, temperature, window_share)
    # The weights as shares of alpha: the same numbers, but through them alpha learns to be where frames cycle back.
    weights = (mixtures.responsibilities(pairs.v.shape[1]) @ alpha[..., None]).squeeze(3)
    losses = (weights * error).sum(dim=2)
    kept = torch.ones_like(losses) if keep is None else (keep[None] if pairs.is_single else keep).gather(1, frames)
    # 1 + L, since 1 / L has no bound: a dropped frame that cycles to itself costs 1, the most.
    return pairs.result(mean_over_frames(kept * losses + (1 - kept) / (1 + losses), is_anchor))


@in_full_precision
def keep_weights(
    u: Float[Tensor, "*P N D"],
    context: Float[Tensor, "*P D"],
    gamma: float,
    epoch: int,
    lengths: Int[Tensor, " P"] | None = None,
) -> Float[Tensor, "*P N"]:
    """B of every frame of u, the weight of aligning it with the other video, from gamma^(epoch + 1) to 1.

    The sigmoid of a linear score of the frame, standardised over the video's frames. The score's coefficients are the
    context vector of the other video (`encoders.ContextNetwork`). At the start nothing can be dropped, in later epochs
    more. In the authors' code the score also has a constant, which standardising removes.
    """
    is_single = u.ndim == 2
    u, context = (wide(x[None] if is_single else x) for x in (u, context))
    num_frames = u.shape[1]
    mask = frame_mask(torch.full((len(u),), num_frames, device=u.device) if lengths is None else lengths, num_frames)
    scores = (u @ context[:, :, None]).squeeze(2)
    mean = mean_over_frames(scores, mask)[:, None]
    variance = mean_over_frames((scores - mean) ** 2, mask)[:, None]
    lowest = gamma ** (epoch + 1)
    # Equal scores have no deviation to divide by: all frames then have the same weight, at sigmoid(0).
    weights = lowest + (1 - lowest) * ((scores - mean) * (variance + 1e-12).rsqrt()).sigmoid()
    return weights[0] if is_single else weights


def sample_anchors(
    lengths: Int[Tensor, " P"], num_anchors: int, generator: torch.Generator | None = None
) -> Int[Tensor, "P A"]:
    """Frames to cycle, drawn without repetition and sorted; a shorter video has all of its frames, and then -1."""
    longest = int(lengths.max())
    keys = torch.rand(len(lengths), longest, generator=generator).to(lengths.device)
    keys = keys.masked_fill(~frame_mask(lengths, longest), 2.0)
    order = keys.argsort(dim=1)[:, :num_anchors]
    drawn = torch.where(torch.arange(order.shape[1], device=lengths.device) < lengths[:, None], order, longest)
    drawn = drawn.sort(dim=1).values
    return drawn.masked_fill(drawn == longest, -1)


def _anchors(pairs: Pairs, given: Tensor | None) -> tuple[Int[Tensor, "P A"], Bool[Tensor, "P A"]]:
    """Frames, and True where there is one; -1 and padding mean none, and become frame 0."""
    if given is None:
        frames = torch.arange(pairs.u.shape[1], device=pairs.u.device).expand(len(pairs.u), -1)
    else:
        frames = (given[None] if pairs.is_single else given).to(pairs.u.device)
        if not (frames < pairs.u_lengths[:, None]).all():
            raise ValueError("an anchor is beyond the end of its video: give frames from 0 on, or -1 for none")
    is_anchor = (frames >= 0) & (frames < pairs.u_lengths[:, None])
    if not is_anchor.any(dim=1).all():
        raise ValueError("a pair has no anchor: give at least one frame of the video that the cycle starts from")
    return frames.masked_fill(~is_anchor, 0), is_anchor


def _cycle_back(
    pairs: Pairs, frames: Int[Tensor, "P A"], mixtures: Mixtures, temperature: float, window_share: float
) -> Float[Tensor, "P A K"]:
    """(i - mu_k)^2, in squared frames; mu_k is where the cycle of anchor i over its soft neighbour k ends."""
    densities = mixtures.densities(pairs.v.shape[1], pairs.v_lengths)
    neighbours = densities.flatten(1, 2) @ pairs.v
    distances = squared_distances(neighbours, pairs.u).view(*densities.shape[:3], -1)
    ends = torch.arange(pairs.u.shape[1], device=pairs.u.device)
    gaps = ends - frames[..., None]
    reach = (window_share * pairs.u_lengths).ceil()[:, None, None]
    allowed = (gaps.abs() <= reach) & pairs.u_mask[:, None]
    beta = (-distances / temperature).masked_fill(~allowed[:, :, None], -torch.inf).softmax(dim=3)
    return (beta * gaps[:, :, None].to(beta.dtype)).sum(dim=3) ** 2
