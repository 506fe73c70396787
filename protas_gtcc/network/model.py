"""The network: stages in series or in parallel, then the task graph's correction of the final logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from protas_gtcc.annotations.task_graph import TaskGraph
from protas_gtcc.config import ModelConfig
from protas_gtcc.errors import InputError
from protas_gtcc.network.layers import FeatureStandardisation, GraphCost, Stage, StageState, masked


class NetworkState(NamedTuple):
    """What the network keeps from the frames before a chunk; its size does not depend on their number."""

    num_frames: Int[Tensor, " B"] | None
    """Frames of each stream so far; None: at least one of each."""
    stages: list[StageState]
    done: Float[Tensor, "B C"] | None
    """The highest progress of each class so far, in [0, 1]; None in a model without a task graph."""

    def apply(self, change: Callable[[Tensor], Tensor]) -> NetworkState:
        """The same state with every tensor changed."""
        stages = [
            StageState([change(past) for past in one.past], None if one.hidden is None else change(one.hidden))
            for one in self.stages
        ]
        num_frames, done = (None if one is None else change(one) for one in (self.num_frames, self.done))
        return NetworkState(num_frames, stages, done)

    def named(self) -> dict[str, Tensor]:
        """Every tensor of the state, by a name; the tensors themselves, not copies."""
        tensors = {"num_frames": self.num_frames, "done": self.done}
        for number, stage in enumerate(self.stages):
            tensors[f"stages.{number}.hidden"] = stage.hidden
            tensors |= {f"stages.{number}.past.{layer}": past for layer, past in enumerate(stage.past)}
        return {name: values for name, values in tensors.items() if values is not None}


class Outputs(NamedTuple):
    """Outputs for a batch. Padded frames are 0 and mean nothing."""

    logits: Float[Tensor, "S B C T"]
    """Logits of every stage, before the task graph."""
    progress: Float[Tensor, "S B C T"] | None
    """Progress of every stage, unbounded; None in a model without progress."""
    graph_cost: Float[Tensor, "B C T"] | None
    """Cost of each class under the task graph; None in a model without one."""
    graph_deviation: Float[Tensor, ""] | None
    """Distance of the learnt graph from the counted one; None in a model without a graph."""
    ungraphed_logits: Float[Tensor, "B C T"]
    """Logits of the last stage, or the mean over parallel stages, before the task graph."""
    final_logits: Float[Tensor, "B C T"]
    """The same after the task graph: the prediction."""
    final_progress: Float[Tensor, "B C T"] | None
    """Progress of the last stage, or the mean over parallel stages, unbounded; None in a model without progress."""
    state: NetworkState | None
    """State after the last frame; None if none was given."""


class ProgressNetwork(FeatureStandardisation):
    """Multi-stage temporal convolution network with a progress head in each stage (ProTAS; MS-TCN without it)."""

    def __init__(self, config: ModelConfig, feature_dim: int, num_classes: int, graph: TaskGraph | None = None):
        super().__init__(feature_dim, config.standardise)
        if config.layers == 0:
            raise InputError("the number of layers depends on the frame rate and on lengths; build from config.at")
        self.config, self.num_classes = config, num_classes
        later = feature_dim if config.arrangement == "parallel" else num_classes
        widths = [feature_dim] + [later] * (config.stages - 1)
        self.feature_dropout = nn.Dropout1d(config.feature_dropout)
        self.stages = nn.ModuleList(Stage(width, num_classes, config) for width in widths)
        self.graph = GraphCost(num_classes, config.learnable_graph) if config.graph else None
        if self.graph is not None and graph is not None:
            self.graph.set_counted(torch.from_numpy(graph.pre), torch.from_numpy(graph.suc))

    def forward(
        self,
        features: Float[Tensor, "B D T"],
        mask: Float[Tensor, "B 1 T"] | None = None,
        state: NetworkState | None = None,
    ) -> Outputs:
        """Outputs for a batch of videos; or with a `state`, for the next chunk of each stream of a causal network.

        `mask` is 1 on a video's frames and 0 on padding; None: there is no padding, as in streams. Raises `InputError`
        if the features do not have the network's feature size.
        """
        if features.shape[1] != self.feature_dim:
            raise InputError(f"features have {features.shape[1]} dimensions; the model was made for {self.feature_dim}")
        seen = None if state is None else state.num_frames
        is_first = None if seen is None else torch.eq(seen, 0)[:, None, None]
        known = self._standardised(features)
        logits: list[Tensor] = []
        progress, after = [], []
        for number, stage in enumerate(self.stages):
            before = None if state is None else state.stages[number]
            if number and self.config.arrangement == "series":
                x = masked(torch.softmax(logits[-1], dim=1), mask)
            else:  # every stage in parallel has its own draw
                x = self.feature_dropout(known)
            stage_logits, stage_progress, stage_state = stage(x, mask, before, is_first)
            logits.append(stage_logits)
            progress.append(stage_progress)
            after.append(stage_state)
        ungraphed = self._combined(logits)
        cost = done = None
        if self.graph is not None:
            cost, done = self.graph(self._combined(progress), None if state is None else state.done)
            cost = masked(cost, mask)
        then = None if seen is None else seen + features.shape[2]
        return Outputs(
            logits=torch.stack(logits),
            progress=torch.stack(progress) if self.config.progress else None,
            graph_cost=cost,
            graph_deviation=None if self.graph is None else self.graph.deviation(),
            ungraphed_logits=ungraphed,
            final_logits=ungraphed if cost is None else ungraphed - self.config.graph_eta * cost,
            final_progress=self._combined(torch.stack(progress)) if self.config.progress else None,
            state=None if state is None else NetworkState(then, after, done),
        )

    def _combined(self, of_stages: Sequence[Tensor] | Float[Tensor, "S B C T"]) -> Tensor:
        if self.config.arrangement == "series":
            return of_stages[-1]
        # Not a mean over an axis: the streams' recorder then records the same sum.
        total = of_stages[0]
        for number in range(1, len(of_stages)):
            total = total + of_stages[number]
        return total * (1 / len(of_stages))

    def _standardised(self, features: Float[Tensor, "B D T"]) -> Float[Tensor, "B D T"]:
        if not self.config.standardise:
            return features
        return (features - self.feature_mean[:, None]) * self.feature_scale[:, None]

    def start(self, batch: int = 1) -> NetworkState:
        """The state before the first frame of `batch` streams. Raises `InputError` if the network is not causal."""
        if not self.config.causal:
            raise InputError(
                "an acausal model cannot be streamed: each of its outputs depends on frames that come later; "
                "train one with --causal"
            )
        done = None if self.graph is None else torch.zeros(batch, self.num_classes, device=self.device)
        num_frames = torch.zeros(batch, dtype=torch.int64, device=self.device)
        return NetworkState(num_frames, [cast(Stage, stage).start(batch) for stage in self.stages], done)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device
