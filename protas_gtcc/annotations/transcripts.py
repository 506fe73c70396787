"""Durations of segments and their order, counted over training videos.

Background classes are counted like actions: a pause also has a length, and a class that follows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.config import DecodingConfig
from protas_gtcc.errors import InputError, plural

SHORTEST, LONGEST = 1e-9, 1e9
"""Bounds of what a table holds, seconds or shares: beyond them, the filter would overflow."""
GRID_POINTS = 1000
"""Points at which the smoothed distribution of lengths is computed; quantiles are interpolated between them."""


@dataclass(frozen=True, eq=False)
class TranscriptTables:
    """Durations, order and shares of C classes, float64; `L` lengths a class."""

    lengths: np.ndarray
    """`[C, L]`, seconds, ascending: quantiles of the smoothed lengths of the class's training segments."""
    typical: np.ndarray
    """`[1]`: median seconds of all training segments."""
    share: np.ndarray
    """`[C]`: share of each class among the training frames, none 0."""
    first: np.ndarray
    """`[C]`: probability that a video begins with the class."""
    following: np.ndarray
    """`[C, C]`: `following[k, c]` is the probability that class c comes next after class k; rows sum to 1."""


def check_tables(tables: TranscriptTables, num_classes: int, where: str) -> None:
    """Raise `InputError` unless the tables have `num_classes` classes and hold lengths and probabilities."""
    for name, num_axes in (("lengths", 2), ("share", 1), ("first", 1), ("following", 2)):
        values = getattr(tables, name)
        if values.ndim != num_axes or len(values) != num_classes or not np.isfinite(values).all():
            what = f"the filter's {name} is {values.shape}, or not finite"
            raise InputError(f"{where}: {what}, for {plural(num_classes, 'class')}; train again")
    rows = np.concatenate([tables.first[None], np.atleast_2d(tables.following)])
    if rows.shape[1] != num_classes or rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-6:
        raise InputError(f"{where}: the filter's probabilities of the next class do not sum to 1; train again")
    positive = (tables.lengths, tables.typical, tables.share)
    if any(one.size == 0 or not SHORTEST <= one.min() <= one.max() <= LONGEST for one in positive):
        raise InputError(f"{where}: the filter's lengths or shares are not positive, or absurd; train again")


def count_transcripts(
    labels_of_videos: Iterable[np.ndarray], num_classes: int, settings: DecodingConfig, fps: float
) -> TranscriptTables:
    """Count durations, order and shares over videos' labels, each `[T]`. Raises `InputError` if there is no frame.

    Give training videos only. `settings.spread` is the standard deviation of the kernel that smooths logarithms of
    lengths: with 0.2, a segment of 10 seconds stands for lengths from about 8 to 12.
    """
    videos = [segment_array(labels) for labels in labels_of_videos if len(labels)]
    if not videos:
        raise InputError("there is no training segment to learn durations from; give training videos with labels")
    segments = np.concatenate(videos)
    frames, labels = segments[:, 1] - segments[:, 0], segments[:, 2]
    lengths = frames / fps
    # One more segment of each class: a class without a training segment is rare, not impossible.
    of_class = np.bincount(labels, frames, minlength=num_classes) + np.median(frames)
    share = (np.bincount(labels, minlength=num_classes) + 1) / (len(labels) + num_classes)
    first = np.bincount([video[0, 2] for video in videos], minlength=num_classes) + share
    pairs = np.zeros((num_classes, num_classes))
    for video in videos:
        np.add.at(pairs, (video[:-1, 2], video[1:, 2]), 1)
    return TranscriptTables(
        lengths=_length_quantiles(lengths, labels, num_classes, settings),
        typical=np.median(lengths, keepdims=True),
        share=of_class / of_class.sum(),
        first=first / first.sum(),
        following=_following(pairs, share),
    )


def _following(pairs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities `[C, C]` of the next class; one more pair for each class, so that no order is impossible."""
    counts = pairs + share
    np.fill_diagonal(counts, 0)
    single = counts.sum(axis=1) == 0
    counts[single, single] = 1  # the only class follows itself
    return counts / counts.sum(axis=1, keepdims=True)


def _length_quantiles(
    lengths: np.ndarray, labels: np.ndarray, num_classes: int, settings: DecodingConfig
) -> np.ndarray:
    """Quantiles `[C, L]`; a class without a segment gets the quantiles of all segments."""
    levels = (np.arange(settings.num_lengths) + 0.5) / settings.num_lengths
    bounds = lengths.min() / settings.length_limit, lengths.max() * settings.length_limit
    table = np.empty((num_classes, settings.num_lengths))
    for label in range(num_classes):
        own = lengths[labels == label]
        table[label] = _smoothed_quantiles(own if len(own) else lengths, levels, settings.spread, bounds)
    return table


def _smoothed_quantiles(
    lengths: np.ndarray, levels: np.ndarray, spread: float, bounds: tuple[float, float]
) -> np.ndarray:
    """Quantiles after a normal kernel has smoothed the logarithms of the lengths; `spread` 0 smooths nothing."""
    if spread == 0:
        return np.quantile(lengths, levels, method="inverted_cdf")
    # Here, because a prediction needs the tables, not their smoothing, and the import takes time.
    from scipy.special import ndtr

    grid = np.linspace(np.log(bounds[0]), np.log(bounds[1]), GRID_POINTS)
    below = ndtr((grid[:, None] - np.log(lengths)) / spread).mean(axis=1)
    return np.exp(np.interp(levels, below, grid))
