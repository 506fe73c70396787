"""Coverage of intervals and error of the remaining time: by hand, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protas_gtcc.metrics.certainty import STATISTICS, certainty_figures, certainty_statistics
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.pooling import collect_rows, figures, intervals
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.predictions import Prediction
from tests.brute_force import segments_from_labels
from tests.predicted_videos import without_progress

FPS = 2.0
LOOKUP_PROGRESS = np.linspace(0.1, 1, 12)


def predicted(
    labels: list[int], estimate: list[int], low: list[float], high: list[float], remaining: list[float]
) -> tuple[ScoredVideo, Prediction]:
    truth, classes = np.array(labels), np.array(estimate)
    nothing = np.zeros(len(truth), dtype=np.float32)
    bounds = np.array([low, high], dtype=np.float32)
    left = np.array(remaining, dtype=np.float32)
    prediction = Prediction(classes, None, None, nothing, bounds, left, np.stack([left - 0.25, left + 0.25]))
    return ScoredVideo(truth, classes, nothing[None].astype(float), [0], FPS), prediction


def plain(video: ScoredVideo, prediction: Prediction) -> dict[str, float]:
    return {name: float(values[0]) for name, values in certainty_figures(row(video, prediction)[None]).items()}


def row(video: ScoredVideo, prediction: Prediction) -> np.ndarray:
    return certainty_statistics(video, prediction, LOOKUP_PROGRESS[: len(video.labels)])


def test_by_hand():
    # Targets of the action: 1/4, 2/4, 3/4, 1. Remaining seconds: 1.5, 1, 0.5, 0. Frame 3 is predicted background.
    video, prediction = predicted(
        [0, 1, 1, 1, 1], [1, 1, 1, 0, 2], [0, 0.3, 0.5, 0, 0.2], [1, 0.4, 0.7, 0, 1], [9, 2.0, 1.0, 9, 9]
    )
    found = plain(video, prediction)
    assert found["interval_coverage"] == pytest.approx(2 / 3), "0.5 lies in [0.5, 0.7], 1 in [0.2, 1], 1/4 is missed"
    assert found["interval_width"] == pytest.approx((0.1 + 0.2 + 0.8) / 3, abs=1e-6)
    assert found["interval_coverage_all_frames"] == pytest.approx(3 / 5), "0 lies in [0, 1], 3/4 not in [0, 0]"
    assert found["remaining_coverage"] == pytest.approx(1 / 2), "1.5 is not in [1.75, 2.25], 1 is in [0.75, 1.25]"
    assert found["remaining_error_seconds"] == pytest.approx((0.5 + 0.0) / 2)
    assert found["remaining_bias_seconds"] == pytest.approx((0.5 + 0.0) / 2)
    # The predicted segment has lasted 2, then 3 frames; the look-up reports 2/11 and 3/11 of 0.9, and 0.1 more.
    counted = [2 * (1 / LOOKUP_PROGRESS[1] - 1) / FPS, 3 * (1 / LOOKUP_PROGRESS[2] - 1) / FPS]
    assert found["remaining_lookup_error_seconds"] == pytest.approx((abs(counted[0] - 1.5) + abs(counted[1] - 1)) / 2)
    assert found["remaining_true_seconds"] == pytest.approx((1.5 + 1.0) / 2)


@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=12), seed=st.integers(0, 2**16))
def test_equals_a_loop_over_frames(labels, seed):
    random, size = np.random.default_rng(seed), len(labels)
    low = np.round(random.random(size) / 2, 2)
    video, prediction = predicted(
        labels, random.integers(0, 3, size).tolist(), low.tolist(), (low + 0.4).tolist(), random.random(size).tolist()
    )
    sums, since = dict.fromkeys(STATISTICS, 0.0), 0
    elapsed = []
    for t, guess in enumerate(prediction.labels):
        since = since + 1 if t and guess == prediction.labels[t - 1] else 1
        elapsed.append(since)
    for segment in segments_from_labels(np.array(labels)):
        for t in range(segment.start, segment.end):
            guess, target = prediction.labels[t], (t - segment.start + 1) / len(segment)
            sums["all_frames"] += 1
            sums["all_covered"] += bool(low[t] - 1e-6 <= (target if segment.label else 0) <= low[t] + 0.4 + 1e-6)
            if segment.label != 0 and guess != 0:
                sums["intervals"] += 1
                sums["covered"] += bool(low[t] - 1e-6 <= target <= low[t] + 0.4 + 1e-6)
                sums["width"] += 0.4
            if segment.label != 0 and guess == segment.label:
                left = (segment.end - 1 - t) / FPS
                sums["timed"] += 1
                sums["remaining_covered"] += abs(float(prediction.remaining_seconds[t]) - left) <= 0.25 + 1e-6
                sums["error"] += abs(float(prediction.remaining_seconds[t]) - left)
                sums["bias"] += float(prediction.remaining_seconds[t]) - left
                sums["lookup_error"] += abs(elapsed[t] * (1 / LOOKUP_PROGRESS[t] - 1) / FPS - left)
                sums["remaining"] += left
    np.testing.assert_allclose(row(video, prediction), list(sums.values()), atol=1e-5)


def test_a_model_without_interval_and_remaining_time_has_no_figures():
    labels = np.array([0, 1, 1, 2])
    videos = [(name, labels, without_progress(labels)) for name in "ab"]
    rows = collect_rows(videos, fit_lookups([labels], 3, [0]), ["rest", "cut", "mix"], [0], FPS)
    assert figures(rows)["certainty"] is None
    assert intervals(rows)["certainty"] is None
