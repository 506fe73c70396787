"""States of a causal transformer with ALiBi: inputs `[B, T, I]` -> states `[B, T, H]`.

A score is lowered in proportion to how long ago the frame was; each attention head has its own slope. So no position is
encoded, and a segment may be longer than any in training. Press, Smith and Lewis, "Train Short, Test Long", ICLR 2022.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EXPANSION = 2
"""Width of a layer's inner part, as a multiple of the states'."""


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
