"""Training a head alone, on frozen features: the action segments of a split's training videos.

Some training videos are held out, and the weights are kept of the epoch that does best on them; test videos have
no say. Everything is in memory: a head is told single segments, and their features are few beside a backbone's.
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
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.dataset.statistics import feature_moments
from protas_gtcc.errors import InputError
from protas_gtcc.heads.config import HeadLossConfig, HeadTraining, HeadVersion
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.losses import head_loss_terms, require_finite_terms, total_head_loss
from protas_gtcc.heads.sampling import AskedFrames, ask_every_frame, ask_stratified, draw_segments
from protas_gtcc.training.batching import Window, plan_epoch

VALIDATION_FRAMES = 15
"""Frames of each held-out segment at which a head is judged, five of each third: all would be dear with position."""
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
    """Segments padded with 0 to the longest, and how many frames each has."""
    parts = [torch.from_numpy(one.embeddings) for one in segments]
    lengths = torch.tensor([len(part) for part in parts])
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True), lengths


def train_head(version: HeadVersion, segments: Sequence[ActionSegment], training: HeadTraining) -> ScalarHead:
    """A head trained on these segments, in evaluation mode. The same seed gives the same head.

    Raises `InputError` if there is nothing to train on, or naming the term and the segment, if a loss is not finite.
    """
    if not segments:
        raise InputError("no training video has an action; check labels and background")
    learnt, held_out = _hold_out(segments, training)
    torch.manual_seed(training.seed)
    head = ScalarHead(version.head, learnt[0].embeddings.shape[1])
    if version.head.standardise:
        head.set_features(*map(torch.from_numpy, feature_moments(one.embeddings for one in learnt)))
    optimizer = torch.optim.Adam(head.parameters(), lr=training.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.epochs)
    best, lowest = head.state_dict(), np.inf
    for epoch in range(training.epochs):
        _train_epoch(head.train(), optimizer, version.loss, learnt, training, epoch)
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
        for numbers in _by_length(segments, VALIDATION_BATCH, [seed, 0]):
            batch = [segments[number] for number in numbers]
            padded, lengths = pad_segments(batch)
            asked = ask_stratified(lengths, VALIDATION_FRAMES, random)
            error = (head.at_frames(padded, asked.frames) - asked.targets(lengths)).abs() * asked.valid
            errors.append(error.sum(dim=1) / asked.valid.sum(dim=1))
            require_finite_terms({"error": errors[-1]}, [str(one) for one in batch], "validation")
    return float(torch.cat(errors).mean())


def _train_epoch(
    head: ScalarHead,
    optimizer: torch.optim.Optimizer,
    loss: HeadLossConfig,
    segments: Sequence[ActionSegment],
    training: HeadTraining,
    epoch: int,
) -> None:
    random = np.random.default_rng([training.seed, epoch])
    drawn = list(segments)
    if loss.mode != "dense":
        of_epoch = draw_segments([one.video for one in segments], loss.segments_per_video, random)
        drawn = [segments[number] for number in of_epoch]
    for step, numbers in enumerate(_by_length(drawn, training.batch_size, [training.seed, epoch])):
        batch = [drawn[number] for number in numbers]
        padded, lengths = pad_segments(batch)
        terms = head_loss_terms(head, padded, lengths, _ask(lengths, loss, random), loss)
        require_finite_terms(terms, [str(one) for one in batch], f"epoch {epoch + 1}, step {step + 1}")
        optimizer.zero_grad()
        total_head_loss(terms, loss).mean().backward()  # type: ignore[no-untyped-call]
        if training.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(head.parameters(), training.clip_norm)
        optimizer.step()


def _ask(lengths: Int[Tensor, " B"], loss: HeadLossConfig, random: np.random.Generator) -> AskedFrames:
    return (
        ask_every_frame(lengths) if loss.mode == "dense" else ask_stratified(lengths, loss.frames_per_segment, random)
    )


def _by_length(segments: Sequence[ActionSegment], batch_size: int, seed: Sequence[int]) -> list[list[int]]:
    windows = [Window(one.video, 0, len(one.embeddings)) for one in segments]
    return plan_epoch(windows, batch_size, *seed)


def _hold_out(
    segments: Sequence[ActionSegment], training: HeadTraining
) -> tuple[list[ActionSegment], list[ActionSegment]]:
    """Segments to learn from, and those of the videos that are held out. `InputError` if that leaves none to learn."""
    videos = list(dict.fromkeys(one.video for one in segments))
    count = round(training.validation_share * len(videos))
    if count == len(videos):
        share = f"--validation-share {training.validation_share}"
        raise InputError(f"{share} leaves none of the {count} training videos with actions to learn from; lower it")
    chosen = set(np.random.default_rng(training.seed).permutation(videos)[:count].tolist())
    learnt = [one for one in segments if one.video not in chosen]
    return learnt, [one for one in segments if one.video in chosen]
