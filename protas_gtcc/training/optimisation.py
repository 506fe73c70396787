"""What a training step needs beside the network: optimiser, learning rate, class weights, the epoch's means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from protas_gtcc.config import LossConfig, TrainingConfig
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.training.batching import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_optimizer(network: nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """Adam or AdamW over the parameters that are learnt."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return kind(learnt, lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(settings: TrainingConfig, step: int, num_steps: int) -> float:
    """The rate of a step, counted from 0 over the whole run."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * 0.5 * (1 + math.cos(math.pi * step / num_steps))


def balanced_weights(dataset: Dataset, videos: Sequence[str]) -> Float[Tensor, " C"]:
    """Inverse root of each class's share of these videos' frames, scaled to a mean of 1 over frames.

    A class without frames gets the weight of one with a single frame.
    """
    labels = np.concatenate([dataset.labels(video) for video in videos])
    share = np.bincount(labels, minlength=dataset.info.num_classes) / len(labels)
    weights = 1 / np.sqrt(np.maximum(share, 1 / len(labels)))
    return torch.from_numpy(weights / (share * weights).sum()).float()


def require_finite(terms: Mapping[str, Float[Tensor, " B"]], batch: Batch, where: str) -> None:
    """Raise `InputError`, naming term, video and step, if any loss is NaN or infinite."""
    values = torch.stack(list(terms.values()))
    if bool(torch.isfinite(values).all()):
        return
    if not bool(torch.isfinite(batch.features).all()):
        frames = torch.isfinite(batch.features).all(dim=1).all(dim=1)
        raise InputError(f"the features of video {batch.videos[int(frames.int().argmin())]} are not finite at {where}")
    for name, of_videos in terms.items():
        for video, value in zip(batch.videos, of_videos.tolist(), strict=True):
            if not math.isfinite(value):
                raise InputError(
                    f"loss term {name} is {value} for video {video} at {where}; "
                    "lower --lr, give --clip-norm, or use --precision 32"
                )


class EpochMeans:
    """Means over an epoch: of the weighted loss terms over videos, and of correct labels over frames."""

    def __init__(self, config: LossConfig):
        self._config = config
        self._sums: dict[str, Tensor] = {}
        self._videos = 0.0
        self._correct = 0
        self.frames = 0

    def add(
        self, batch: Batch, terms: Mapping[str, Tensor], losses: Tensor, final_logits: Float[Tensor, "B C T"]
    ) -> None:
        """Count a batch: unweighted terms and total loss `[B]`, and the logits that predict."""
        weighted = {name: getattr(self._config, f"{name}_weight") * term for name, term in terms.items()}
        for name, of_videos in {"loss": losses, **weighted}.items():
            total = (of_videos.detach() * batch.weights).sum()
            self._sums[name] = self._sums.get(name, torch.zeros_like(total)) + total
        self._videos += float(batch.weights.sum())
        right = (final_logits.detach().argmax(dim=1) == batch.labels) * batch.weights[:, None]
        self._correct += int(right.sum())
        self.frames += batch.num_frames

    def gather(self, fabric: Fabric) -> None:
        """Count what the other processes counted, too."""
        if fabric.world_size == 1:
            return
        counts = torch.tensor([self._videos, self._correct, self.frames], dtype=torch.float64)
        sums = torch.stack(list(self._sums.values())).double().cpu()
        total = fabric.all_reduce(torch.cat([counts, sums]).to(fabric.device), reduce_op="sum")
        videos, correct, frames, *losses = torch.as_tensor(total).tolist()
        self._videos, self._correct, self.frames = videos, int(correct), int(frames)
        self._sums = {name: torch.tensor(value) for name, value in zip(self._sums, losses, strict=True)}

    def losses(self) -> dict[str, float]:
        """Mean of the total and of each term, weighted as in the total."""
        return {name: float(total) / max(self._videos, 1) for name, total in self._sums.items()}

    def accuracy(self) -> float:
        """Percent of frames that the training network, dropout and all, labelled right."""
        return 100 * self._correct / max(self.frames, 1)
