"""Optimiser, learning rate, class weights, and the means of losses over an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from protas_gtcc.config import TrainingConfig


def make_optimizer(network: nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW over the parameters that are learnt."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return kind(learnt, lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(settings: TrainingConfig, step: int, num_steps: int) -> float:
    """The learning rate at a step, counted from 0 over the whole run."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * 0.5 * (1 + math.cos(math.pi * step / num_steps))


def balanced_weights(labels: Iterable[np.ndarray], num_classes: int) -> Float[Tensor, " C"]:
    """Inverse root of each class's share of the frames of videos with labels `[T]`, scaled to a mean of 1 over frames.

    A class without frames gets the weight of one with a single frame.
    """
    frames = np.concatenate(list(labels))
    share = np.bincount(frames, minlength=num_classes) / len(frames)
    weights = 1 / np.sqrt(np.maximum(share, 1 / len(frames)))
    return torch.from_numpy(weights / (share * weights).sum()).float()


class EpochMeans:
    """Means over an epoch of losses, one value for each video of a batch, and sums of counts."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._num_values = 0.0

    def add(
        self, losses: Mapping[str, Float[Tensor, " B"]], weights: Float[Tensor, " B"], counts: Mapping[str, float]
    ) -> None:
        """Add a batch. A value of weight 0 is not counted, but makes the names of the losses known."""
        for name, values in losses.items():
            added = (values.detach() * weights).sum()
            self._sums[name] = self._sums.get(name, torch.zeros_like(added)) + added
        self._num_values += float(weights.sum())
        self.counts = {name: self.counts.get(name, 0) + count for name, count in counts.items()}

    def gather(self, fabric: Fabric) -> None:
        """Add what the other processes counted."""
        if fabric.world_size == 1:
            return
        counts = torch.tensor([self._num_values, *self.counts.values()], dtype=torch.float64)
        sums = torch.stack(list(self._sums.values())).double().cpu()
        everything = fabric.all_reduce(torch.cat([counts, sums]).to(fabric.device), reduce_op="sum")
        self._num_values, *totals = torch.as_tensor(everything).tolist()
        self.counts = dict(zip(self.counts, totals, strict=False))
        losses = totals[len(self.counts) :]
        self._sums = {name: torch.tensor(value) for name, value in zip(self._sums, losses, strict=True)}

    def values(self) -> dict[str, float]:
        """The mean of each loss."""
        return {name: float(summed) / max(self._num_values, 1) for name, summed in self._sums.items()}
