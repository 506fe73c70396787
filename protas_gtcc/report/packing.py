"""Values of every frame as short text for the page."""

from __future__ import annotations

import base64

import numpy as np

from protas_gtcc.annotations.segments import segment_array

NONE = 0xFFFF
"""In place of a value that is unknown."""
LARGEST = NONE - 1
LEVELS = 255
"""Steps from 0 to 1 of a share."""


def pack(values: np.ndarray, scale: int | float) -> str:
    """Values of every frame `[T]`, at least 0, as base64 of whole steps of 1 / scale; NaN becomes NONE."""
    scaled = np.round(np.asarray(values, dtype=np.float64) * scale).clip(0, LARGEST)
    return base64.b64encode(np.where(np.isnan(scaled), NONE, scaled).astype("<u2").tobytes()).decode("ascii")


def pack_shares(values: np.ndarray) -> str:
    """Values `[T]` from 0 to 1 as base64 of a byte each."""
    levels = np.round(LEVELS * np.nan_to_num(np.asarray(values, dtype=np.float64)).clip(0, 1))
    return base64.b64encode(levels.astype(np.uint8).tobytes()).decode("ascii")


def flat_segments(labels: np.ndarray) -> list[int]:
    """Segments of labels `[T]` as length, class id, length, class id …"""
    segments = segment_array(labels)
    return np.stack([segments[:, 1] - segments[:, 0], segments[:, 2]], axis=1).ravel().tolist()
