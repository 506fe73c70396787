"""Loss terms of a scalar head, unweighted, one value for each segment.

`estimate` is the head's progress at the sampled frames, `target` the true progress there. Means are over valid frames.

- `progress`: the squared or absolute error. Frames count equally, or by min(1 / target, cap), or by the root of that.
  The sum is divided by the weights if these are 1 / target, else by the number of frames.
- `monotonicity`: how far a later frame falls short of the sampled frame before it plus the margin.
- `boundary`: the mean absolute error of the first frame and the last.
- `frames_left`: the absolute error of the frames left of the segment, or of the logarithm of 1 + that number.

A segment's loss does not depend on its batch, unless `progress` is `pooled`. The published losses are pooled: they
divide by the weights of a whole batch, so a segment with small targets counts more. Their boundary terms cover every
segment of a video that has 2 frames, ours those drawn; the difference is small.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

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
    frames, num_sampled = sampled.frames, sampled.frames.shape[1]
    if config.boundary_weight:
        frames = torch.cat([frames, torch.zeros_like(lengths)[:, None], (lengths - 1)[:, None]], dim=1)
    outputs = head.outputs_at(segments, frames)
    estimates, valid = torch.sigmoid(outputs[..., 0]), sampled.valid
    estimate, target = estimates[:, :num_sampled], sampled.targets(lengths)
    terms = {"progress": frame_loss(estimate, target, valid, config)}
    if config.monotonicity_weight:
        terms["monotonicity"] = monotonicity(estimate, valid, config.margin)
    if config.boundary_weight:
        terms["boundary"] = boundary(estimates[:, -2:], lengths)
    if head.config.frames_left:
        left = lengths[:, None] - 1 - sampled.frames
        terms["frames_left"] = frames_left(outputs[:, :num_sampled, 1], left, valid, config)
    return terms


def frame_loss(
    estimate: Float[Tensor, "B K"], target: Float[Tensor, "B K"], valid: Bool[Tensor, "B K"], config: HeadLossConfig
) -> Float[Tensor, " B"]:
    """Error of the progress at the sampled frames, by the configuration."""
    difference = estimate - target
    error = difference.square() if config.progress_error == "squared" else difference.abs()
    weights = valid.to(estimate.dtype)
    if config.frame_weights != "equal":
        capped = (1 / target).clamp(max=config.weight_cap)
        weights = weights * (capped if config.frame_weights == "target" else capped.sqrt())
    divisor = (weights if config.frame_weights == "target" else valid).sum(dim=1)
    # Pooled, the mean over segments is the sum over the batch, divided by the batch's weights.
    return (weights * error).sum(dim=1) / (divisor.float().mean() if config.pooled else divisor)


def frames_left(
    output: Float[Tensor, "B K"], left: Int[Tensor, "B K"], valid: Bool[Tensor, "B K"], config: HeadLossConfig
) -> Float[Tensor, " B"]:
    """Mean error of the frames left; `output` is the head's, before the softplus."""
    estimate, target = functional.softplus(output), left.clamp(min=0).to(output.dtype)
    if config.frames_left_error == "log":
        error = (estimate - target.log1p()).abs()
    else:
        error = (estimate.expm1() - target).abs()
    return (error * valid).sum(dim=1) / valid.sum(dim=1)


def monotonicity(estimate: Float[Tensor, "B K"], valid: Bool[Tensor, "B K"], margin: float) -> Float[Tensor, " B"]:
    """Mean of max(0, earlier - later + margin) over neighbours in time order; 0 for a single sampled frame."""
    pairs = valid[:, 1:]  # the valid frames come first
    shortfall = (estimate[:, :-1] - estimate[:, 1:] + margin).clamp(min=0) * pairs
    return shortfall.sum(dim=1) / pairs.sum(dim=1).clamp(min=1)


def boundary(ends: Float[Tensor, "B 2"], lengths: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean absolute error of the first frame, whose target is 1 / L, and of the last, whose target is 1."""
    return ((ends[:, 0] - 1 / lengths).abs() + (ends[:, 1] - 1).abs()) / 2
