"""Frames at one rate from frames at another, by time.

Frame j at rate r stands for the time [j / r, (j + 1) / r). An output frame takes the source frame that contains the
middle of its interval, the nearest in time. Labels and features follow the same rule, so they stay together. At a lower
rate, the source frame ends before the output frame does. At a higher rate, it may end up to one source frame later.

    source, 3 fps   | 0 | 1 | 2 | 3 | 4 | 5 | 6 |
    output, 1 fps   |     1     |     4     |         frame 6 alone makes no output frame
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.errors import InputError

LOWEST_RATE, HIGHEST_RATE = 1e-4, 1e5
"""Frames per second, from one frame in three hours to the fastest cameras."""
LONGEST_SECONDS = 86_400
"""Of a recording: a day. No procedure takes longer, and a file of a hundred bytes can claim any length."""
MOST_FRAMES = 240 * LONGEST_SECONDS
"""Of a recording: a day at 240 frames per second, whose labels are read, checked and resampled within 1 GB."""
_BLOCK = 1 << 16


def resample_indices(num_frames: int, fps: float, new_fps: float) -> np.ndarray:
    """The source frame that each output frame takes, int64 `[T']`, each below `num_frames`.

    An output frame exists if the middle of its interval lies in the video; at least one frame is kept. All arithmetic
    is in whole numbers of any size, so it is exact, for 30000/1001 fps too. Raises `InputError` as `require_rate` and
    `require_length` do.
    """
    ratio = exact_rate(fps) / exact_rate(new_fps)
    up, down, num_frames = ratio.numerator, ratio.denominator, int(num_frames)
    # Middle of output frame j, in source frames: (2 j + 1) up / (2 down), which must be < num_frames.
    num_output = max(1, -(-(2 * down * num_frames - up) // (2 * up))) if num_frames else 0
    require_length(num_output, new_fps, "a video")
    fits = (2 * num_output + 1) * up < 2**63  # else Python's integers, in blocks: each takes 32 bytes and more
    indices = np.empty(num_output, dtype=np.int64)
    for start in range(0, num_output, _BLOCK):
        frames = np.arange(start, min(start + _BLOCK, num_output), dtype=np.int64 if fits else object)
        indices[start : start + _BLOCK] = (2 * frames + 1) * up // (2 * down)
    return np.minimum(indices, num_frames - 1, out=indices)


def look_ahead_at(look_ahead_frames: int, fps: float, new_fps: float) -> int:
    """A look-ahead in frames at `fps` -> in frames at `new_fps`, rounded up so that it is never too short."""
    return math.ceil(look_ahead_frames * exact_rate(new_fps) / exact_rate(fps))


def vanished_segments(labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Rows (start, end, label) of the segments of labels `[T]` in which none of the chosen frames, ascending, lies."""
    segments = segment_array(labels)
    before_start, before_end = np.searchsorted(indices, segments[:, :2]).T
    return segments[before_start == before_end]


def require_rate(fps: float) -> None:
    """Raise `InputError` unless `fps` is a rate that frames can have."""
    if not fps > 0:  # NaN is not
        raise InputError(f"frames per second must be positive, came {fps:g}; correct the rate")
    if not LOWEST_RATE <= fps <= HIGHEST_RATE:
        allowed = f"from {LOWEST_RATE:g} to {HIGHEST_RATE:g}"
        raise InputError(f"frames per second must be {allowed}, came {fps:g}; correct the rate")


def require_length(num_frames: int, fps: float, what: str) -> None:
    """Raise `InputError`, which starts with `what`, for more frames than a recording can have."""
    if num_frames > MOST_FRAMES:
        most = f"a recording has at most {MOST_FRAMES}, a day at 240"
        raise InputError(f"{what} would have {num_frames:.3g} frames at {fps:g} per second; {most}: correct the rate")


def exact_rate(fps: float) -> Fraction:
    """The rate that was meant: a fraction of small numbers, as 30000/1001, if no float is nearer, else its digits."""
    require_rate(fps)
    small = Fraction(fps).limit_denominator(10_000)
    return small if float(small) == fps else Fraction(repr(float(fps)))
