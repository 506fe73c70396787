"""Scores by the length of the true segment: are short actions seen, is progress right in long ones?"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from protas_gtcc.annotations.progress_targets import progress_target
from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.metrics.breakdowns import FRAME_EDGES, PARTS
from protas_gtcc.metrics.segmentation import is_action

BIN_NAMES = PARTS["length_frames"]
STATISTICS = ("segments", "frames", "correct_frames", "error")
"""What is counted in each bin; every one adds up over videos."""


def length_statistics(
    estimate: np.ndarray, reported: np.ndarray, reference: np.ndarray, background: Collection[int]
) -> np.ndarray:
    """Sums and counts of one video by the length of true action segments, float64 `[6, len(STATISTICS)]`.

    `estimate` and `reference` are predicted and true class ids `[T]`, `reported` the progress `[T]`. A frame belongs
    to the bin of the true segment it lies in; `error` sums |reported - target| over frames.
    """
    segments = segment_array(reference)
    segments = segments[is_action(segments[:, 2], background)]
    errors = np.abs(reported - progress_target(reference, background)).astype(np.float64)
    # From sums over the first t frames, those of any segment.
    sums = np.cumsum(np.stack([np.zeros_like(errors) + 1, estimate == reference, errors]), axis=1)
    sums = np.concatenate([np.zeros((3, 1)), sums], axis=1)
    starts, ends = segments[:, 0], segments[:, 1]
    of_segment = np.stack([np.ones(len(segments)), *(sums[:, ends] - sums[:, starts])], axis=1)
    statistics = np.zeros((len(BIN_NAMES), len(STATISTICS)))
    np.add.at(statistics, np.searchsorted(FRAME_EDGES, ends - starts, side="right"), of_segment)
    return statistics
