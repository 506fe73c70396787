"""The confusion matrix: frames by true and by predicted class."""

from __future__ import annotations

import numpy as np


def confusion_counts(estimate: np.ndarray, reference: np.ndarray, num_classes: int) -> np.ndarray:
    """Frames of one video by class, int64 `[C, C]`: row true class, column predicted class; adds up over videos.

    `estimate` and `reference` are class ids `[T]` in 0 … C - 1.
    """
    pairs = reference.astype(np.int64) * num_classes + estimate
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
