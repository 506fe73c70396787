"""The loss that makes the cumulative distance of embeddings, divided by a segment's whole, equal its progress.

No head is needed: the encoder learns to move by as much at every frame of an action. Published as `cumulative_l2`, with
weight 0.1, on a few random frames of each video; here on all of them, which is the same in the mean. The distance is 0
at the first frame (`protas_gtcc.metrics.cumulative_distance`), whose target is 1 / L: so the loss is never quite 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.network.padding import frame_mask


def cumulative_l2(segments: Float[Tensor, "B T D"], lengths: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean over a segment's frames of |distance / whole distance - progress|; padding has no effect.

    A segment whose embeddings never move has distance 0 at every frame, and no gradient.
    """
    num_frames = segments.shape[1]
    valid = frame_mask(lengths, num_frames)
    squared = segments.float().diff(dim=1).square().sum(dim=2)
    moves = (squared > 0) & valid[:, 1:]
    # The root has no finite gradient at 0, even where it is masked afterwards.
    steps = torch.where(moves, torch.where(moves, squared, 1).sqrt(), 0)
    distance = torch.cat([steps.new_zeros(len(steps), 1), steps.cumsum(dim=1)], dim=1)
    whole = distance[:, -1:]
    estimate = distance / torch.where(whole > 0, whole, 1)
    target = torch.arange(1, num_frames + 1, device=lengths.device) / lengths[:, None]
    return ((estimate - target).abs() * valid).sum(dim=1) / lengths
