"""The network: stages one after the other, then the task graph's correction of the last one's logits."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from protas_gtcc.config import ModelConfig
from protas_gtcc.errors import InputError
from protas_gtcc.layers import GraphCost, Stage
from protas_gtcc.task_graph import TaskGraph


class Outputs(NamedTuple):
    """What the network says of a batch. Padded frames are 0 and mean nothing."""

    logits: Float[Tensor, "S B C T"]
    """Of every stage, before the task graph."""
    progress: Float[Tensor, "S B C T"] | None
    """Of every stage, unbounded; None in a model without progress."""
    graph_cost: Float[Tensor, "B C T"] | None
    """Of each class by the task graph; None in a model without one."""
    graph_deviation: Float[Tensor, ""] | None
    """How far the learnt graph is from the counted one; None in a model without a graph."""
    final_logits: Float[Tensor, "B C T"]
    """Of the last stage, after the task graph: what predicts."""


class ProgressNetwork(nn.Module):
    """Multi-stage temporal convolution network with a progress head in each stage (ProTAS; MS-TCN without it)."""

    def __init__(self, config: ModelConfig, feature_dim: int, num_classes: int, graph: TaskGraph | None = None):
        super().__init__()
        self.config, self.feature_dim, self.num_classes = config, feature_dim, num_classes
        widths = [feature_dim] + [num_classes] * (config.stages - 1)
        self.stages = nn.ModuleList(
            Stage(width, num_classes, config.layers, config.maps, config.causal, config.progress, config.dropout)
            for width in widths
        )
        self.graph = GraphCost(num_classes, config.learnable_graph) if config.graph else None
        if self.graph is not None and graph is not None:
            self.graph.set_counted(torch.from_numpy(graph.pre), torch.from_numpy(graph.suc))

    def forward(self, features: Float[Tensor, "B D T"], mask: Float[Tensor, "B 1 T"] | None = None) -> Outputs:
        """Follow a batch of videos. `mask` is 1 on a video's frames and 0 on padding; None: there is no padding.

        Raises `InputError` if the features are not of the size that the network was made for.
        """
        if features.shape[1] != self.feature_dim:
            raise InputError(f"features have {features.shape[1]} dimensions; the model was made for {self.feature_dim}")
        if mask is None:
            mask = features.new_ones(features.shape[0], 1, features.shape[2])
        x, logits, progress = features, [], []
        for stage in self.stages:
            stage_logits, stage_progress = stage(x, mask)
            logits.append(stage_logits)
            progress.append(stage_progress)
            x = torch.softmax(stage_logits, dim=1) * mask
        cost = None if self.graph is None else self.graph(progress[-1]) * mask
        return Outputs(
            logits=torch.stack(logits),
            progress=torch.stack(progress) if self.config.progress else None,
            graph_cost=cost,
            graph_deviation=None if self.graph is None else self.graph.deviation(),
            final_logits=logits[-1] if cost is None else logits[-1] - self.config.graph_eta * cost,
        )
