"""What a trained encoder leaves for others: its embeddings as a feature set, and their scores on held-out videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from protas_gtcc.alignment.embedder import Embedder, EncoderFacts
from protas_gtcc.alignment.scores import EmbeddedVideo, Trial, compare_alignments
from protas_gtcc.alignment.scores.partners import PartnerPart
from protas_gtcc.controls import FeatureReader
from protas_gtcc.dataset import Dataset
from protas_gtcc.dataset_header import FeatureSet, tied_name
from protas_gtcc.errors import InputError
from protas_gtcc.feature_sets import add_feature_set

Scores = dict[str, Any]


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


def score_embedder(embedder: Embedder, dataset: Dataset, every: int = 1, partners: PartnerPart = "test") -> Scores:
    """Alignment scores of the embeddings, and of what they are to be measured by: an untrained encoder, raw features.

    Every `every`-th frame counts; `partners` as in `score_alignment`. Probes are fitted on training videos, everything
    else is of test videos. Raises `InputError` if the split has too few videos.
    """
    config = embedder.facts.config
    trials = reference_trials([embedder], dataset, every)
    trials[config.loss] = [embedded_trial(embedder, dataset, every)]
    return compare_alignments(trials, dataset.info.background, config.training.seed, partners)


def reference_trials(embedders: Sequence[Embedder], dataset: Dataset, every: int = 1) -> dict[str, list[Trial]]:
    """What embeddings are measured by: the raw features of their splits, and their encoders before training."""
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
    """The videos that alignment knows the task of."""
    config = facts.config
    features = FeatureReader(dataset, facts.feature_set, config.split, "none")

    def read(part: str) -> list[EmbeddedVideo]:
        return [
            EmbeddedVideo(
                video,
                embed(features.read(video)).astype(np.float32)[::every],
                dataset.labels(video)[::every],
                dataset.attribute(video, "task") or "",
            )
            for video in dataset.part(config.split, part)
            if config.task in (None, dataset.attribute(video, "task"))
        ]

    return Trial(read("train"), read("test"), config.split)
