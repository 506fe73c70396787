"""Labels and predictions for tests of scores and reports."""

from __future__ import annotations

import numpy as np

from protas_gtcc.annotations.segments import progress_by_class, progress_target
from protas_gtcc.predictions import Prediction, reported_progress


def random_labels(seed: int, num_classes: int, num_segments: int, most_frames: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.repeat(random.integers(0, num_classes, num_segments), random.integers(1, most_frames, num_segments))


def delayed(labels: np.ndarray, frames: int, num_classes: int) -> Prediction:
    """The true classes and their true progress, with background 0, but some frames late."""
    estimate = np.roll(labels, frames)
    progress = progress_by_class(estimate, progress_target(estimate, [0]), num_classes)
    return Prediction(estimate, None, progress, reported_progress(progress, estimate, [0]))


def without_progress(labels: np.ndarray) -> Prediction:
    """What a model without a progress head predicts."""
    return Prediction(labels, None, None, np.zeros(len(labels), dtype=np.float32))
