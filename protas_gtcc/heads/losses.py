"""Loss terms of a scalar head, unweighted, one value a segment, so that its loss does not depend on its batch.

`estimate` is what the head says at the frames asked, `target` the true progress there; means are over valid ones.

- `dense`: squared error.
- `weighted`: absolute error, weighted by min(1 / target, cap), divided by the sum of weights.
- `root`: absolute error times min(1 / sqrt(target), sqrt(cap)); not divided by the weights.
- `monotone`: absolute error; and as `monotonicity`, how far a later frame falls short of the one asked before it
  plus the margin.
- with any of them `boundary`: absolute error of the first frame and of the last, halved.

The published weighted losses divide by the sums over a whole batch, in which segments therefore weigh by what frames of
theirs happened to be drawn. Their boundary terms are of every segment of a video, ours of those drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadLossConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.sampling import AskedFrames


def head_loss_terms(
    head: ScalarHead,
    segments: Float[Tensor, "B T D"],
    lengths: Int[Tensor, " B"],
    asked: AskedFrames,
    config: HeadLossConfig,
) -> dict[str, Float[Tensor, " B"]]:
    """Every term for padded segments; the head is run once, for what is asked and for the boundaries."""
    frames = asked.frames
    if config.boundary_weight:
        frames = torch.cat([frames, torch.zeros_like(lengths)[:, None], (lengths - 1)[:, None]], dim=1)
    said = head.at_frames(segments, frames)
    estimate, target = said[:, : asked.frames.shape[1]], asked.targets(lengths)
    terms = {"progress": frame_loss(estimate, target, asked.valid, config)}
    if config.mode == "monotone":
        terms["monotonicity"] = monotonicity(estimate, asked.valid, config.margin)
    if config.boundary_weight:
        terms["boundary"] = boundary(said[:, -2:], lengths)
    return terms


def total_head_loss(terms: Mapping[str, Float[Tensor, " B"]], config: HeadLossConfig) -> Float[Tensor, " B"]:
    """The weighted sum of terms, for each segment."""
    weights = {"progress": 1.0, "monotonicity": config.monotonicity_weight, "boundary": config.boundary_weight}
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum(dim=0)


def frame_loss(
    estimate: Float[Tensor, "B K"], target: Float[Tensor, "B K"], valid: Bool[Tensor, "B K"], config: HeadLossConfig
) -> Float[Tensor, " B"]:
    """Error of the frames asked, by the mode."""
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
    """Mean of max(0, earlier - later + margin) over neighbours in time order; 0 for a segment asked at one frame."""
    pairs = valid[:, 1:]  # the valid frames come first
    shortfall = (estimate[:, :-1] - estimate[:, 1:] + margin).clamp(min=0) * pairs
    return shortfall.sum(dim=1) / pairs.sum(dim=1).clamp(min=1)


def boundary(ends: Float[Tensor, "B 2"], lengths: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean absolute error of the first frame, whose target is 1 / L, and of the last, whose target is 1."""
    return ((ends[:, 0] - 1 / lengths).abs() + (ends[:, 1] - 1).abs()) / 2


def require_finite_terms(terms: Mapping[str, Float[Tensor, " B"]], segments: list[str], where: str) -> None:
    """Raise `InputError`, naming term and segment, if any loss is NaN or infinite."""
    for name, of_segments in terms.items():
        finite = torch.isfinite(of_segments)
        if not bool(finite.all()):
            row = int((~finite).int().argmax())
            value = float(of_segments[row].detach())
            raise InputError(
                f"loss term {name} is {value} for {segments[row]} at {where}; check the features, or lower the rate"
            )
