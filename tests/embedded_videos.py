"""Embedded videos for tests of alignment scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.alignment.scores import EmbeddedVideo, Trial, compare_alignments
from protas_gtcc.dataset.file import Dataset


def labels_of(*runs: tuple[int, int]) -> np.ndarray:
    """(class, number of frames) after another."""
    return np.concatenate([np.full(frames, label) for label, frames in runs])


def video(name: str, labels: np.ndarray, embedding: np.ndarray | None = None, task: str = "") -> EmbeddedVideo:
    """By default embedded by its frame numbers."""
    if embedding is None:
        embedding = np.arange(len(labels), dtype=np.float32)[:, None]
    return EmbeddedVideo(name, embedding, labels, task)


def recordings(prefix: str, number: int, seed: int = 0, task: str = "", clarity: float = 2.0) -> list[EmbeddedVideo]:
    """Videos of the same three actions after another; embeddings show the action and the time through noise."""
    rng, videos = np.random.default_rng(seed), []
    for index in range(number):
        labels = labels_of(*zip((0, 1, 2, 3, 0), rng.integers(4, 12, 5).tolist(), strict=True))
        shown = np.concatenate([np.eye(4)[labels], np.linspace(0, 1, len(labels))[:, None]], axis=1)
        videos.append(video(f"{prefix}{index}", labels, clarity * shown + rng.normal(size=shown.shape) / 4, task))
    return videos


def score(train: list[EmbeddedVideo], test: list[EmbeddedVideo], **settings: Any) -> dict[str, Any]:
    """The scores of one embedding, with background 0."""
    return compare_alignments({"": [Trial(train, test)]}, [0], **settings)["scores"][""]


def read_embedded(dataset: Dataset, part: str, feature_set: str) -> list[EmbeddedVideo]:
    """The videos of a part of split 1 that has no tasks, embedded by a stored feature set."""
    name = dataset.choose_feature_set("1", feature_set)
    return [video(one, dataset.labels(one), dataset.features(one, name)) for one in dataset.part("1", part)]
