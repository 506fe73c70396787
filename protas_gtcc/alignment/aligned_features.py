"""What a trained encoder leaves for others: its embeddings as a feature set, and their scores on held-out videos."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from protas_gtcc.alignment.config import AlignmentConfig
from protas_gtcc.alignment.embedder import Embedder, EncoderFacts
from protas_gtcc.alignment.pairing import lonely_tasks
from protas_gtcc.alignment.scores import EmbeddedVideo, Trial, compare_alignments
from protas_gtcc.alignment.scores.partners import PartnerPart
from protas_gtcc.controls import FeatureReader
from protas_gtcc.dataset import Dataset
from protas_gtcc.dataset_header import FeatureSet, tied_name
from protas_gtcc.errors import InputError, listed
from protas_gtcc.feature_sets import add_feature_set, check_set_name

Scores = dict[str, Any]


class _Embeddings(Mapping[str, np.ndarray]):
    """Embeddings by video, computed when they are read."""

    def __init__(self, embedder: Embedder, dataset: Dataset):
        self._embedder, config = embedder, embedder.facts.config
        self._features = FeatureReader(dataset, embedder.facts.feature_set, config.split, "none")
        self._videos = videos_of(dataset, config.split)

    def __getitem__(self, video: str) -> np.ndarray:
        if video not in self:
            raise KeyError(video)
        return self._embedder.embed(self._features.read(video))

    def __contains__(self, video: object) -> bool:
        return video in self._videos  # what `Mapping` asks would be embedded to know whether it is there

    def __iter__(self) -> Iterator[str]:
        return iter(self._videos)

    def __len__(self) -> int:
        return len(self._videos)


def told(config: AlignmentConfig) -> list[str]:
    """What was aligned how: the loss; the task, if it was one; and the head, which has seen true segments."""
    of_task = [] if config.task is None else [f"task {config.task}"]
    return [config.loss, *of_task, *([] if config.head is None else [f"head {config.head}"])]


def default_name(config: AlignmentConfig) -> str:
    """`aligned-gtcc`, with the task and the head if there are some."""
    return "-".join(filter(None, ["aligned", config.loss, config.task, config.head]))


def videos_of(dataset: Dataset, split: str) -> list[str]:
    """All videos of a split, each once."""
    return list(dict.fromkeys(video for videos in dataset.info.splits[split].values() for video in videos))


def stored_name(name: str, split: str, dataset: Dataset, replace: bool) -> str:
    """The name of the set in the file, `aligned-gtcc_split1`.

    Raises `InputError` for a name that is none, that another set has just so, or that is taken and not replaced.
    """
    check_set_name(name)
    if name in dataset.feature_sets:
        raise InputError(f"{dataset.path} has a feature set {name!r}, which that name would stand for; give another")
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
        source=f"{facts.feature_set} aligned by {', '.join(told(facts.config))}, seed {facts.config.training.seed}",
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
    return compare_trials(trials, dataset, every, partners, config.training.seed)


def compare_trials(
    trials: Mapping[str, Sequence[Trial]], dataset: Dataset, every: int, partners: PartnerPart, seed: int = 0
) -> Scores:
    """`compare_alignments`, with what it was made of: dataset, splits, frames; and the test videos that it leaves out.

    These are of tasks that no training video shows.
    """
    scored = {name: [_scorable(one) for one in members] for name, members in trials.items()}
    every_trial = [(one, part) for name in trials for one, part in zip(trials[name], scored[name], strict=True)]
    return {
        "dataset": dataset.info.name,
        "simulated": dataset.info.simulated,
        "splits": sorted({one.split for one, _ in every_trial}),
        "score_every": every,
        "left_out": sorted({video.name for one, part in every_trial for video in one.test if video not in part.test}),
        **compare_alignments(scored, dataset.info.background, seed, partners),
    }


def require_scorable(dataset: Dataset, split: str, task: str | None = None) -> None:
    """Raise `InputError` if no test video of a split is of a task that a training video shows."""
    tasks = sorted({dataset.attribute(video, "task") or "" for video in dataset.part(split, "train")})
    if task is not None and task not in tasks:
        raise InputError(f"no training video is of task {task!r}; there are {listed(tasks)}")
    train, test = ({dataset.attribute(v, "task") for v in dataset.part(split, part)} for part in ("train", "test"))
    if not (train & test if task is None else train & test & {task}):
        what = "has no test video" if not test else "tests no task that it trains on"
        raise InputError(f"{dataset.path}: split {split} {what}: there is nothing to score; give --no-score")


def remarks(config: AlignmentConfig, dataset: Dataset, partners: PartnerPart) -> list[str]:
    """What a user should know before an encoder is trained: tasks that are none, alone, or tested by one video."""
    train, test = (
        Counter(dataset.attribute(video, "task") or "" for video in dataset.part(config.split, part))
        for part in ("train", "test")
    )
    if set(train) == {""}:
        return ["no video has a task: all are aligned as of one procedure (prepare --task-pattern tells them apart)"]
    told = [
        f"task {task!r} has one training video: it is embedded, but aligned with none"
        for task in lonely_tasks(dataset, config.split, config.task)
    ]
    if partners == "test" and max((test[task] for task in train), default=0) < 2:
        told.append("no task has two test videos to match with each other; --partners train matches training videos")
    return told


def _scorable(trial: Trial) -> Trial:
    known = {video.task for video in trial.train}
    return dataclasses.replace(trial, test=[video for video in trial.test if video.task in known])


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
