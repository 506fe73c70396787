"""Scores of trained encoders on a dataset's held-out videos, beside those of references."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.embedder import Embedder, EncoderFacts
from protas_gtcc.alignment.scores import EmbeddedVideo, Trial, compare_alignments
from protas_gtcc.alignment.scores.scoring import OnProgress
from protas_gtcc.config import PartnerPart
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, listed

Scores = dict[str, Any]


def score_embedder(
    embedder: Embedder,
    dataset: Dataset,
    every: int = 1,
    partners: PartnerPart = "test",
    on_progress: OnProgress = lambda done, total: None,
) -> Scores:
    """Alignment scores of the embeddings and of two references: an untrained encoder, and raw features.

    Every `every`-th frame counts; `partners` and `on_progress` as in `compare_alignments`. Raises `InputError` if the
    split has too few videos.
    """
    config = embedder.facts.config
    trials = reference_trials([embedder], dataset, every)
    trials[config.loss] = [embedded_trial(embedder, dataset, every)]
    return compare_trials(trials, dataset, every, partners, config.training.seed, on_progress)


def compare_trials(
    trials: Mapping[str, Sequence[Trial]],
    dataset: Dataset,
    every: int,
    partners: PartnerPart,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> Scores:
    """`compare_alignments` with facts about the data: dataset, splits, frames, and the test videos that are left out.

    A test video is left out if no training video shows its task.
    """
    scored: dict[str, list[Trial]] = defaultdict(list)
    left_out = set()
    for name, trial in ((name, trial) for name, members in trials.items() for trial in members):
        known = {video.task for video in trial.train}
        left_out |= {video.name for video in trial.test if video.task not in known}
        scored[name].append(dataclasses.replace(trial, test=[video for video in trial.test if video.task in known]))
    return {
        "dataset": dataset.info.name,
        "simulated": dataset.info.simulated,
        "splits": sorted({trial.split for members in trials.values() for trial in members}),
        "score_every": every,
        "left_out": sorted(left_out),
        **compare_alignments(scored, dataset.info.background, seed, partners, on_progress),
    }


def require_scorable(dataset: Dataset, split: str, task: str | None = None) -> None:
    """Raise `InputError` if a split has no test video whose task a training video shows."""
    train, test = (_count_tasks(dataset, split, part).keys() for part in ("train", "test"))
    if task is not None and task not in train:
        raise InputError(f"no training video shows task {task!r}; the tasks are {listed(sorted(train))}")
    if not train & test & (train if task is None else {task}):
        what = "has no test video" if not test else "has no task with both training and test videos"
        way_out = "align --no-score only trains"
        raise InputError(f"{dataset.path}: split {split} {what}: there is nothing to score; {way_out}")


def remarks(config: AlignmentConfig, dataset: Dataset, partners: PartnerPart | None) -> list[str]:
    """Warnings before an encoder is trained: no tasks, tasks of one training video, or of one test video.

    `partners` is None where nothing will be scored.
    """
    train, test = (_count_tasks(dataset, config.split, part) for part in ("train", "test"))
    tasks = sorted(task for task in train if config.task in (None, task))
    if tasks == [""]:
        lines = ["no video has a task: all are aligned as one procedure (prepare --task-pattern finds tasks in names)"]
    else:
        lines = [
            f"task {task!r} has one training video: it is embedded but not aligned"
            for task in tasks
            if train[task] == 1
        ]
    if partners == "test" and all(test[task] < 2 for task in tasks):
        lines.append("no task has two test videos: Kendall's tau and the enclosed area need --partners train")
    return lines


def _count_tasks(dataset: Dataset, split: str, part: str) -> Counter[str]:
    return Counter(dataset.attribute(video, "task") or "" for video in dataset.part(split, part))


def reference_trials(embedders: Sequence[Embedder], dataset: Dataset, every: int = 1) -> dict[str, list[Trial]]:
    """References for embeddings: the raw features of their splits, and their encoders before training."""
    of_split = {one.facts.config.split: one for one in embedders}
    return {
        "raw features": [_trial(one.facts, dataset, every, np.asarray) for one in of_split.values()],
        "untrained": [embedded_trial(untrained(one), dataset, every) for one in embedders],
    }


def embedded_trial(embedder: Embedder, dataset: Dataset, every: int = 1) -> Trial:
    """The training and the test videos of a split as an encoder embeds them, every `every`-th frame."""
    return _trial(embedder.facts, dataset, every, embedder.embed)


def untrained(embedder: Embedder) -> Embedder:
    """The encoder as it was before training, its standardisation included."""
    torch.manual_seed(embedder.facts.config.training.seed)
    encoder = embedder.facts.build()
    mean, scale = embedder.encoder.feature_mean, embedder.encoder.feature_scale
    encoder.load_state_dict({"feature_mean": mean, "feature_scale": scale}, strict=False)
    return dataclasses.replace(embedder, encoder=encoder.eval())


def _trial(facts: EncoderFacts, dataset: Dataset, every: int, embed: Callable[[np.ndarray], np.ndarray]) -> Trial:
    """The videos of the encoder's task, or all, with their embeddings."""
    config = facts.config
    features = FeatureReader(dataset, facts.feature_set, config.split, "none")

    def read(part: str) -> list[EmbeddedVideo]:
        return [
            EmbeddedVideo(
                video,
                embed(features.read(video)).astype(np.float32)[::every],
                dataset.labels(video)[::every],
                dataset.attribute(video, "task") or "",
                dataset.attribute(video, "subject") or "",
            )
            for video in dataset.part(config.split, part)
            if config.task in (None, dataset.attribute(video, "task"))
        ]

    return Trial(read("train"), read("test"), config.split)
