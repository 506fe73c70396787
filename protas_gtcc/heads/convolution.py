"""States of causal dilated convolutions, and a single convolution before another body.

Before the first frame there are zeros, not copies of the first frame as in the network's stages: so a convolution sees
that the segment has just begun. The published head normalises over the batch, so a segment's progress depends on other
segments. Here nothing is normalised, as in the network.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from protas_gtcc.network.layers import KERNEL, DilatedResidualLayer


class CausalConvolution(nn.Module):
    """One convolution over frames t - 2d, t - d and t: `[B, T, D]` -> `[B, T, D]`."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.past_frames = dilation * (KERNEL - 1)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=dilation)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The same shape."""
        return self.conv(functional.pad(x.transpose(1, 2), (self.past_frames, 0))).transpose(1, 2)


class DilatedConvolutions(nn.Module):
    """A projection and residual layers, dilations 2^0 .. 2^(layers-1): `[B, T, I]` -> states `[B, T, H]`."""

    def __init__(self, width: int, hidden: int, layers: int, dropout: float):
        super().__init__()
        self.project = nn.Linear(width, hidden)
        self.layers = nn.ModuleList(DilatedResidualLayer(hidden, 2**i, True, dropout) for i in range(layers))

    def forward(self, x: Float[Tensor, "B T I"]) -> Float[Tensor, "B T H"]:
        """The state at every frame, in one pass."""
        x = torch.relu(self.project(x)).transpose(1, 2)
        for layer in self.layers:
            past_frames = cast(DilatedResidualLayer, layer).past_frames
            x, _ = layer(x, past=x.new_zeros(*x.shape[:2], past_frames))
        return x.transpose(1, 2)
