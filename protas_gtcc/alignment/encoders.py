"""Networks from features to embeddings, and the dropping network.

features [B, D, T] ─ encoder ─ embedding [B, E, T] ──────────────────────────────> (single task)
                                   ├─ head of task 1 ─┐
                                   ├─ …               ├─ weighted sum at each frame > (multi-head)
                                   └─ head of task K ─┘        attention over heads

Everything here is causal: the embedding of a frame depends on that frame and those before it. The multi-head and the
dropping network are from Donahue & Elhamifar, CVPR 2024. In their code a reshape of the heads' outputs mixes time with
heads, and the encoder pads on both sides, so embeddings depend on the future.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from protas_gtcc.alignment.config import EncoderConfig
from protas_gtcc.heads.config import HeadConfig
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.network.layers import DilatedResidualLayer, FeatureStandardisation, PointwiseConvolution, masked

HEAD_UNITS = (256, 128)
"""Hidden units of task heads, attention and dropping network."""


class MlpEncoder(nn.Module):
    """The same layers at each frame, without its neighbours."""

    def __init__(self, feature_dim: int, config: EncoderConfig):
        super().__init__()
        units = [config.hidden] * config.layers
        self.layers = _pointwise([feature_dim, *units, config.output_dim], nn.ReLU, config.dropout)

    def forward(self, x: Float[Tensor, "B D T"], mask: Float[Tensor, "B 1 T"] | None = None) -> Float[Tensor, "B E T"]:
        """Embeddings; 0 on padding."""
        return masked(self.layers(x), mask)


class TemporalEncoder(nn.Module):
    """Causal dilated residual layers, as in a stage of the progress network."""

    def __init__(self, feature_dim: int, config: EncoderConfig):
        super().__init__()
        self.conv_in = PointwiseConvolution(feature_dim, config.hidden)
        self.layers = nn.ModuleList(
            DilatedResidualLayer(config.hidden, 2**i, True, config.dropout) for i in range(config.layers)
        )
        self.conv_out = PointwiseConvolution(config.hidden, config.output_dim)

    def forward(self, x: Float[Tensor, "B D T"], mask: Float[Tensor, "B 1 T"] | None = None) -> Float[Tensor, "B E T"]:
        """Embeddings; 0 on padding."""
        x = self.conv_in(x)
        for layer in self.layers:
            x, _ = layer(x, mask)
        return masked(self.conv_out(x), mask)


class TaskHeads(nn.Module):
    """An embedding for each task, and their sum, weighted by attention at the same frame."""

    def __init__(self, size: int, num_tasks: int):
        super().__init__()
        self.heads = nn.ModuleList(_pointwise([size, *HEAD_UNITS, size]) for _ in range(num_tasks))
        self.attention = _pointwise([num_tasks * size, *HEAD_UNITS, num_tasks], nn.Tanh)

    def forward(self, x: Float[Tensor, "B E T"]) -> Float[Tensor, "B E T"]:
        """The combined embedding."""
        of_tasks = [head(x) for head in self.heads]
        weights: Float[Tensor, "B K T"] = self.attention(torch.cat(of_tasks, dim=1)).softmax(dim=1)
        return (torch.stack(of_tasks, dim=1) * weights[:, :, None]).sum(dim=1)


class ContextNetwork(nn.Module):
    """The dropping network: a context vector of a video, which scores the frames of another (`gtcc.keep_weights`)."""

    def __init__(self, size: int):
        super().__init__()
        self.layers = _pointwise([size, *HEAD_UNITS, size])

    def forward(self, x: Float[Tensor, "B E T"], mask: Float[Tensor, "B 1 T"]) -> Float[Tensor, "B E"]:
        """The mean of the layers' output over a video's frames."""
        return (self.layers(x) * mask).sum(dim=2) / mask.sum(dim=2)


class Encoder(FeatureStandardisation):
    """All that an alignment run trains: an encoder of standardised features, and what is trained with it.

    Task heads are part of the embedding. The dropping network and the progress head are only trained beside it.
    """

    def __init__(
        self,
        config: EncoderConfig,
        feature_dim: int,
        num_tasks: int = 1,
        drops: bool = False,
        head: HeadConfig | None = None,
    ):
        super().__init__(feature_dim)
        self.config = config
        kind = MlpEncoder if config.encoder == "mlp" else TemporalEncoder
        self.base = kind(feature_dim, config)
        self.heads = TaskHeads(config.output_dim, num_tasks) if config.multi_head else None
        self.context = ContextNetwork(config.output_dim) if drops else None
        # Last, so that a seed gives the same initial encoder with and without a head.
        self.progress_head = ScalarHead(head, config.output_dim) if head is not None else None

    def forward(self, x: Float[Tensor, "B D T"], mask: Float[Tensor, "B 1 T"] | None = None) -> Float[Tensor, "B E T"]:
        """Embeddings; 0 on padding."""
        x = self.base(masked((x - self.feature_mean[:, None]) * self.feature_scale[:, None], mask), mask)
        if self.heads is not None:
            x = self.heads(x)
        if self.config.normalize:
            x = functional.normalize(x.float(), dim=1)
        return masked(x, mask)


def _pointwise(sizes: list[int], activation: type[nn.Module] = nn.ReLU, dropout: float = 0.0) -> nn.Sequential:
    """Layers over single frames: 1x1 convolutions with an activation between them."""
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(sizes)):
        if number:
            layers += [activation(), *([nn.Dropout(dropout)] if dropout else [])]
        layers.append(PointwiseConvolution(before, after))
    return nn.Sequential(*layers)
