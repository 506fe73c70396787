"""What training transcripts say of how long actions take and in which order they come.

Segments of every class count, background included: a pause has a length, too, and something follows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.errors import InputError

NUM_LENGTHS = 8
"""Lengths that stand for a class's durations, equally probable."""
GRID_POINTS = 1000
LONGEST = 2.0
"""No length is taken to be more than so many times the longest training segment of any class."""


@dataclass(frozen=True, eq=False)
class TranscriptTables:
    """Durations and order of C classes, float64; `L` lengths a class."""

    lengths: np.ndarray
    """`[C, L]`, frames, ascending: quantiles of the smoothed lengths of the class's training segments."""
    first: np.ndarray
    """`[C]`: probability that a video begins with the class."""
    following: np.ndarray
    """`[C, C]`: `following[k, c]` is the probability that c comes right after k; rows sum to 1."""


def check_tables(tables: TranscriptTables, num_classes: int, where: str) -> None:
    """Raise `InputError` unless the tables are of so many classes, and are lengths and probabilities."""
    shapes = {"lengths": 2, "first": 1, "following": 2}
    for name, num_axes in shapes.items():
        values = getattr(tables, name)
        if values.ndim != num_axes or len(values) != num_classes or not np.isfinite(values).all():
            raise InputError(
                f"{where}: the filter's {name} is {values.shape}, or not finite, for {num_classes} classes"
            )
    rows = np.concatenate([tables.first[None], np.atleast_2d(tables.following)])
    if rows.shape[1] != num_classes or rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-6:
        raise InputError(f"{where}: the filter's probabilities of what follows what do not sum to 1")
    if tables.lengths.size == 0 or tables.lengths.min() < 1:
        raise InputError(f"{where}: the filter's lengths are less than a frame")


def count_transcripts(
    labels_of_videos: Iterable[np.ndarray], num_classes: int, spread: float, num_lengths: int = NUM_LENGTHS
) -> TranscriptTables:
    """Count over videos' labels, each `[T]`. Give training videos only; `InputError` without any frame.

    `spread` is the standard deviation of the kernel that smooths logarithms of lengths: 0.3 says that a segment of 100
    frames could as well have had 74 or 135.
    """
    videos = [segment_array(labels) for labels in labels_of_videos if len(labels)]
    if not videos:
        raise InputError("there is no training segment to learn durations from; give training videos with labels")
    segments = np.concatenate(videos)
    lengths, labels = segments[:, 1] - segments[:, 0], segments[:, 2]
    # A class that was never seen is taken to be as rare as can be, not impossible.
    share = (np.bincount(labels, minlength=num_classes) + 1) / (len(labels) + num_classes)
    first = np.bincount([video[0, 2] for video in videos], minlength=num_classes) + share
    pairs = np.zeros((num_classes, num_classes))
    for video in videos:
        np.add.at(pairs, (video[:-1, 2], video[1:, 2]), 1)
    return TranscriptTables(
        lengths=_length_quantiles(lengths, labels, num_classes, spread, num_lengths),
        first=first / first.sum(),
        following=_following(pairs, share),
    )


def _following(pairs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Of counted pairs, and of about one more from each class, spread as the classes are: no order is impossible."""
    counts = pairs + share
    np.fill_diagonal(counts, 0)
    alone = counts.sum(axis=1) == 0
    counts[alone, alone] = 1  # where there is but one class, it follows itself
    return counts / counts.sum(axis=1, keepdims=True)


def _length_quantiles(
    lengths: np.ndarray, labels: np.ndarray, num_classes: int, spread: float, num_lengths: int
) -> np.ndarray:
    """Quantiles `[C, L]`, at least 1 frame; a class without a segment gets those of all classes."""
    levels = (np.arange(num_lengths) + 0.5) / num_lengths
    table = np.empty((num_classes, num_lengths))
    for label in range(num_classes):
        own = lengths[labels == label]
        table[label] = _smoothed_quantiles(own if len(own) else lengths, levels, spread, lengths.max() * LONGEST)
    return np.maximum(table, 1.0)


def _smoothed_quantiles(lengths: np.ndarray, levels: np.ndarray, spread: float, longest: float) -> np.ndarray:
    """Quantiles of lengths whose logarithms are blurred by a normal kernel; without a spread, of the lengths."""
    if spread == 0:
        return np.quantile(lengths, levels, method="inverted_cdf")
    grid = np.linspace(0, np.log(longest), GRID_POINTS)
    below = ndtr((grid[:, None] - np.log(lengths)) / spread).mean(axis=1)
    return np.exp(np.interp(levels, below, grid))
