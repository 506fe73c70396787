"""Validation videos: held-out training videos, by which an epoch or a setting is chosen; never test videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.held_out import draw_held_out
from protas_gtcc.dataset.reader import FeatureReader
from protas_gtcc.errors import InputError, plural
from protas_gtcc.inference import TrainedModel
from protas_gtcc.metrics.progress import progress_averages, progress_statistics
from protas_gtcc.metrics.segmentation import score_segmentation


def choose_validation(
    dataset: Dataset, split: str, share: float, seed: int, train_on_all: bool = False
) -> tuple[list[str], list[str]]:
    """A split's training videos, divided into those to train on and those to validate on.

    A split that names validation videos has them already. They are trained on with `train_on_all` only. Otherwise
    `draw_held_out` draws this share: whole people, since scores on a person who was trained on say little about a new
    one. Raises `InputError` if no training videos are left.
    """
    videos = dataset.part(split, "train")
    validation = dataset.part(split, "validation")
    if train_on_all:
        videos, validation = [*videos, *(one for one in validation if one not in videos)], []
    if share > 0 and not validation:
        subjects = {video: dataset.attribute(video, "subject") for video in videos}
        validation = draw_held_out(subjects, share, seed)
    chosen = set(validation)
    training = [video for video in videos if video not in chosen]
    if not training or (share > 0 and not validation):
        raise InputError(
            f"{dataset.path}: split {split} has {plural(len(videos), 'training video')}, too few to train on"
            + (f" with --validation-share {share}; lower it, or add videos" if share > 0 else "; add some")
        )
    return training, validation if share > 0 else []


def validation_scores(
    model: TrainedModel, dataset: Dataset, videos: Sequence[str], features: FeatureReader
) -> dict[str, int | float]:
    """Scores of a model on held-out videos, and `validation_score`, by which epochs are chosen.

    That is the mean of acc, edit and the mean F1, less 100 times the error of the reported progress over all frames.
    All are percent, and a point of each weighs the same.
    """
    info = dataset.info
    errors: list[np.ndarray] = []

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One prediction after the other; what it adds to the error is all that is kept of its progress."""
        for video in videos:
            truth, one = dataset.labels(video), model.predict(features.read(video))
            added = progress_statistics(one.reported[None], truth, info.num_classes, info.background)
            errors[:] = [np.sum([*errors, added], axis=0)]
            yield one.labels, truth

    scores = score_segmentation(pairs(), info.background)
    error = float(progress_averages(errors[0], info.num_classes)["all_frames"][0])
    f1 = float(np.mean([score for name, score in scores.items() if name.startswith("f1")]))
    score = (scores["acc"] + scores["edit"] + f1) / 3 - 100 * error
    kept = {f"validation_{name}": scores[name] for name in ("acc", "edit", "f1@50")}
    return {**kept, "validation_progress_error": error, "validation_score": score}
