"""Pairs of videos to align: in every epoch, each training video with two others of its task."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.alignment.pairs import SMALLEST
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed
from protas_gtcc.network.padding import frame_mask, pad
from protas_gtcc.training.batching import LossBatch

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class PairBatch(LossBatch):
    """B pairs of videos; `videos` and their padded features have each video once."""

    lengths: Int[Tensor, " V"]
    pairs: Int[Tensor, "B 2"]
    """Indices into the videos."""

    @property
    def mask(self) -> Float[Tensor, "V 1 T"]:
        """1 on frames, 0 on padding."""
        return frame_mask(self.lengths, self.features.shape[2]).to(self.features.dtype)[:, None]

    @property
    def names(self) -> list[str]:
        """The videos of each pair, for errors."""
        return [f"videos {self.videos[first]} and {self.videos[second]}" for first, second in self.pairs.tolist()]


def by_task(dataset: Dataset, videos: Sequence[str], task: str | None = None) -> dict[str, list[str]]:
    """Videos that can be aligned, by task; without tasks in the file all belong to one.

    Raises `InputError` if no task (or not the given one) has two videos, and for a video of a single frame.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        if dataset.num_frames[video] < SMALLEST:
            raise InputError(f"video {video} has one frame; it cannot be aligned: remove it from the training videos")
        groups[dataset.attribute(video, "task") or ""].append(video)
    if task is not None and task not in groups:
        raise InputError(f"no training video is of task {task!r}; there are {listed(groups)}")
    wanted = groups if task is None else {task: groups[task]}
    usable = {name: members for name, members in wanted.items() if len(members) > 1}
    if not usable:
        raise InputError(
            f"there is nothing to align: no task among {listed(wanted)} has two training videos; add videos, or "
            "prepare with another --task-pattern"
        )
    return usable


def epoch_pairs(groups: dict[str, list[str]], seed: int, epoch: int) -> list[Pair]:
    """The pairs of an epoch in random order: the videos of each task in a random ring, each with the next."""
    generator = np.random.default_rng([seed, epoch])
    pairs: list[Pair] = []
    for members in groups.values():
        ring = [members[index] for index in generator.permutation(len(members))]
        following = ring[1:] + ring[:1] if len(ring) > 2 else ring[1:]
        pairs += zip(ring, following, strict=False)
    return [pairs[index] for index in generator.permutation(len(pairs))]


def batches_of(
    pairs: Sequence[Pair], size: int, features: FeatureReader, rank: int = 0, processes: int = 1
) -> Iterator[PairBatch]:
    """Batches of `size` pairs over all processes: this process's part of each, which is never empty.

    Every process takes the same number of steps: one without a pair of its own repeats the first, with weight 0.
    """
    for start in range(0, len(pairs), size):
        whole = pairs[start : start + size]
        own = whole[rank::processes]
        batch = collate(own or whole[:1], features)
        yield batch if own else dataclasses.replace(batch, weights=torch.zeros(1))


def collate(pairs: Sequence[Pair], features: FeatureReader) -> PairBatch:
    """Read the videos of some pairs and pad them."""
    videos = list(dict.fromkeys(video for pair in pairs for video in pair))
    padded, lengths = pad([torch.from_numpy(features.read(video)).float() for video in videos])
    index = {video: number for number, video in enumerate(videos)}
    pointers = torch.tensor([[index[first], index[second]] for first, second in pairs])
    return PairBatch(videos, padded.transpose(1, 2), torch.ones(len(pairs)), lengths, pointers)


def sample_frames(lengths: Int[Tensor, " V"], num_frames: int) -> tuple[Int[Tensor, "V S"], Int[Tensor, " V"]]:
    """Frames of each video, each once and in order: a random one from each of `num_frames` nearly equal parts.

    A shorter video has all of its frames. Returns indices, beyond the end where a video has fewer, and their numbers.
    """
    longest = int(lengths.max())
    size = longest if num_frames == 0 else min(num_frames, longest)
    counts = lengths.clamp(max=size)
    # Parts begin at whole frames, so no frame is in two of them.
    edges = torch.arange(size + 1, device=lengths.device) * lengths[:, None] // counts[:, None]
    within = torch.rand(len(lengths), size, device=lengths.device) * edges.diff(dim=1)
    return (edges[:, :-1] + within.long()).clamp(max=longest - 1), counts
