"""Training a head alone, on frozen features: the action segments of a split's training videos.

The weights of the epoch with the lowest error on held-out training videos are kept. Test videos are not used.
Everything is in memory, and nothing is resumed: a head trains in seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader, feature_statistics
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadTraining, HeadVersion
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms
from protas_gtcc.heads.sampling import draw_segments, sample_frames, sample_stratified
from protas_gtcc.network.padding import pad
from protas_gtcc.network.terms import require_finite, total_loss, weigh
from protas_gtcc.training.batching import plan_epoch

VALIDATION_FRAMES = 15
"""Frames of each held-out segment that are scored, five of each third: with position, all frames would take long."""
VALIDATION_BATCH = 32


@dataclass(frozen=True, eq=False)
class ActionSegment:
    """A true action segment: its video, first frame, class, and embeddings float32 `[T, D]`."""

    video: str
    start: int
    label: int
    embeddings: np.ndarray

    def __str__(self) -> str:
        return f"the segment at frame {self.start} of video {self.video}"


def read_segments(dataset: Dataset, videos: Iterable[str], features: FeatureReader) -> list[ActionSegment]:
    """The true action segments of videos, in order. Raises `InputError` as the dataset does."""
    return [one for video in videos for one in cut_segments(dataset, video, features.read(video))]


def cut_segments(dataset: Dataset, video: str, embeddings: np.ndarray) -> list[ActionSegment]:
    """The true action segments of a video, in order, cut from embeddings `[T, D]` of all its frames."""
    of_video = embeddings.astype(np.float32)
    return [
        ActionSegment(video, int(start), int(label), of_video[start:end])
        for start, end, label in dataset.segments(video)
        if label not in dataset.info.background
    ]


def pad_segments(segments: Sequence[ActionSegment]) -> tuple[Float[Tensor, "B T D"], Int[Tensor, " B"]]:
    """Segments padded with 0 to the longest, and the number of frames of each."""
    return pad([torch.from_numpy(one.embeddings) for one in segments])


def train_head(
    version: HeadVersion,
    learnt: Sequence[ActionSegment],
    held_out: Sequence[ActionSegment],
    training: HeadTraining,
) -> ScalarHead:
    """A head trained on segments, in evaluation mode: the epoch with the least error on those that are held out.

    Without held-out segments it is the last epoch. The same seed gives the same head. Raises `InputError` if there is
    nothing to train on, or naming the term and the segment, if a loss is not finite.
    """
    if not learnt:
        raise InputError("no training video has an action; check labels and background")
    torch.manual_seed(training.seed)
    head = ScalarHead(version.head, learnt[0].embeddings.shape[1])
    if version.head.standardise:
        head.set_features(*map(torch.from_numpy, feature_statistics(one.embeddings for one in learnt)))
    optimizer = torch.optim.Adam(head.parameters(), lr=training.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.epochs)
    best, lowest = head.state_dict(), np.inf
    for epoch in range(training.epochs):
        _train_epoch(head.train(), optimizer, version, learnt, training, epoch)
        schedule.step()
        error = validation_error(head.eval(), held_out, training.seed) if held_out else -epoch
        if error < lowest:
            best, lowest = copy.deepcopy(head.state_dict()), error
    head.load_state_dict(best)
    return head.eval()


def validation_error(head: ScalarHead, segments: Sequence[ActionSegment], seed: int) -> float:
    """Mean over segments of the mean absolute error at frames of each third, the same ones every time."""
    random, errors = np.random.default_rng(seed), []
    with torch.inference_mode():
        for numbers in plan_epoch([len(one.embeddings) for one in segments], VALIDATION_BATCH, seed, 0):
            batch = [segments[number] for number in numbers]
            padded, lengths = pad_segments(batch)
            sampled = sample_stratified(lengths, VALIDATION_FRAMES, random)
            error = (head.at_frames(padded, sampled.frames) - sampled.targets(lengths)).abs() * sampled.valid
            errors.append(error.sum(dim=1) / sampled.valid.sum(dim=1))
            require_finite({"error": errors[-1]}, [str(one) for one in batch], "validation")
    return float(torch.cat(errors).mean())


def _train_epoch(
    head: ScalarHead,
    optimizer: torch.optim.Optimizer,
    version: HeadVersion,
    segments: Sequence[ActionSegment],
    training: HeadTraining,
    epoch: int,
) -> None:
    random, loss = np.random.default_rng([training.seed, epoch]), version.loss
    videos, num_frames = [one.video for one in segments], [len(one.embeddings) for one in segments]
    drawn = [segments[number] for number in draw_segments(videos, num_frames, loss, random)]
    # Batches of similar lengths have less padding; a loss that divides by a batch's weights needs all lengths in it.
    similar = [1 if loss.pooled else len(one.embeddings) for one in drawn]
    clip_norm = training.clip_norm if version.head_clip_norm is None else version.head_clip_norm
    for step, numbers in enumerate(plan_epoch(similar, training.batch_size, training.seed, epoch)):
        batch = [drawn[number] for number in numbers]
        padded, lengths = pad_segments(batch)
        terms = head_loss_terms(head, padded, lengths, sample_frames(lengths, loss, random), loss)
        require_finite(terms, [str(one) for one in batch], f"epoch {epoch + 1}, step {step + 1}")
        optimizer.zero_grad()
        total_loss(weigh(terms, loss.term_weights)).mean().backward()  # type: ignore[no-untyped-call]
        if clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(head.parameters(), clip_norm)
        optimizer.step()
