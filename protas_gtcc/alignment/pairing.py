"""Which videos are aligned with which: every epoch, each training video with two others of its task."""

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

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairBatch:
    """The videos of some pairs, padded, each once."""

    videos: list[str]
    features: Float[Tensor, "V D T"]
    lengths: Int[Tensor, " V"]
    pairs: Int[Tensor, "P 2"]
    """Indices into the videos."""
    share: float = 1.0
    """Of the pairs that all processes have in this step."""

    @property
    def mask(self) -> Float[Tensor, "V 1 T"]:
        """1 on frames, 0 on padding."""
        frames = torch.arange(self.features.shape[2], device=self.features.device)
        return (frames < self.lengths[:, None]).to(self.features.dtype)[:, None]

    def to(self, device: torch.device) -> PairBatch:
        """The same on a device."""
        features, lengths, pairs = (one.to(device) for one in (self.features, self.lengths, self.pairs))
        return PairBatch(self.videos, features, lengths, pairs, self.share)

    def names(self, pair: int) -> str:
        """Of a pair's videos, for an error."""
        first, second = (self.videos[index] for index in self.pairs[pair].tolist())
        return f"{first} and {second}"


def by_task(dataset: Dataset, videos: Sequence[str], task: str | None = None) -> dict[str, list[str]]:
    """Videos that can be aligned, by task; without tasks in the file they are all of one.

    Raises `InputError` if no task (or not the wanted one) has two videos, and for a video of a single frame.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        if dataset.num_frames[video] < SMALLEST:
            raise InputError(f"video {video} has one frame; it cannot be aligned: leave it out of the training videos")
        groups[dataset.attribute(video, "task") or ""].append(video)
    if task is not None and task not in groups:
        raise InputError(f"no training video is of task {task!r}; there are {listed(groups)}")
    wanted = groups if task is None else {task: groups[task]}
    usable = {name: members for name, members in wanted.items() if len(members) > 1}
    if not usable:
        raise InputError(f"there is nothing to align: no task among {listed(wanted)} has two training videos")
    return usable


def lonely_tasks(dataset: Dataset, split: str, task: str | None = None) -> list[str]:
    """Tasks with one training video, which has no other to be aligned with."""
    tasks = [dataset.attribute(video, "task") or "" for video in dataset.part(split, "train")]
    return sorted(name for name in set(tasks) if tasks.count(name) == 1 and task in (None, name))


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
    """Batches of `size` pairs over all processes; this process's part of each, never empty.

    Every process takes as many steps: one without a pair of its own repeats the first, with `share` 0.
    """
    for start in range(0, len(pairs), size):
        whole = pairs[start : start + size]
        own = whole[rank::processes]
        yield dataclasses.replace(collate(own or whole[:1], features), share=len(own) / len(whole))


def collate(pairs: Sequence[Pair], features: FeatureReader) -> PairBatch:
    """Read the videos of some pairs and pad them."""
    videos = list(dict.fromkeys(video for pair in pairs for video in pair))
    arrays = [features.read(video) for video in videos]
    lengths = torch.tensor([len(array) for array in arrays])
    padded = torch.zeros(len(videos), int(lengths.max()), arrays[0].shape[1])
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = torch.from_numpy(np.asarray(array, dtype=np.float32))
    index = {video: number for number, video in enumerate(videos)}
    pointers = torch.tensor([[index[first], index[second]] for first, second in pairs])
    return PairBatch(videos, padded.transpose(1, 2), lengths, pointers)


def sample_frames(lengths: Int[Tensor, " V"], num_frames: int) -> tuple[Int[Tensor, "V S"], Int[Tensor, " V"]]:
    """Frames of each video, each once and in order: a random one of each of `num_frames` parts, as equal as can be.

    All of a shorter video. Gives indices, past the end where a video has fewer frames, and the number of each video's.
    """
    longest = int(lengths.max())
    size = longest if num_frames == 0 else min(num_frames, longest)
    counts = lengths.clamp(max=size)
    # Whole frames part the video, so that no frame is in two parts.
    edges = torch.arange(size + 1, device=lengths.device) * lengths[:, None] // counts[:, None]
    within = torch.rand(len(lengths), size, device=lengths.device) * edges.diff(dim=1)
    return (edges[:, :-1] + within.long()).clamp(max=longest - 1), counts
