"""Generalised temporal cycle consistency (GTCC): several soft neighbours for a frame, and frames that may have none.

The weights alpha_i of frame i over the other video are described by a mixture of K Gaussians over its time line. Each
component gives a soft neighbour, which is cycled back into a window around i; the errors are weighted as the mixture
is. A frame that the other video has no counterpart of may be dropped: a low B_i asks that it cycles badly.

Source: Donahue & Elhamifar, Learning to Predict Activity Progress by Self-Supervised Video Alignment, CVPR 2024. In the
authors' code, which is not followed: mixtures are fitted one frame at a time; w_k are constants, so that nothing
teaches alpha to lie near one place; the window lies to one side of the frame, by chance; distances are not squared; 1 /
L is not bounded; videos of fewer than 20 frames fail.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.alignment.mixtures import Mixtures, fit_mixtures
from protas_gtcc.alignment.pairs import (
    Pairs,
    in_full_precision,
    masked_softmax,
    mean_over_frames,
    require_positive,
    soft_neighbours,
    squared_distances,
    wide,
)
from protas_gtcc.alignment.tcc import MIN_VARIANCE
from protas_gtcc.network.padding import frame_mask


@in_full_precision
def gtcc_loss(
    u: Float[Tensor, "*P N D"],
    v: Float[Tensor, "*P M D"],
    u_lengths: Int[Tensor, " P"] | None = None,
    v_lengths: Int[Tensor, " P"] | None = None,
    anchors: Int[Tensor, "*P A"] | None = None,
    keep: Float[Tensor, "*P N"] | None = None,
    temperature: float = 0.1,
    num_components: int = 15,
    window_share: float = 1.0,
    variance_weight: float = 0.0,
    iterations: int = 5,
) -> Float[Tensor, "*P"]:
    """The mean over anchor frames i of B_i L_i + (1 - B_i) / (1 + L_i), L_i = sum_k w_k (i - mu_k)^2.

    The mixture is fitted to the weights alpha and its fit is not differentiated; its responsibilities part alpha among
    the components, so that w_k and the way back have gradients. With few components this is not the gradient of the
    value, since alpha moves the means too; with fifteen on a toy they agree to two digits.

    Args:
        u: embedded frames, of the video that the cycle starts from and ends in.
        v: of the other one.
        u_lengths: frames of each padded u; by default all.
        v_lengths: of each v.
        anchors: the frames of u that are cycled, -1 for none; by default all.
        keep: B of every frame of u, in [0, 1], see `keep_weights`; by default 1, nothing is dropped.
        temperature: of both softmaxes, in squared distance.
        num_components: K, soft neighbours of a frame.
        window_share: delta; a frame is looked for at most this share of u's length away from where it was.
        variance_weight: lambda, of sum_k w_k log sigma_k beside L_i.
        iterations: of the mixtures' fit.

    Raises `ValueError` as `Pairs.of`, for an anchor that u does not have, a pair without one, and settings that are not
    above 0. Memory grows with anchors, components and M: with all anchors of long videos, take them in parts.
    """
    require_positive(
        temperature=temperature, num_components=num_components, window_share=window_share, iterations=iterations
    )
    pairs = Pairs.of(u, v, u_lengths, v_lengths)
    frames, is_anchor = _anchors(pairs, anchors)
    starts = _at(pairs.u, frames)
    alpha = soft_neighbours(starts, pairs.v, pairs.v_mask, temperature)
    mixtures = fit_mixtures(alpha.detach(), num_components, iterations)
    error, variance = _cycle_back(pairs, frames, mixtures, temperature, window_share)
    # The weights as shares of alpha: the same numbers, and alpha learns from them to lie where frames cycle back.
    weights = (mixtures.responsibilities(pairs.v.shape[1]) @ alpha[..., None]).squeeze(3)
    losses = (weights * error).sum(dim=2)
    kept = torch.ones_like(losses) if keep is None else (keep[None] if pairs.is_single else keep).gather(1, frames)
    # 1 + L, since 1 / L has no bound: a frame that cycles to itself is as bad a dropped one as can be, and no worse.
    total = kept * losses + (1 - kept) / (1 + losses)
    if variance_weight:
        spread = 0.5 * (weights * variance.clamp(min=MIN_VARIANCE).log()).sum(dim=2)
        total = total + variance_weight * kept * spread
    return pairs.result(mean_over_frames(total, is_anchor))


@in_full_precision
def keep_weights(
    u: Float[Tensor, "*P N D"],
    context: Float[Tensor, "*P D"],
    gamma: float,
    epoch: int,
    lengths: Int[Tensor, " P"] | None = None,
) -> Float[Tensor, "*P N"]:
    """B of every frame of u: how much it is to be aligned with the other video, from gamma^(epoch + 1) to 1.

    The sigmoid of a linear score of the frame, standardised over the video's frames. The score's coefficients are the
    context vector of the other video (`encoders.ContextNetwork`). At the start nothing can be dropped; with the epochs
    more and more. In the authors' code the score has a constant too, which standardising takes out again.
    """
    is_single = u.ndim == 2
    u, context = (wide(x[None] if is_single else x) for x in (u, context))
    num_frames = u.shape[1]
    mask = frame_mask(torch.full((len(u),), num_frames, device=u.device) if lengths is None else lengths, num_frames)
    scores = (u @ context[:, :, None]).squeeze(2)
    mean = mean_over_frames(scores, mask)[:, None]
    variance = mean_over_frames((scores - mean) ** 2, mask)[:, None]
    lowest = gamma ** (epoch + 1)
    # Equal scores have no deviation to divide by: all frames are then kept alike, at sigmoid(0).
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
    """Frames, and True where there is one; -1 and padding stand for none, and point to frame 0."""
    if given is None:
        frames = torch.arange(pairs.u.shape[1], device=pairs.u.device).expand(len(pairs.u), -1)
    else:
        frames = (given[None] if pairs.is_single else given).to(pairs.u.device)
        if not (frames < pairs.u_lengths[:, None]).all():
            raise ValueError("an anchor lies beyond the end of its video: give frames from 0 on, or -1 for none")
    is_anchor = (frames >= 0) & (frames < pairs.u_lengths[:, None])
    if not is_anchor.any(dim=1).all():
        raise ValueError("a pair has no anchor: give at least one frame of the video that the cycle starts from")
    return frames.masked_fill(~is_anchor, 0), is_anchor


def _cycle_back(
    pairs: Pairs, frames: Int[Tensor, "P A"], mixtures: Mixtures, temperature: float, window_share: float
) -> tuple[Float[Tensor, "P A K"], Float[Tensor, "P A K"]]:
    """(i - mu_k)^2 and variance, in squared frames, of where each soft neighbour of each anchor i comes back."""
    densities = mixtures.densities(pairs.v.shape[1], pairs.v_lengths)
    neighbours = densities.flatten(1, 2) @ pairs.v
    distances = squared_distances(neighbours, pairs.u).view(*densities.shape[:3], -1)
    ends = torch.arange(pairs.u.shape[1], device=pairs.u.device)
    gaps = ends - frames[..., None]
    reach = (window_share * pairs.u_lengths).ceil()[:, None, None]
    allowed = (gaps.abs() <= reach) & pairs.u_mask[:, None]
    beta = masked_softmax(-distances / temperature, allowed[:, :, None])
    gaps = gaps[:, :, None].to(beta.dtype)
    drift = (beta * gaps).sum(dim=3)
    return drift**2, (beta * (gaps - drift[..., None]) ** 2).sum(dim=3)


def _at(x: Float[Tensor, "P N D"], frames: Int[Tensor, "P A"]) -> Float[Tensor, "P A D"]:
    return x.gather(1, frames[..., None].expand(-1, -1, x.shape[2]))
