"""Progress targets, made from ground-truth labels.

The target of frame t in a segment of L frames that starts at s is `(t - s + 1) / L`: 1 at the last frame, 1 for a
one-frame segment, 0 in the background (which has no progress). Shen and Elhamifar, "Progress-Aware Online Action
Segmentation for Egocentric Procedural Task Videos", CVPR 2024 (ProTAS).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from protas_gtcc.annotations.segments import segment_array


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
