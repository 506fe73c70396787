"""Keypoints -> features.

A point becomes its coordinates, its confidence, and whether it is there; then, if asked for, its speeds:

    x  y  [z]  confidence  present  [vx  vy  [vz]]

A missing point has present 0 and confidence 0. It stays where it was last seen, and before that at 0: so the features
of a frame depend on no later frame. A speed is in units of the coordinates a second, from the frame before; it is 0
unless the point is there in both frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Keypoints:
    """K points in T frames."""

    positions: np.ndarray
    """float32 `[T, K, 2]` or `[T, K, 3]`; NaN where a point is missing."""
    confidence: np.ndarray
    """float32 `[T, K]`, NaN where a point is missing, or where it is not known."""

    def dim(self, speeds: bool) -> int:
        """The number of features."""
        _, num_points, num_axes = self.positions.shape
        return num_points * (num_axes * (2 if speeds else 1) + 2)

    def features(self, speeds_at: float | None = None) -> np.ndarray:
        """Features, float32 `[T, D]`; with speeds if `speeds_at` has the frames per second."""
        present = np.isfinite(self.positions).all(axis=2)
        filled = _last_seen(self.positions, present)
        confidence = np.where(present, np.nan_to_num(self.confidence, nan=1.0), 0)
        parts = [filled, confidence[:, :, None], present[:, :, None]]
        if speeds_at is not None:
            parts.append(_speeds(filled, present, speeds_at))
        return np.concatenate(parts, axis=2, dtype=np.float32).reshape(len(filled), self.dim(speeds_at is not None))


def _last_seen(positions: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Positions `[T, K, A]`, those of missing points from the last frame before that has them, else 0."""
    frames = np.where(present, np.arange(len(present))[:, None], -1)
    last = np.maximum.accumulate(frames, axis=0)
    taken = np.take_along_axis(positions, np.maximum(last, 0)[:, :, None], axis=0)
    return np.where((last >= 0)[:, :, None], taken, 0).astype(np.float32)


def _speeds(positions: np.ndarray, present: np.ndarray, fps: float) -> np.ndarray:
    speeds = np.zeros_like(positions)
    both = (present[1:] & present[:-1])[:, :, None]
    speeds[1:] = np.where(both, np.diff(positions, axis=0) * np.float32(fps), 0)
    return speeds
