"""Single simulated actions as embeddings, for scalar heads: the class may be visible, the progress never is."""

from __future__ import annotations

from typing import Literal

import numpy as np

LENGTHS = (5, 9, 15, 27, 45)
"""Typical frames of each class."""
SPREAD = 0.15
"""Standard deviation of the logarithm of an action's length."""
FEATURE_DIM = 16
SEGMENTS_PER_VIDEO = 10

Part = Literal["train", "test"]


def simulate_actions(part: Part, num_videos: int, strength: float, seed: int) -> list[tuple[str, int, int, np.ndarray]]:
    """Video, number, class id and embeddings float32 `[T, D]` of every action segment.

    An embedding is its class's direction, `strength` long, plus noise of standard deviation 1.
    """
    directions = np.random.default_rng(seed).normal(size=(len(LENGTHS), FEATURE_DIM))
    directions *= strength / np.linalg.norm(directions, axis=1, keepdims=True)
    random = np.random.default_rng([seed, ["train", "test"].index(part)])
    segments = []
    for number in range(num_videos * SEGMENTS_PER_VIDEO):
        label = number % len(LENGTHS)
        length = max(1, round(LENGTHS[label] * np.exp(random.normal(0, SPREAD))))
        embeddings = directions[label] + random.normal(size=(length, FEATURE_DIM))
        segments.append((f"{part}{number // SEGMENTS_PER_VIDEO}", number, label, embeddings.astype(np.float32)))
    return segments
