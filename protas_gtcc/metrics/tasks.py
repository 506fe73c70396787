"""How often the likeliest task is the true one, where a model infers it among two or more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protas_gtcc.predictions import Prediction

STATISTICS = ("frames", "right_frames", "videos", "right_at_end")
"""Frames whose task is inferred, and those whose likeliest task is true; the same of videos, at their last frame."""


def task_statistics(prediction: Prediction, true_task: str, tasks: Sequence[str]) -> np.ndarray:
    """`STATISTICS` of one video, float64; all 0 where its task is not known (""), or not inferred.

    `tasks` are the names of the model's tasks; a true task that is none of them is never found.
    """
    if prediction.task_probs is None or not true_task or not len(prediction.labels):
        return np.zeros(len(STATISTICS))
    number = tasks.index(true_task) if true_task in tasks else -1
    right = prediction.task_probs.argmax(axis=0) == number
    return np.array([len(right), right.sum(), 1, right[-1]], dtype=np.float64)


def task_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of frames and of videos whose task is found, from sums of statistics `[R, 4]`; NaN where undefined."""
    frames, right, videos, at_end = sums.T
    with np.errstate(invalid="ignore"):
        return {"frame_accuracy": right / frames, "end_accuracy": at_end / videos}
