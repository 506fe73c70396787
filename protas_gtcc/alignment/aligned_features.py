"""Writes a trained encoder's embeddings into the dataset file, as a feature set."""

from __future__ import annotations

import itertools
from collections import UserDict
from collections.abc import Callable
from typing import Any

import numpy as np

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.embedder import Embedder
from protas_gtcc.dataset.description import FeatureSet, tied_name
from protas_gtcc.dataset.feature_sets import add_feature_set
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError
from protas_gtcc.storage.plain_names import require_plain_name

OnVideo = Callable[[int, int], None]
"""Called with the number of videos that are done, and of all videos."""


class _Embeddings(UserDict[str, Any]):
    """Embeddings of a split's videos, each computed when it is read; `on_progress` is called with those read so far."""

    def __init__(self, embedder: Embedder, dataset: Dataset, on_progress: OnVideo):
        config = embedder.facts.config
        super().__init__(dict.fromkeys(itertools.chain.from_iterable(dataset.info.splits[config.split].values())))
        self._embedder, self._on_progress = embedder, on_progress
        self._read: set[str] = set()
        self._features = FeatureReader(dataset, embedder.facts.feature_set, config.split, "none")

    def __getitem__(self, video: str) -> np.ndarray:
        self._on_progress(len(self._read), len(self))
        self._read.add(video)
        return self._embedder.embed(self._features.read(video))


def default_name(config: AlignmentConfig) -> str:
    """`aligned-gtcc`, with the task and what is trained beside it if there is some."""
    parts = ["aligned", config.loss, config.task, config.head, "cumulative" * config.cumulative_l2]
    return "-".join(filter(None, parts))


def stored_name(name: str, split: str, dataset: Dataset, replace: bool) -> str:
    """The name of the set in the file, `aligned-gtcc_split1`.

    Raises `InputError` for an invalid name, one that an untied set has, and one that is taken and not replaced.
    """
    require_plain_name(name, "feature set")
    if name in dataset.feature_sets:
        raise InputError(f"{dataset.path} has a feature set {name!r} already; give another --feature-name")
    stored = tied_name(name, split)
    if stored in dataset.feature_sets and not replace:
        raise InputError(
            f"{dataset.path} has feature set {stored!r} already; give --replace, or another --feature-name"
        )
    return stored


def write_aligned(
    embedder: Embedder,
    dataset: Dataset,
    name: str,
    replace: bool = False,
    on_progress: OnVideo = lambda done, total: None,
) -> str:
    """Write the embeddings of a split's videos into the dataset file; the name of the set there.

    The set is tied to the split whose training videos the encoder was trained on. Raises `InputError` as
    `add_feature_set`.
    """
    facts = embedder.facts
    split = facts.config.split
    stored = stored_name(name, split, dataset, replace)
    task, head = facts.config.task, facts.config.head
    how = [facts.config.loss] + [f"task {task}"] * (task is not None) + [f"head {head}"] * (head is not None)
    described = FeatureSet(
        dim=facts.config.encoder.output_dim,
        look_ahead_frames=facts.look_ahead_frames,
        split=split,
        source=f"{facts.feature_set} aligned by {', '.join(how)}, seed {facts.config.training.seed}",
        derived_from=facts.feature_set,
    )
    add_feature_set(dataset.path, stored, described, _Embeddings(embedder, dataset, on_progress), replace)
    return stored
