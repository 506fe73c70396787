"""Batches: windows of videos, bucketed by length, padded, and loaded straight from the dataset file.

The batches of an epoch depend only on (seed, epoch), so a resumed run has the same batches as an uninterrupted one.
Several processes share each batch: process r of R takes every R-th window of it.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.network.losses import IGNORED_LABEL
from protas_gtcc.network.padding import frame_mask, pad

BUCKET_BATCHES = 16
LENGTH_JITTER = 0.1
"""Batches are cut from shuffled pools of `BUCKET_BATCHES` batches, sorted by length times a random factor within
`LENGTH_JITTER` of 1: little padding, yet new batches in each epoch."""

Same = TypeVar("Same", bound="LossBatch")


@dataclass(frozen=True)
class Window:
    """Frames `[start, end)` of a video."""

    video: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, eq=False)
class Example:
    """A window that was read: features `[T, D]`, labels `[T]`, progress target of the active class `[T]`."""

    video: str
    features: np.ndarray
    labels: np.ndarray
    progress: np.ndarray
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class LossBatch(ABC):
    """What a training step works on: V padded videos, and the weights of the B values of each loss term."""

    videos: list[str]
    features: Float[Tensor, "V D T"]
    weights: Float[Tensor, " B"]
    """1 for a value that counts; 0 for a stand-in, which a process repeats if its share of the batch is empty."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """What each value of a loss term belongs to, for errors."""

    def to(self: Same, device: torch.device) -> Same:
        """The same batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self: Same) -> Same:
        """The same batch in pinned memory, from where it is copied to a GPU while that computes."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self: Same, change: Callable[[Tensor], Tensor]) -> Same:
        changed: Any = {name: change(value) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, **changed)


@dataclass(frozen=True, eq=False)
class Batch(LossBatch):
    """Windows padded to the longest, V = B. Padding: features and progress 0, labels `IGNORED_LABEL`, mask 0."""

    labels: Int[Tensor, "B T"]
    progress: Float[Tensor, "B T"]
    mask: Float[Tensor, "B 1 T"]

    @property
    def names(self) -> list[str]:
        """The videos, for errors."""
        return [f"video {video}" for video in self.videos]

    @property
    def num_frames(self) -> int:
        """Number of frames, without padding and stand-ins."""
        return int((self.mask[:, 0].sum(dim=1) * self.weights).sum())


def cut_windows(num_frames: Mapping[str, int], window_frames: int) -> list[Window]:
    """Cut videos into windows of at most `window_frames` (0: whole videos) of nearly equal length."""
    windows = []
    for video, length in num_frames.items():
        count = 1 if window_frames <= 0 else -(-length // window_frames)
        edges = np.linspace(0, length, count + 1).round().astype(int)
        windows += [Window(video, int(a), int(b)) for a, b in pairwise(edges)]
    return windows


def plan_epoch(num_frames: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the windows of each batch of an epoch: every window once, batches of similar lengths, shuffled.

    `num_frames`: the length of each window.
    """
    rng = np.random.default_rng([seed, epoch])
    lengths = np.array(num_frames)
    order = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for pool_start in range(0, len(order), batch_size * BUCKET_BATCHES):
        pool = order[pool_start : pool_start + batch_size * BUCKET_BATCHES]
        jitter = rng.uniform(1 - LENGTH_JITTER, 1 + LENGTH_JITTER, len(pool))
        pool = pool[np.argsort(lengths[pool] * jitter, kind="stable")]
        batches += [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


class EpochBatches:
    """A batch sampler that yields one process's share of each batch; set `epoch` before iterating."""

    def __init__(self, windows: Sequence[Window], batch_size: int, seed: int, rank: int = 0, world_size: int = 1):
        self.num_frames, self.batch_size, self.seed = [len(window) for window in windows], batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.num_frames) // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, float]]]:
        for batch in plan_epoch(self.num_frames, self.batch_size, self.seed, self.epoch):
            share = [(index, 1.0) for index in batch[self.rank :: self.world_size]]
            # Every process must take part in every step; one without a window repeats another's at weight 0.
            yield share or [(batch[0], 0.0)]


class WindowReader(TorchDataset[Example]):
    """Reads windows of a dataset file; can be sent to loading workers."""

    def __init__(self, dataset: Dataset, windows: Sequence[Window], features: FeatureReader):
        self.dataset, self.windows, self.features = dataset, windows, features

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, item: tuple[int, float]) -> Example:
        index, weight = item
        window = self.windows[index]
        place = (window.video, window.start, window.end)
        labels, progress = self.dataset.labels(*place), self.dataset.progress(*place)
        return Example(window.video, self.features.read(*place), labels, progress, weight)


def collate(examples: Sequence[Example]) -> Batch:
    """Pad examples to the longest and stack them."""
    frames, lengths = pad([torch.from_numpy(one.features).float() for one in examples])
    labels, _ = pad([torch.from_numpy(one.labels).long() for one in examples], IGNORED_LABEL)
    progress, _ = pad([torch.from_numpy(one.progress).float() for one in examples])
    mask = frame_mask(lengths, frames.shape[1]).float()[:, None]
    weights = torch.tensor([one.weight for one in examples])
    # Features stay in the order they are read, and are handed on as a view: to transpose gigabytes would cost more
    # than the disk.
    return Batch([one.video for one in examples], frames.transpose(1, 2), weights, labels, progress, mask)


def make_loader(reader: WindowReader, batches: EpochBatches, workers: int, device: torch.device) -> DataLoader[Any]:
    """A loader of padded batches, with `workers` reading processes beside this one.

    They are started again in each epoch: the loader draws from torch's generator when it starts them, and a resumed run
    must draw as often as an uninterrupted one.
    """
    return DataLoader(
        reader, batch_sampler=batches, collate_fn=collate, num_workers=workers, pin_memory=device.type == "cuda"
    )
