"""Bodies of scalar heads, and a convolution before a body: `[B, T, I]` -> `[B, T, H]`, frame t from frames up to t.

Before the first frame the convolutions see zeros, not copies of the first frame as in the network's stages: so they see
that the segment has just begun. The published convolutions normalise over the batch, so a segment's progress depends on
other segments. Here nothing is normalised, as in the network.

The transformer has ALiBi (Press, Smith and Lewis, "Train Short, Test Long", ICLR 2022). A score is lowered in
proportion to how long ago the frame was, with another slope in each attention head. So no position is encoded, and a
segment may be longer than any in training.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.network.gru import GRU
from protas_gtcc.network.layers import KERNEL, DilatedResidualLayer

EXPANSION = 2
"""Width of a transformer layer's inner part, as a multiple of the states'."""


def make_body(config: HeadConfig, width: int) -> nn.Module:
    """The body of a head, for inputs of this width."""
    if config.architecture == "gru":
        return Recurrence(width, config.hidden, learnt_start=config.learnt_start)
    if config.architecture == "mlp":
        return RunningMean(width, config.hidden)
    if config.architecture == "conv":
        return DilatedConvolutions(width, config.hidden, config.conv_layers, config.dropout)
    return CausalTransformer(width, config.hidden, config.attention_heads, config.attention_layers, config.dropout)


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


class CausalConvolution(nn.Module):
    """One convolution over frames t - 2d, t - d and t: `[B, T, D]` -> `[B, T, D]`."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.past_frames = dilation * (KERNEL - 1)
        self.conv = nn.Conv1d(width, width, KERNEL, dilation=dilation)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The convolved frames."""
        return self.conv(functional.pad(x.transpose(1, 2), (self.past_frames, 0))).transpose(1, 2)


class DilatedConvolutions(nn.Module):
    """A projection and residual layers, dilations 2^0 .. 2^(layers-1)."""

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


class CausalTransformer(nn.Module):
    """A projection and layers of causal attention."""

    def __init__(self, width: int, hidden: int, heads: int, layers: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.project = nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden))
        self.layers = nn.ModuleList(CausalLayer(hidden, heads, dropout) for _ in range(layers))

    def forward(self, x: Float[Tensor, "B T I"]) -> Float[Tensor, "B T H"]:
        """The state at every frame, in one pass."""
        bias, x = alibi(x.shape[1], self.heads).to(x), self.project(x)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class CausalLayer(nn.Module):
    """Attention, then two linear layers at each frame; each is a residual branch on normalised inputs."""

    def __init__(self, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_attention, self.norm_inner = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query_key_value, self.merge = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        inner = EXPANSION * hidden
        self.inner = nn.Sequential(nn.Linear(hidden, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, hidden))

    def forward(self, x: Float[Tensor, "B T H"], bias: Float[Tensor, "A T T"]) -> Float[Tensor, "B T H"]:
        """The same shape; `bias` is added to each head's scores of frame t (rows) for each earlier frame (columns)."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(self.norm_attention(x)).chunk(3, dim=2)
        )
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        x = x + functional.dropout(self.merge(seen.transpose(1, 2).flatten(2)), dropout)
        return x + functional.dropout(self.inner(self.norm_inner(x)), dropout)


def alibi(num_frames: int, heads: int) -> Float[Tensor, "A T T"]:
    """-slope x (frames ago) for the present and the past, -inf for the future; slopes 2^(-8 i / heads), i from 1."""
    slopes = 2 ** (-8 * torch.arange(1, heads + 1) / heads)
    frames = torch.arange(num_frames)
    ago = (frames[:, None] - frames).float()
    return torch.where(ago < 0, -torch.inf, -slopes[:, None, None] * ago)
