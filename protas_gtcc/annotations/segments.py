"""From labels to segments, to transcripts and to progress targets.

Labels are one class id a frame, `[T]`. A segment is a maximal run of one label, half-open `[start, end)` in
frames. A transcript is the sequence of segment labels.

The progress target of frame t in a segment of L frames that starts at s is `(t - s + 1) / L`. It is 1 at the last
frame, 1 for a one-frame segment, and 0 in the background, which has no progress. Shen and Elhamifar, "Progress-Aware
Online Action Segmentation for Egocentric Procedural Task Videos", CVPR 2024 (ProTAS).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from protas_gtcc.errors import InputError, plural

LONG = 0.9
"""Share of the actions that are shorter than a long one."""


def segment_array(labels: np.ndarray) -> np.ndarray:
    """Cut labels `[T]` into maximal runs: rows (start, end, label), int64 `[N, 3]`, in time order."""
    labels = np.asarray(labels, dtype=np.int64)
    if labels.size == 0:
        return np.zeros((0, 3), dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
    ends = np.append(starts[1:], len(labels))
    return np.stack([starts, ends, labels[starts]], axis=1)


def transcript(labels: np.ndarray, background: Collection[int] = (), merge: bool = False) -> list[int]:
    """The sequence of actions in labels `[T]`, without background.

    An action that background interrupts counts twice (`merge=False`, as in MS-TCN's edit score), or once
    (`merge=True`). The latter is as in ProTAS's edit score and task graph, where background frames are dropped first.
    """
    labels = np.asarray(labels)
    if merge and len(background):
        labels = labels[~np.isin(labels, list(background))]
    return [int(label) for label in segment_array(labels)[:, 2] if int(label) not in background]


def require_actions(labels_of_videos: Iterable[np.ndarray], background: Collection[int]) -> None:
    """Raise `InputError` if the labels `[T]` of all training videos are background alone, or if there is no video."""
    num_videos = 0
    for labels in labels_of_videos:
        if not np.isin(labels, list(background)).all():
            return
        num_videos += 1
    raise InputError(f"none of {plural(num_videos, 'training video')} has an action; check labels and background")


def long_action(labels_of_videos: Iterable[np.ndarray], background: Collection[int]) -> float:
    """Frames that nine in ten actions in labels, each `[T]`, do not exceed; there must be an action."""
    segments = np.concatenate([segment_array(labels) for labels in labels_of_videos])
    actions = segments[~np.isin(segments[:, 2], list(background))]
    return float(np.quantile(actions[:, 1] - actions[:, 0], LONG))


def progress_target(labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """Progress of the active class at every frame: labels `[T]` -> float32 `[T]` in (0, 1], background 0."""
    segments = segment_array(labels)
    starts, ends = segments[:, 0], segments[:, 1]
    lengths = ends - starts
    elapsed = np.arange(len(labels)) - np.repeat(starts, lengths) + 1
    progress = (elapsed / np.repeat(lengths, lengths)).astype(np.float32)
    progress[np.isin(labels, list(background))] = 0
    return progress


def progress_by_class(labels: np.ndarray, progress: np.ndarray, num_classes: int) -> np.ndarray:
    """Spread progress `[T]` of the active class over its channel: float32 `[C, T]`, other channels 0."""
    channels = np.zeros((num_classes, len(labels)), dtype=np.float32)
    channels[labels, np.arange(len(labels))] = progress
    return channels
