"""How what is simulated changes over time: correlated noise, pauses, an uneven pace."""

from __future__ import annotations

from typing import Any

import numpy as np


def correlated(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> np.ndarray:
    """Gaussian noise of variance 1 along the first axis, correlated over about `frames` frames."""
    keep = np.exp(-1 / frames) if frames > 0 else 0.0
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - keep**2)
    return recursive(1.0, keep, white)


def recursive(gain: float, keep: float, values: np.ndarray, **start: np.ndarray) -> Any:
    """out[t] = gain * values[t] + keep * out[t - 1], down the frames."""
    # The import stands here, because importing scipy.signal takes a second.
    from scipy.signal import lfilter

    return lfilter([gain], [1, -keep], values, axis=0, **start)


def pauses(rng: np.random.Generator, num_frames: int, share: float, mean_frames: float) -> np.ndarray:
    """Paused frames, bool `[T]`: this share of the time, in pauses of about `mean_frames`, alike at every frame."""
    ends = 1 / max(1.0, mean_frames)
    begins = min(1.0, ends * share / (1 - share))
    draws = rng.random(num_frames + 1)
    paused = np.zeros(num_frames, dtype=bool)
    now = draws[num_frames] < share
    for frame in range(num_frames):
        paused[frame] = now
        now = draws[frame] >= ends if now else draws[frame] < begins
    return paused


def share_done(rng: np.random.Generator, paused: np.ndarray, pace_frames: float) -> np.ndarray:
    """The share of an action that is done at each frame, `[T]` in (0, 1]: at an uneven pace, and none in a pause."""
    pace = np.exp(0.35 * correlated(rng, paused.shape, pace_frames)) * np.where(paused, 1e-6, 1.0)
    done = np.cumsum(pace)
    return done / done[-1]
