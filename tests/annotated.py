"""Predictions that are easy to see, for tests of annotated videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo

NAMES = ["background", "take bowl", "pour water", "stir"]
INFO = PredictionInfo(NAMES, [0], 10.0)


def predicted(labels: np.ndarray | list[int], late: float = 0.0, with_interval: bool = True) -> Prediction:
    """Progress rises from 0 to 1 over the video, `late` less; of the classes, the predicted one has 0.7."""
    labels = np.asarray(labels)
    num_frames = len(labels)
    reported = np.clip(np.linspace(0, 1, num_frames) - late, 0, 1).astype(np.float32)
    probs = np.full((len(NAMES), num_frames), 0.1, np.float32)
    probs[labels, np.arange(num_frames)] = 0.7
    interval = np.stack([np.clip(reported - 0.2, 0, 1), np.clip(reported + 0.1, 0, 1)])
    left = np.linspace(num_frames / 10, 0, num_frames, dtype=np.float32)
    filtered = (interval, left, np.stack([left, left + 3])) if with_interval else (None, None, None)
    return Prediction(labels, probs, None, reported, *filtered)


def row(labels: np.ndarray | list[int], name: str = "predicted", late: float = 0.0) -> Row:
    """A row of such a prediction at 10 frames a second."""
    return Row.of(name, predicted(labels, late), INFO)


def write_file(path: Path, video: str, labels: np.ndarray | list[int], late: float = 0.0) -> Path:
    """A file of such a prediction."""
    write_predictions(path, [(video, predicted(labels, late))], INFO)
    return path
