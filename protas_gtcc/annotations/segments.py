"""Frames, segments and transcripts: the only conversions between the three.

Labels are one class id a frame, `[T]`. A segment is a maximal run of one label, half-open `[start, end)` in
frames. A transcript is the sequence of segment labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError


@dataclass(frozen=True, order=True, slots=True)
class Segment:
    """A run of one class: frames `start` to `end`, end exclusive."""

    start: int
    end: int
    label: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InputError(f"segment [{self.start}, {self.end}) of class {self.label} is empty or negative")

    def __len__(self) -> int:
        return self.end - self.start


def segment_array(labels: np.ndarray) -> np.ndarray:
    """Cut labels `[T]` into maximal runs: rows (start, end, label), int64 `[N, 3]`, in time order."""
    labels = np.asarray(labels, dtype=np.int64)
    if labels.size == 0:
        return np.zeros((0, 3), dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
    ends = np.append(starts[1:], len(labels))
    return np.stack([starts, ends, labels[starts]], axis=1)


def segments_from_labels(labels: np.ndarray) -> list[Segment]:
    """Cut labels `[T]` into maximal runs, as `Segment`s in time order."""
    return [Segment(int(start), int(end), int(label)) for start, end, label in segment_array(labels)]


def labels_from_segments(segments: Iterable[Segment], num_frames: int, gap: int | None = None) -> np.ndarray:
    """Paint segments onto `num_frames` frames, int64 `[T]`; frames that none covers get the class `gap`.

    Raises `InputError` if segments overlap, pass the end, or leave a gap while `gap` is None.
    """
    labels = np.full(num_frames, -1, dtype=np.int64)
    for segment in sorted(segments):
        if segment.end > num_frames:
            raise InputError(f"{segment} ends after the last of {num_frames} frames")
        if (labels[segment.start : segment.end] >= 0).any():
            raise InputError(f"{segment} overlaps the segment before it")
        labels[segment.start : segment.end] = segment.label
    uncovered = labels < 0
    if uncovered.any():
        if gap is None:
            raise InputError(f"no segment covers frame {int(np.flatnonzero(uncovered)[0])}")
        labels[uncovered] = gap
    return labels


def transcript(labels: np.ndarray, background: Collection[int] = (), merge: bool = False) -> list[int]:
    """The sequence of actions in labels `[T]`, without background.

    `merge=False` drops background segments, so an action that is interrupted by background counts twice
    (MS-TCN's edit score). `merge=True` drops background *frames* first, so it counts once (ProTAS's edit score and
    task graph).
    """
    labels = np.asarray(labels)
    if merge and len(background):
        labels = labels[~np.isin(labels, list(background))]
    return [int(label) for label in segment_array(labels)[:, 2] if int(label) not in background]
