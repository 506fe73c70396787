"""Slow, obvious twins that several test files compare the package with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np


@dataclass(frozen=True)
class Segment:
    """A run of one class: frames `start` to `end`, end exclusive."""

    start: int
    end: int
    label: int

    def __len__(self) -> int:
        return self.end - self.start


def segments_from_labels(labels: np.ndarray) -> list[Segment]:
    """Maximal runs of labels `[T]` in time order."""
    segments, start = [], 0
    for label, run in groupby(labels.tolist()):
        end = start + len(list(run))
        segments.append(Segment(start, end, label))
        start = end
    return segments
