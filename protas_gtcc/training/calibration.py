"""Calibration of the duration filter on people that a part of the network has not seen, without training twice.

The networks of an ensemble (`--arrangement parallel`) are independent. Each person of the training videos is held out
of one of them: cross-fitting. After training, that network's output for the person is like that for a new person. These
outputs go through the filter itself, and four settings are chosen on them, one after the other: the bias against
background, in which datasets differ most; how much the network counts as evidence; and how wide the intervals of
progress and of the remaining time must be. The checkpoint keeps them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig, RunConfig
from protas_gtcc.dataset.held_out import group_videos
from protas_gtcc.decoding.decoder import DurationDecoder
from protas_gtcc.metrics.certainty import holds
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction

BIASES = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Of background, the default first; the one with the least error of the reported progress over all frames is taken.
With more, labels suffer. None is below 0: features that are over-fitted on the training people would teach the filter
to trust the background."""
EVIDENCES = (10.0, 7.0, 5.0)
"""Of the network, the default first; the one with the least error is taken, as of the biases. Networks that are too
sure about new people count for less."""
PROMISED = 0.8
"""Share of frames at which an interval should hold."""
LEVELS = (0.8, 0.84, 0.88, 0.92, 0.96, 0.99)
"""Shares of belief in an interval. The least is taken whose intervals hold as often as is promised."""
MOST_FRAMES = 60_000
"""Frames of held-out videos that are enough to choose settings of the filter on."""
MOST_HOURS = 20.0
"""Hours of them that are enough to choose thresholds of alarms on, which keep to a budget an hour."""


class HeldOutVideo(NamedTuple):
    """One video through the network that has not seen its person."""

    labels: np.ndarray
    """True class ids, `[T]`."""
    probs: np.ndarray
    """float32 `[T, C]`."""
    progress: np.ndarray | None
    """float32 `[T, C]` in [0, 1]."""


def why_not_calibrated(config: RunConfig, people: Mapping[str, str]) -> str:
    """What keeps a run from cross-fitting, "" if nothing does; `people` has the person of each training video.

    With fewer people than networks, a network would lose too much, and few people say little about others. Where the
    person of a video is not known, a network may have seen who is held out of it.
    """
    model, num_people = config.model, len(set(people.values()))
    if model.arrangement != "parallel" or model.stages < 2 or model.graph:
        return "it needs two stages or more in parallel, and no task graph"
    if "" in people.values():
        return "who is in the training videos is not known; 'prepare --subject-pattern' names the people"
    if num_people == 1:
        return "all training videos are of one person"
    if num_people < model.stages:
        return f"{num_people} people to train on are too few for {model.stages} networks"
    return ""


def assign_members(people: Mapping[str, str], num_members: int, seed: int) -> dict[str, int]:
    """For each video, by its person, the network of the ensemble that it is held out of."""
    groups = group_videos(people)
    order = np.random.default_rng(seed).permutation(len(groups))
    return {video: number % num_members for number, group in enumerate(order) for video in groups[group]}


def enough_videos(num_frames: Mapping[str, int], seed: int, most_frames: float = MOST_FRAMES) -> list[str]:
    """Videos in a random order, as many as have so many frames together, or all."""
    names = list(num_frames)
    drawn = [names[number] for number in np.random.default_rng(seed).permutation(len(names))]
    before = np.cumsum([0, *(num_frames[name] for name in drawn)])[:-1]
    return [name for name, frames in zip(drawn, before, strict=True) if frames < most_frames]


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
    """The settings with the bias against background, the evidence and the intervals that fit these videos best.

    A setting that is not at its default was asked for, and is kept. If no frame of an action is predicted to be one,
    nothing shows how wide intervals must be, and they stay. If even the widest do not hold often enough, the widest are
    taken.
    """
    known = list(videos)
    streams = np.repeat(np.arange(len(known)), [len(one.labels) for one in known])
    labels, probs = (np.concatenate(parts) for parts in ([one.labels for one in known], [one.probs for one in known]))
    target = np.concatenate([progress_target(one.labels, background) for one in known])
    remaining = np.concatenate([_remaining_seconds(one.labels, fps) for one in known])
    progress = None if known[0].progress is None else np.concatenate([one.progress for one in known])

    def decoded(tried: DecodingConfig) -> Prediction:
        """All videos, one after the other."""
        return DurationDecoder(tables, tried, background, fps, len(known)).decode(streams, probs, progress)

    def error(tried: DecodingConfig) -> float:
        return float(np.abs(decoded(tried).reported - target).mean())

    def progress_holds(prediction: Prediction) -> np.ndarray:
        """At frames of actions that are predicted to be actions."""
        counted = ~np.isin(labels, background) & ~np.isin(prediction.labels, background)
        assert prediction.interval is not None
        return holds(prediction.interval[:, counted], target[counted])

    def remaining_holds(prediction: Prediction) -> np.ndarray:
        """At frames of actions whose class is predicted."""
        counted = ~np.isin(labels, background) & (prediction.labels == labels)
        assert prediction.remaining_interval is not None
        return holds(prediction.remaining_interval[:, counted], remaining[counted])

    best = settings
    for name, choices in (("background_bias", BIASES), ("evidence", EVIDENCES)):
        if getattr(settings, name) == choices[0]:
            wanted: list[dict[str, Any]] = [{name: choice} for choice in choices]
            best = min((dataclasses.replace(best, **one) for one in wanted), key=error)
    for name, held in (("interval_level", progress_holds), ("remaining_level", remaining_holds)):
        if getattr(settings, name) == PROMISED:
            wanted = [{name: level} for level in LEVELS]
            tried = [dataclasses.replace(best, **one) for one in wanted]
            best = next((one for one in tried if _often(held(decoded(one)))), tried[-1])
    return best


def calibrated_note(decoding: DecodingConfig) -> str:
    """What was chosen, in a sentence."""
    levels = f"intervals at {decoding.interval_level:g} and, of remaining time, {decoding.remaining_level:g}"
    bias = f"background's log-probability lowered by {decoding.background_bias:g}, evidence {decoding.evidence:g}"
    return f"the filter was calibrated on held-out people: {bias}, {levels} of belief"


def _remaining_seconds(labels: np.ndarray, fps: float) -> np.ndarray:
    """Seconds from each frame `[T]` to the last one of its segment."""
    segments = segment_array(labels)
    last = np.repeat(segments[:, 1] - 1, segments[:, 1] - segments[:, 0])
    return (last - np.arange(len(labels))) / fps


def _often(held: np.ndarray) -> bool:
    return not len(held) or bool(held.mean() >= PROMISED)
