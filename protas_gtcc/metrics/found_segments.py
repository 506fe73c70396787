"""How the true segments of each class are found: late or early, too short or too long, in pieces, or not at all.

The *pieces* of a true action segment are the predicted segments of its class that overlap it. With a piece it is
*found*, without one *missed*: it has no frame of the right label, as for `online.never_found`. One predicted segment
may be a piece of several true ones.

- start: that of the first piece less the true one; positive is late, and then it is the delay of the first right label
  (`online.first_delay`), negative is early.
- end: that of the last piece less the true one; positive is late, negative early.
- length: that of all pieces together less the true one; positive is too long, negative too short.
- A missed segment is *taken for* the class predicted in most of its frames, of several the one with the lowest id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from protas_gtcc.metrics.scored_video import ScoredVideo

COLUMNS = ("label", "pieces", "start", "end", "length", "taken_for")
"""Columns of `match_segments`."""


@dataclass(frozen=True)
class ClassSegments:
    """How the true segments of one class are found; times in seconds."""

    num: int
    """True segments."""
    num_missed: int
    num_in_pieces: int
    """Found in more than one piece."""
    start: list[float] | None
    """Over found segments: lower quartile, median, upper quartile of the start; None if none is found."""
    end: list[float] | None
    length: list[float] | None
    taken_for: list[int] | None
    """The class for which most missed segments are taken, and how many; None if none is missed."""


def match_segments(video: ScoredVideo) -> np.ndarray:
    """A row for each true action segment, int64 `[N, len(COLUMNS)]`; times are in frames.

    A missed segment has 0 pieces, and 0 as start, end and length.
    """
    estimate, predicted = video.estimate[video.frames], video.estimated_segments
    right = estimate == video.labels[video.frames]
    piece = np.searchsorted(predicted[:, 0], video.frames[right], side="right") - 1
    # One row for each true segment with a piece of it, in order of time.
    segment, piece, _ = _pairs(video.segment[right], piece)
    found, firsts, num_pieces = np.unique(segment, return_index=True, return_counts=True)
    lengths = np.bincount(segment, predicted[piece, 1] - predicted[piece, 0], len(video.segments))
    rows = np.zeros((len(video.segments), len(COLUMNS)), dtype=np.int64)
    rows[:, 0] = video.segments[:, 2]
    rows[found, 1] = num_pieces
    rows[found, 2] = predicted[piece[firsts], 0] - video.segments[found, 0]
    rows[found, 3] = predicted[piece[firsts + num_pieces - 1], 1] - video.segments[found, 1]
    rows[found, 4] = lengths[found] - video.lengths[found]
    rows[:, 5] = _most_frequent(estimate, video.segment)
    return rows


def found_by_class(matches: Iterable[np.ndarray], num_classes: int, fps: float) -> list[ClassSegments | None]:
    """What rows of `match_segments` of all videos say of each class id; None for a class without a true segment."""
    rows = np.concatenate([np.zeros((0, len(COLUMNS)), dtype=np.int64), *matches])
    return [_of_class(rows[rows[:, 0] == label, 1:], fps) for label in range(num_classes)]


def _of_class(rows: np.ndarray, fps: float) -> ClassSegments | None:
    """Of rows with all columns but the label."""
    if len(rows) == 0:
        return None
    pieces, start, end, length, taken_for = rows.T
    is_missed = pieces == 0
    return ClassSegments(
        num=len(rows),
        num_missed=int(is_missed.sum()),
        num_in_pieces=int((pieces > 1).sum()),
        start=_quartiles(start[~is_missed] / fps),
        end=_quartiles(end[~is_missed] / fps),
        length=_quartiles(length[~is_missed] / fps),
        taken_for=_most_taken(taken_for[is_missed]),
    )


def _quartiles(values: np.ndarray) -> list[float] | None:
    return [float(one) for one in np.quantile(values, (0.25, 0.5, 0.75))] if len(values) else None


def _most_taken(labels: np.ndarray) -> list[int] | None:
    if len(labels) == 0:
        return None
    counts = np.bincount(labels)
    return [int(counts.argmax()), int(counts.max())]


def _most_frequent(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The most frequent of the `labels` `[A]` in each of the `groups` `[A]`, which are 0 … G - 1: int64 `[G]`."""
    group, label, counts = _pairs(groups, labels)
    order = np.lexsort((label, -counts, group))
    return label[order[np.unique(group, return_index=True)[1]]]


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair of two whole numbers, at least 0, that stand side by side, in order, and how often it does."""
    base = int(second.max(initial=0)) + 1
    pairs, counts = np.unique(first.astype(np.int64) * base + second, return_counts=True)
    return pairs // base, pairs % base, counts
