"""Videos for alignment scores: an embedding and a label for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError, listed


@dataclass(frozen=True, eq=False)
class EmbeddedVideo:
    """One video: embedding `[T, D]`, class ids `[T]`, the procedure it shows ("" where there is only one), and the
    person in it ("" where unknown)."""

    name: str
    embedding: np.ndarray
    labels: np.ndarray
    task: str = ""
    person: str = ""


def by_task(videos: Sequence[EmbeddedVideo]) -> dict[str, list[EmbeddedVideo]]:
    """Videos by procedure, both in the order of names, so that their order changes no score."""
    tasks: dict[str, list[EmbeddedVideo]] = {}
    for video in sorted(videos, key=lambda video: (video.task, video.name)):
        tasks.setdefault(video.task, []).append(video)
    return tasks


def check_videos(train: Sequence[EmbeddedVideo], test: Sequence[EmbeddedVideo]) -> None:
    """Raise `InputError` unless all can be scored.

    Every video needs finite embeddings `[T, D]` with one D, labels of the same length and a name of its own. Every
    procedure that is tested needs a training video.
    """
    for video in (*train, *test):
        shape, num_labels = video.embedding.shape, len(video.labels)
        if len(shape) != 2 or shape[0] != num_labels or 0 in shape:
            raise InputError(f"video {video.name}: embedding is {shape}; expected [T, D] with T = {num_labels} > 0")
        if not np.isfinite(video.embedding).all():
            raise InputError(f"video {video.name}: its embedding has NaN or infinity; train again, with a lower --lr")
    widths = {video.embedding.shape[1]: video.name for video in (*train, *test)}
    if len(widths) > 1:
        found = listed(f"{width} in {name}" for width, name in widths.items())
        raise InputError(f"embeddings have different widths: {found}; embed all videos with one encoder")
    names = [video.name for video in (*train, *test)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{listed(twice)} occur twice; score each video once, and no training video")
    if not test:
        raise InputError("there is no test video to score; name a part that has some")
    lacking = sorted({video.task for video in test} - {video.task for video in train})
    if lacking:
        raise InputError(f"no training video shows task {listed(map(repr, lacking))}; leave out its test videos")
