"""Calibration of the duration filter on people that a part of the network has not seen, without training twice.

The networks of an ensemble (`--arrangement parallel`) are independent. Each person of the training videos is held out
of one of them: cross-fitting. After training, that network's output for the person is like that for a new person. These
outputs go through the filter itself, and three settings are chosen on them, one after the other: the power of the
prior, the weight of background in the reported progress, and how wide intervals must be. The first two differ most
between datasets. The checkpoint keeps all three.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.dataset.held_out import group_videos
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction

PRIOR_EXPONENTS = (0.2, 0.35, 0.5)
"""Of these the one is taken whose reported progress has the least error over all frames. Above 0.5, labels suffer."""
BACKGROUND_WEIGHTS = (0.15, 0.25, 0.35, 0.5, 0.7, 1.0)
"""Chosen in the same way. None is above 1: features that are over-fitted on the training people would teach the filter
to trust the background."""
LEVELS = (0.8, 0.84, 0.88, 0.92, 0.96, 0.99)
"""Shares of belief in an interval. The least is taken whose intervals hold as often as `--interval-level` promises."""


class HeldOutVideo(NamedTuple):
    """One video through the network that has not seen its person."""

    labels: np.ndarray
    """True class ids, `[T]`."""
    probs: np.ndarray
    """float32 `[T, C]`."""
    progress: np.ndarray | None
    """float32 `[T, C]` in [0, 1]."""


def assign_members(people: Mapping[str, str], num_members: int, seed: int) -> dict[str, int]:
    """For each video, by its person, the network of the ensemble that it is held out of.

    There is none for a single network, or for fewer than two people a network. Then a network would lose too much of
    what it learns from, and these people would say little about others.
    """
    groups = group_videos(people)
    if num_members < 2 or len(groups) < 2 * num_members:
        return {}
    order = np.random.default_rng(seed).permutation(len(groups))
    return {video: number % num_members for number, group in enumerate(order) for video in groups[group]}


def without_held_out(outputs: Outputs, members: Sequence[int]) -> Outputs:
    """The same outputs, from which no gradient flows to the network that a video is held out of, `[B]` of these."""
    num_members = outputs.logits.shape[0]
    learns = torch.arange(num_members)[:, None] != torch.tensor(members)
    learns = learns.to(outputs.logits.device)[:, :, None, None]

    def stopped(values: torch.Tensor) -> torch.Tensor:
        return torch.where(learns, values, values.detach())

    progress = None if outputs.progress is None else stopped(outputs.progress)
    return outputs._replace(logits=stopped(outputs.logits), progress=progress)


def held_out_video(outputs: Outputs, member: int, labels: np.ndarray) -> HeldOutVideo:
    """What one network of the ensemble gives for one video, B = 1."""
    probs = torch.softmax(outputs.logits[member, 0], dim=0).t().float().cpu().numpy()
    progress = None
    if outputs.progress is not None:
        progress = outputs.progress[member, 0].clamp(0, 1).t().float().cpu().numpy()
    return HeldOutVideo(labels, probs, progress)


def calibrate(
    settings: DecodingConfig,
    tables: TranscriptTables,
    background: list[int],
    fps: float,
    videos: Iterable[HeldOutVideo],
) -> DecodingConfig:
    """The settings with the prior, the weight of background and the interval that fit these videos best.

    If no frame of an action is predicted to be one, nothing shows how wide intervals must be, and they stay. If even
    the widest do not hold often enough, the widest are taken.
    """
    known = list(videos)
    streams = np.repeat(np.arange(len(known)), [len(one.labels) for one in known])
    labels, probs = (np.concatenate(parts) for parts in ([one.labels for one in known], [one.probs for one in known]))
    target = np.concatenate([progress_target(one.labels, background) for one in known])
    progress = None if known[0].progress is None else np.concatenate([one.progress for one in known])

    def decoded(tried: DecodingConfig) -> Prediction:
        """All videos, one after the other."""
        return DurationDecoder(tables, tried, background, fps, len(known)).decode(streams, probs, progress)

    def error(tried: DecodingConfig) -> float:
        return float(np.abs(decoded(tried).reported - target).mean())

    def covers(tried: DecodingConfig) -> bool:
        """Whether intervals hold often enough, at frames of actions that are predicted to be actions."""
        prediction = decoded(tried)
        assert prediction.interval is not None
        low, high = prediction.interval
        counted = ~np.isin(labels, background) & ~np.isin(prediction.labels, background)
        inside = (low <= target + 1e-6) & (target <= high + 1e-6)
        return not counted.any() or bool(inside[counted].mean() >= settings.interval_level)

    best = min((dataclasses.replace(settings, prior_exponent=one) for one in PRIOR_EXPONENTS), key=error)
    best = min((dataclasses.replace(best, background_weight=one) for one in BACKGROUND_WEIGHTS), key=error)
    wider = [dataclasses.replace(best, interval_level=one) for one in LEVELS if one > best.interval_level]
    return next((one for one in (best, *wider) if covers(one)), [best, *wider][-1])
