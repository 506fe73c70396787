"""What the filter makes of rounding errors in the network's output: the promise of streams rests on it."""

from __future__ import annotations

import numpy as np

from protas_gtcc.decoding.decoder import DurationDecoder
from tests.tiny_models import CLASSES, DECODING, TRANSCRIPTS

BINS = DECODING.phases * DECODING.bins_per_phase
FRAMES = 120
ERROR = 5e-7
"""As large as the network's float32 errors."""


def decoded(probs: np.ndarray, progress: np.ndarray) -> dict[str, np.ndarray]:
    """The channels of progress."""
    decoder = DurationDecoder(TRANSCRIPTS, DECODING, [0], 5.0)
    result = decoder.decode(np.zeros(len(probs), dtype=np.int64), probs, progress.astype(np.float32))
    return {name: getattr(result, name) for name in ("progress", "reported", "interval", "remaining_seconds")}


def network(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and progress `[T, C]`, progress in the middle of bins."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(CLASSES, 0.3), FRAMES).astype(np.float32)
    return probs, (rng.integers(0, BINS, (FRAMES, CLASSES)) + 0.5) / BINS


def test_within_a_bin_a_rounding_error_stays_one():
    for seed in range(5):
        probs, progress = network(seed)
        errors = np.random.default_rng(seed).uniform(-ERROR, ERROR, (2, *probs.shape))
        exact, other = (
            decoded(probs, progress),
            decoded((probs * (1 + errors[0])).astype(np.float32), progress + errors[1]),
        )
        for name, values in exact.items():
            np.testing.assert_allclose(other[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_at_a_border_of_bins_it_moves_progress_by_a_bin_at_most():
    most = 0.0
    for seed in range(5):
        probs, progress = network(seed)
        border = progress + 0.5 / BINS
        below, above = decoded(probs, border - ERROR), decoded(probs, border + ERROR)
        for name in ("progress", "reported", "interval"):
            moved = np.abs(above[name] - below[name]).max()
            assert moved <= 1 / BINS + 1e-6, name
            most = max(most, float(moved))
        np.testing.assert_allclose(above["remaining_seconds"], below["remaining_seconds"], rtol=1e-6)
    assert most > 1e-3, "so streams cannot promise 1e-5 of every frame"
