"""What a trained encoder leaves for others: its embeddings as a feature set, and their scores on held-out videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from protas_gtcc.alignment.embedder import Embedder
from protas_gtcc.alignment.scores import EmbeddedVideo, compare_alignments
from protas_gtcc.controls import FeatureReader
from protas_gtcc.dataset import Dataset
from protas_gtcc.dataset_header import FeatureSet, tied_name
from protas_gtcc.errors import InputError
from protas_gtcc.feature_sets import add_feature_set


class _Embeddings(Mapping[str, np.ndarray]):
    """Embeddings by video, computed when they are read."""

    def __init__(self, embedder: Embedder, dataset: Dataset):
        self._embedder, config = embedder, embedder.facts.config
        self._features = FeatureReader(dataset, embedder.facts.feature_set, config.split, "none")
        self._videos = videos_of(dataset, config.split)

    def __getitem__(self, video: str) -> np.ndarray:
        return self._embedder.embed(self._features.read(video))

    def __iter__(self) -> Iterator[str]:
        return iter(self._videos)

    def __len__(self) -> int:
        return len(self._videos)


def videos_of(dataset: Dataset, split: str) -> list[str]:
    """All videos of a split, each once."""
    return list(dict.fromkeys(video for videos in dataset.info.splits[split].values() for video in videos))


def stored_name(name: str, split: str, dataset: Dataset, replace: bool) -> str:
    """The name of the set in the file, `aligned-gtcc_split1`. Raises `InputError` if it is taken and not replaced."""
    stored = tied_name(name, split)
    if stored in dataset.feature_sets and not replace:
        raise InputError(
            f"{dataset.path} has feature set {stored!r} already; give --replace, or another --feature-name"
        )
    return stored


def write_aligned(embedder: Embedder, dataset: Dataset, name: str, replace: bool = False) -> str:
    """Write the embeddings of a split's videos into the dataset file; the name of the set there.

    The set is tied to the split whose training videos the encoder has seen. Raises `InputError` as `add_feature_set`.
    """
    facts = embedder.facts
    split = facts.config.split
    stored = stored_name(name, split, dataset, replace)
    described = FeatureSet(
        dim=facts.config.encoder.output_dim,
        look_ahead_frames=facts.look_ahead_frames,
        split=split,
        source=f"{facts.feature_set} aligned by {facts.config.loss}, seed {facts.config.training.seed}",
        derived_from=facts.feature_set,
    )
    add_feature_set(dataset.path, stored, described, _Embeddings(embedder, dataset), replace)
    return stored


def score_embedder(embedder: Embedder, dataset: Dataset, every: int = 1) -> dict[str, Any]:
    """Alignment scores of the embeddings, and of what they are to be measured by: an untrained encoder, raw features.

    Every `every`-th frame counts. Probes are fitted on training videos, everything else is of test videos. Raises
    `InputError` if the split has too few videos.
    """
    rivals = {"raw features": None, "untrained": untrained(embedder), embedder.facts.config.loss: embedder}
    videos = {name: _read(one, embedder, dataset, every) for name, one in rivals.items()}
    return compare_alignments(videos, dataset.info.background, embedder.facts.config.training.seed)


def untrained(embedder: Embedder) -> Embedder:
    """The encoder as it was before training, its standardisation included."""
    torch.manual_seed(embedder.facts.config.training.seed)
    encoder = embedder.facts.build()
    mean, scale = embedder.encoder.feature_mean, embedder.encoder.feature_scale
    encoder.load_state_dict({"feature_mean": mean, "feature_scale": scale}, strict=False)
    return dataclasses.replace(embedder, encoder=encoder.eval())


def _read(
    one: Embedder | None, trained: Embedder, dataset: Dataset, every: int
) -> tuple[list[EmbeddedVideo], list[EmbeddedVideo]]:
    """The training and the test videos; those that alignment knows the task of."""
    config = trained.facts.config
    features = FeatureReader(dataset, trained.facts.feature_set, config.split, "none")

    def read(video: str) -> EmbeddedVideo:
        raw = features.read(video)
        embedding = (raw if one is None else one.embed(raw)).astype(np.float32)
        task = dataset.attribute(video, "task") or ""
        return EmbeddedVideo(video, embedding[::every], dataset.labels(video)[::every], task)

    parts = (dataset.part(config.split, "train"), dataset.part(config.split, "test"))
    train, test = ([video for video in part if _is_of(dataset, video, config.task)] for part in parts)
    return [read(video) for video in train], [read(video) for video in test]


def _is_of(dataset: Dataset, video: str, task: str | None) -> bool:
    return task is None or dataset.attribute(video, "task") == task
