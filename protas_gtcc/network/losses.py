"""Loss terms of the network, one value a video, so that a video's loss does not depend on its batch.

Each term is a mean over the video's own frames, never over padding. Those of logits and progress are summed over
stages. The total is the weighted sum of terms, averaged over the videos of a batch; with one video a batch this is what
ProTAS minimises. `protas_gtcc.network.terms` weights and sums.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from protas_gtcc.config import LossConfig
from protas_gtcc.network.model import Outputs
from protas_gtcc.network.terms import Terms

IGNORED_LABEL = -100
SMOOTHING_LIMIT = 16.0
"""Squared changes of a log-probability above this count as this (tau = 4 in MS-TCN)."""


def loss_terms(
    outputs: Outputs,
    labels: Int[Tensor, "B T"],
    progress_target: Float[Tensor, "B T"],
    mask: Float[Tensor, "B 1 T"],
    config: LossConfig,
    is_action: Bool[Tensor, " C"],
    class_weights: Float[Tensor, " C"] | None = None,
) -> Terms:
    """Every loss term, unweighted, for each video.

    Args:
        outputs: of the network.
        labels: true classes; `IGNORED_LABEL` on padding.
        progress_target: progress of the active class, 0 in the background.
        mask: 1 on frames, 0 on padding.
        config: over which channels the progress error is, and whether it is squared.
        is_action: False for background classes.
        class_weights: for the cross entropy; None for equal weights.
    """
    terms = {
        "cross_entropy": cross_entropy(outputs.logits, labels, class_weights),
        "smoothing": smoothing(outputs.logits, mask),
    }
    if outputs.progress is not None:
        progress, squared = outputs.progress, config.progress_error == "squared"
        if config.progress_over == "all":
            terms["progress"] = progress_over_all(progress, labels, progress_target, mask, squared)
        else:
            terms["progress"] = progress_over_active(progress, labels, progress_target, is_action, squared)
    if outputs.graph_cost is not None and outputs.graph_deviation is not None:
        cost = graph_cost(outputs.ungraphed_logits, outputs.graph_cost, mask)
        terms["graph"] = cost + config.graph_regulariser * outputs.graph_deviation
    return terms


def cross_entropy(
    logits: Float[Tensor, "S B C T"], labels: Int[Tensor, "B T"], class_weights: Float[Tensor, " C"] | None = None
) -> Float[Tensor, " B"]:
    """Mean over frames, with `class_weights` a weighted mean; summed over stages."""
    num_stages = logits.shape[0]
    repeated = labels.expand(num_stages, *labels.shape).flatten(0, 1)
    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(), repeated, class_weights, ignore_index=IGNORED_LABEL, reduction="none"
    )
    valid = labels != IGNORED_LABEL
    weights = valid.float() if class_weights is None else class_weights[labels.clamp(min=0)] * valid
    return losses.view(num_stages, *labels.shape).sum(dim=(0, 2)) / weights.sum(dim=1)


def smoothing(logits: Float[Tensor, "S B C T"], mask: Float[Tensor, "B 1 T"]) -> Float[Tensor, " B"]:
    """Truncated squared change of log-probabilities from the frame before, which has no gradient (MS-TCN)."""
    log_probs = torch.log_softmax(logits.float(), dim=2)
    change = log_probs[..., 1:] - log_probs[..., :-1].detach()
    valid = mask[..., 1:]
    squared = change.square().clamp(max=SMOOTHING_LIMIT) * valid
    # A video of one frame has no change: 0, not 0 / 0.
    return squared.sum(dim=(0, 2, 3)) / (valid.sum(dim=(1, 2)) * logits.shape[2]).clamp(min=1)


def progress_over_all(
    progress: Float[Tensor, "S B C T"],
    labels: Int[Tensor, "B T"],
    target: Float[Tensor, "B T"],
    mask: Float[Tensor, "B 1 T"],
    squared: bool = True,
) -> Float[Tensor, " B"]:
    """Error of every class's channel, whose target is 0 where the class is not active (ProTAS)."""
    active = labels.clamp(min=0).unsqueeze(1)
    targets = torch.zeros_like(progress[0]).scatter_(1, active, target.to(progress.dtype).unsqueeze(1))
    error = _error(progress, targets, squared) * mask
    return error.sum(dim=(0, 2, 3)) / (mask.sum(dim=(1, 2)) * progress.shape[2])


def progress_over_active(
    progress: Float[Tensor, "S B C T"],
    labels: Int[Tensor, "B T"],
    target: Float[Tensor, "B T"],
    is_action: Bool[Tensor, " C"],
    squared: bool = True,
) -> Float[Tensor, " B"]:
    """Error of the active class's channel, over frames of actions only; 0 for a video without any."""
    active = labels.clamp(min=0)
    of_active = progress.gather(2, active[None, :, None].expand(len(progress), -1, -1, -1)).squeeze(2)
    valid = is_action[active] & (labels != IGNORED_LABEL)
    error = _error(of_active, target, squared) * valid
    return error.sum(dim=(0, 2)) / valid.sum(dim=1).clamp(min=1)


def graph_cost(
    logits: Float[Tensor, "B C T"], cost: Float[Tensor, "B C T"], mask: Float[Tensor, "B 1 T"]
) -> Float[Tensor, " B"]:
    """Expected cost of the predicted classes under the task graph, averaged over classes and frames (ProTAS)."""
    expected = torch.softmax(logits.float(), dim=1) * cost * mask
    return expected.sum(dim=(1, 2)) / (mask.sum(dim=(1, 2)) * logits.shape[1])


def _error(estimate: Tensor, target: Tensor, squared: bool) -> Tensor:
    difference = estimate.float() - target.float()
    return difference.square() if squared else difference.abs()
