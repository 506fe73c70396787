"""What procedures are followed from: true steps, true steps through a stated confusion, or anyone's probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import PredictionFiles, open_predictions

STRETCH_SECONDS = 10.0
"""What a confused recogniser sees stays the same for so long."""
Evidence = Callable[[str], np.ndarray | None]
"""Video -> probabilities `[T, C]` of what is going on at each frame, None if there are none."""


def true_steps(dataset: Dataset) -> Evidence:
    """1 for the true class of each frame."""
    return lambda video: np.eye(dataset.info.num_classes, dtype=np.float32)[dataset.labels(video)]


def confused_steps(dataset: Dataset, confusion: float, seed: int) -> Evidence:
    """As `confuse`, seeded by the video too, among the classes that videos of its task have."""
    shown: dict[str, set[int]] = {}
    for video in dataset.video_names:
        shown.setdefault(dataset.attribute(video, "task"), set()).update(dataset.labels(video).tolist())

    def evidence(video: str) -> np.ndarray:
        rng = np.random.default_rng([seed, *video.encode()])
        classes = np.array(sorted(shown[dataset.attribute(video, "task")]))
        info = dataset.info
        return confuse(dataset.labels(video), classes, info.num_classes, info.fps, confusion, rng)

    return evidence


def confuse(
    labels: np.ndarray, classes: np.ndarray, num_classes: int, fps: float, confusion: float, rng: np.random.Generator
) -> np.ndarray:
    """What a recogniser with a stated confusion makes of labels `[T]`: float32 `[T, C]`.

    Each stretch of `STRETCH_SECONDS` of a segment is seen as another one of the `classes`, drawn evenly, with
    probability `confusion`. It gives the class that it sees the probability 1 - confusion, and the others their share
    of the rest.
    """
    stretch = np.arange(len(labels)) // max(1, round(STRETCH_SECONDS * fps))
    begins = np.append(True, (np.diff(stretch) > 0) | (np.diff(labels) != 0))
    number = np.cumsum(begins) - 1
    is_wrong = rng.random(number[-1] + 1) < confusion
    others = rng.integers(1, max(len(classes), 2), number[-1] + 1)
    seen = np.searchsorted(classes, labels)
    seen = classes[np.where(is_wrong[number], seen + others[number], seen) % len(classes)]
    rest = confusion / max(len(classes) - 1, 1)
    probs = np.zeros((len(labels), num_classes), dtype=np.float32)
    probs[:, classes] = rest
    probs[np.arange(len(labels)), seen] = 1 - confusion
    return probs


def given_probabilities(paths: Sequence[Path], dataset: Dataset) -> Evidence:
    """What prediction files have of each video, such as those of models that hold out different people.

    Raises `InputError` as `open_predictions` does, and for a video that two of the files have.
    """
    files: dict[str, tuple[Path, PredictionFiles]] = {}
    for path in paths:
        opened = open_predictions(path, dataset.info.class_names)
        for video in opened.video_names:
            if video in files:
                raise InputError(f"video {video} is in {files[video][0]} and in {path}; leave it out of one of them")
            files[video] = path, opened

    def evidence(video: str) -> np.ndarray | None:
        if video not in files:
            return None
        path, opened = files[video]
        prediction, num_frames = opened.read(video), dataset.num_frames[video]
        if prediction.probs is None:
            raise InputError(f"{path}, video {video}: only the predicted class has a probability; give those of all")
        if len(prediction.labels) != num_frames:
            what = f"{len(prediction.labels)} frames of {video}, the dataset has {num_frames}"
            raise InputError(f"{path} has {what}; predict at the dataset's rate")
        return np.ascontiguousarray(prediction.probs.T)

    return evidence
