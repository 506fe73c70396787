"""States of a GRU, and of a running mean in its place: inputs `[B, T, I]` -> states `[B, T, H]`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from protas_gtcc.network.gru import GRU


class Recurrence(nn.Module):
    """A GRU that starts from 0, or from a learnt state."""

    def __init__(self, width: int, hidden: int, learnt_start: bool):
        super().__init__()
        self.gru = GRU(width, hidden)
        self.start = nn.Parameter(torch.zeros(hidden)) if learnt_start else None

    def forward(self, x: Float[Tensor, "B T I"]) -> Float[Tensor, "B T H"]:
        """The state after every frame."""
        start = None if self.start is None else self.start.expand(len(x), -1).contiguous()
        return self.gru(x.transpose(1, 2), hidden=start).transpose(1, 2)


class RunningMean(nn.Module):
    """The mean of the frames so far, then a layer: the head does not see the order of the frames.

    The published head takes the mean over the whole segment.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.layer = nn.Linear(width, hidden)

    def forward(self, x: Float[Tensor, "B T I"]) -> Float[Tensor, "B T H"]:
        """The state after every frame."""
        count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return torch.relu(self.layer(x.cumsum(dim=1) / count[:, None]))
