"""Loss terms of a scalar head, unweighted, one value a segment, so that its loss does not depend on its batch.

`estimate` is the head's progress at the sampled frames, `target` the true progress there. Means are over valid frames.

- `dense`: squared error.
- `weighted`: absolute error, weighted by min(1 / target, cap), divided by the sum of weights.
- `root`: absolute error times min(1 / sqrt(target), sqrt(cap)); not divided by the weights.
- `monotone`: absolute error; and as `monotonicity`, how far a later frame falls short of the sampled frame before it
  plus the margin.
- with any of them `boundary`: the mean absolute error of the first frame and the last.

The published weighted losses divide by sums over a whole batch, so a segment's weight depends on which of its frames
were drawn. Their boundary terms cover every segment of a video, ours those drawn.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.sampling import SampledFrames
from protas_gtcc.network.terms import Terms


def head_loss_terms(
    head: ScalarHead,
    segments: Float[Tensor, "B T D"],
    lengths: Int[Tensor, " B"],
    sampled: SampledFrames,
    config: HeadLossConfig,
) -> Terms:
    """Every term for padded segments; the head is run once, for the sampled frames and the boundaries."""
    frames = sampled.frames
    if config.boundary_weight:
        frames = torch.cat([frames, torch.zeros_like(lengths)[:, None], (lengths - 1)[:, None]], dim=1)
    estimates = head.at_frames(segments, frames)
    estimate, target = estimates[:, : sampled.frames.shape[1]], sampled.targets(lengths)
    terms = {"progress": frame_loss(estimate, target, sampled.valid, config)}
    if config.mode == "monotone":
        terms["monotonicity"] = monotonicity(estimate, sampled.valid, config.margin)
    if config.boundary_weight:
        terms["boundary"] = boundary(estimates[:, -2:], lengths)
    return terms


def frame_loss(
    estimate: Float[Tensor, "B K"], target: Float[Tensor, "B K"], valid: Bool[Tensor, "B K"], config: HeadLossConfig
) -> Float[Tensor, " B"]:
    """Error of the sampled frames, by the mode."""
    error = (estimate - target) * valid
    count = valid.sum(dim=1)
    if config.mode == "dense":
        return error.square().sum(dim=1) / count
    if config.mode == "monotone":
        return error.abs().sum(dim=1) / count
    weights = (1 / target).clamp(max=config.weight_cap) * valid
    if config.mode == "root":
        return (weights.sqrt() * error.abs()).sum(dim=1) / count
    return (weights * error.abs()).sum(dim=1) / weights.sum(dim=1)


def monotonicity(estimate: Float[Tensor, "B K"], valid: Bool[Tensor, "B K"], margin: float) -> Float[Tensor, " B"]:
    """Mean of max(0, earlier - later + margin) over neighbours in time order; 0 for a single sampled frame."""
    pairs = valid[:, 1:]  # the valid frames come first
    shortfall = (estimate[:, :-1] - estimate[:, 1:] + margin).clamp(min=0) * pairs
    return shortfall.sum(dim=1) / pairs.sum(dim=1).clamp(min=1)


def boundary(ends: Float[Tensor, "B 2"], lengths: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean absolute error of the first frame, whose target is 1 / L, and of the last, whose target is 1."""
    return ((ends[:, 0] - 1 / lengths).abs() + (ends[:, 1] - 1).abs()) / 2
