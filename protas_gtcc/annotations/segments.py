"""From labels to segments and to transcripts.

Labels are one class id a frame, `[T]`. A segment is a maximal run of one label, half-open `[start, end)` in
frames. A transcript is the sequence of segment labels.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np


def segment_array(labels: np.ndarray) -> np.ndarray:
    """Cut labels `[T]` into maximal runs: rows (start, end, label), int64 `[N, 3]`, in time order."""
    labels = np.asarray(labels, dtype=np.int64)
    if labels.size == 0:
        return np.zeros((0, 3), dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
    ends = np.append(starts[1:], len(labels))
    return np.stack([starts, ends, labels[starts]], axis=1)


def transcript(labels: np.ndarray, background: Collection[int] = (), merge: bool = False) -> list[int]:
    """The sequence of actions in labels `[T]`, without background.

    An action that background interrupts counts twice (`merge=False`, as in MS-TCN's edit score), or once
    (`merge=True`, as in ProTAS's edit score and task graph, where background frames are dropped first).
    """
    labels = np.asarray(labels)
    if merge and len(background):
        labels = labels[~np.isin(labels, list(background))]
    return [int(label) for label in segment_array(labels)[:, 2] if int(label) not in background]
