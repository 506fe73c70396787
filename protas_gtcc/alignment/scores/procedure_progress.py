"""Progress of a whole procedure, and its error when estimated from the distance that an embedding has covered.

True progress of a video with K action segments is the share of them that is done. It rises evenly by 1 / K in each
segment, is constant in the background, and reaches 1 at the end of the last action. At frame t of a segment
[s, s + L) with k segments before it, it is (k + (t - s + 1) / L) / K. Repeated actions count each time. A video without
actions has no progress and is left out.

Estimated progress is the cumulative distance (`metrics.cumulative_distance`) from the first frame to t, over its mean
at the end of the training videos of the task, at most 1. It needs no label; it is online if the embedding
is. If no training video moves, it is 0. Donahue and Elhamifar, CVPR 2024 (online geodesic progress error).

Their code differs: its mean is over the training videos of the first batch, and it does not clip the estimate to 1.
Here a video whose embedding never moves is scored like others, and a segment's first frame has made a step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.figures import mean_over_videos
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.metrics.cumulative_distance import cumulative_distance
from protas_gtcc.metrics.segmentation import is_action

_ERROR = (
    "|estimated - true| progress of the procedure (share of the video's actions done, rising evenly in each), mean "
    "over a video's frames, then over videos; estimated as"
)
DEFINITIONS = {
    "progress_error": (
        "fraction",
        f"{_ERROR} the distance that the embedding has covered, over its mean in whole training videos, at most 1.",
    ),
    "lookups.progress_error.constant": ("fraction", f"{_ERROR} 0.5."),
    "lookups.progress_error.elapsed": (
        "fraction",
        f"{_ERROR} the time that has passed, over the mean length of training videos, at most 1.",
    ),
    "lookups.progress_error.average_index": (
        "fraction",
        f"{_ERROR} the mean true progress at that frame in training videos that are as long, 1 beyond the longest.",
    ),
}


def procedure_progress(labels: np.ndarray, background: Collection[int]) -> np.ndarray | None:
    """Share of a video's actions done at every frame: class ids `[T]` -> float64 `[T]` in [0, 1]; None without."""
    segments = segment_array(labels)
    actions = is_action(segments[:, 2], background)
    if not actions.any():
        return None
    steps = np.zeros(len(labels))
    for start, end, _ in segments[actions].tolist():
        steps[start:end] = 1 / (end - start)
    return np.minimum(np.cumsum(steps) / actions.sum(), 1.0)  # a sum of many steps may round to slightly more


def progress_figures(
    train: Sequence[EmbeddedVideo], test: Sequence[EmbeddedVideo], background: Collection[int], weights: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Error of the distance covered, and of the look-ups, for the test videos of one task."""
    mean_distance = float(np.mean([cumulative_distance(video.embedding)[-1] for video in train]))
    mean_length = float(np.mean([len(video.labels) for video in train]))
    average = _average_index(train, background)
    errors = defaultdict(list)
    for video in test:
        frames = np.arange(len(video.labels))
        covered = cumulative_distance(video.embedding)
        estimates = {
            "distance": np.minimum(covered / mean_distance, 1) if mean_distance > 0 else np.zeros(len(frames)),
            "constant": np.full(len(frames), 0.5),
            "elapsed": np.minimum((frames + 1) / mean_length, 1),
            "average_index": average[np.minimum(frames, len(average) - 1)],
        }
        progress = procedure_progress(video.labels, background)
        for name, estimate in estimates.items():
            errors[name].append(np.nan if progress is None else np.abs(estimate - progress).mean())
    figures = {name: mean_over_videos(weights, np.array(values)) for name, values in errors.items()}
    return figures.pop("distance"), figures


def _average_index(train: Sequence[EmbeddedVideo], background: Collection[int]) -> np.ndarray:
    """Mean progress at each frame over the training videos that have it, `[K]`, and 1 at the end."""
    curves = [procedure_progress(video.labels, background) for video in train]
    known = [curve for curve in curves if curve is not None]
    sums, counts = np.zeros((2, max(map(len, known), default=0)))
    for curve in known:
        sums[: len(curve)] += curve
        counts[: len(curve)] += 1
    return np.append(sums / counts, 1.0)
