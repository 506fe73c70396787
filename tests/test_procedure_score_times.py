"""Scores of the time left and of the next step: by hand, and against plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.metrics.procedure import score_procedures
from protas_gtcc.procedure.result import Procedure
from tests.scored_procedures import (
    NUM_CLASSES,
    assert_equals,
    mean,
    random_videos,
    report_of,
    scores_of,
    truth_of,
)

# Time left


def test_the_time_left_of_a_case_worked_by_hand() -> None:
    # A step from 60 s to 180 s, and one to 360 s: after frames 60 to 359, 299 to 0 seconds are left.
    truth = truth_of([(60, 180, 1), (180, 360, 2)], 400)
    report = report_of(400, left_seconds=np.full(400, 150, dtype=np.float32))
    scores = scores_of((report, truth))["time_left"]
    # |150 - left| for left = 0 … 299: 150 + … + 1 + 0 + 1 + … + 149, that is 22500 in 300 frames.
    assert_equals(scores["error_minutes"], 22500 / 300 / 60)
    assert_equals(scores["bias_minutes"], 0.5 / 60)
    assert_equals(scores["last_5_error_minutes"], 22500 / 300 / 60)
    # The first tenth are 30 frames with 299 to 270 seconds left, in the mean 284.5.
    assert_equals(scores["tenth"]["0.0-0.1"]["error_minutes"], (284.5 - 150) / 60)
    assert scores["interval_coverage"] is None


def test_the_last_minutes_are_the_frames_with_at_most_so_many_left() -> None:
    truth = truth_of([(0, 3600, 1)], 3600)
    left = np.arange(3600)[::-1] + np.where(np.arange(3600) < 3299, 60.0, 0.0)
    scores = scores_of((report_of(3600, left_seconds=left.astype(np.float32)), truth))["time_left"]
    assert scores["last_5_error_minutes"] == 0, "frames 3299 to 3599 have at most 300 seconds left"
    assert_equals(scores["last_30_error_minutes"], 1500 / 1801)


def test_every_recording_counts_once_however_long() -> None:
    short = (report_of(10, left_seconds=np.arange(10, dtype=np.float32)[::-1] + 60), truth_of([(0, 10, 1)], 10))
    long = (report_of(900, left_seconds=np.arange(900, dtype=np.float32)[::-1]), truth_of([(0, 900, 1)], 900))
    assert_equals(scores_of(short, long)["time_left"]["error_minutes"], 0.5)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.5, 4.0]))
@settings(max_examples=50, deadline=None)
def test_the_time_left_equals_its_plain_twin(seed: int, fps: float) -> None:
    videos = random_videos(seed)
    scores = score_procedures(videos, fps)["time_left"]
    parts: dict[str, list[list[float]]] = {name: [] for name in ("all", "last5", "last30", "bias", "held")}
    tenths: list[list[list[float]]] = [[] for _ in range(10)]
    for report, truth in videos:
        first, end = min([row[0] for row in truth.steps], default=0), max([row[1] for row in truth.steps], default=0)
        own: dict[Any, list[float]] = {name: [] for name in (*parts, *range(10))}
        for frame in range(first, end):
            left = (end - (frame + 1)) / fps
            error = (float(report.left_seconds[frame]) - left) / 60
            own["bias"].append(error)
            own["held"].append(report.left_interval[0, frame] <= left <= report.left_interval[1, frame])
            tenth = math.floor(10 * (frame - first) / (end - first))
            is_in = {"all": True, "last5": left <= 300, "last30": left <= 1800, tenth: True}
            for name in (name for name, inside in is_in.items() if inside):
                own[name].append(abs(error))
        for name, found in own.items():
            if found:
                (tenths[name] if isinstance(name, int) else parts[name]).append(found)
    figures = ("error_minutes", "last_5_error_minutes", "last_30_error_minutes", "bias_minutes", "interval_coverage")
    for name, expected in zip(figures, parts.values(), strict=True):
        assert_equals(scores[name], mean([mean(one) for one in expected]))
    for found, expected in zip(scores["tenth"].values(), tenths, strict=True):
        assert_equals(found["error_minutes"], mean([mean(one) for one in expected]))


# Next step


def test_the_next_step_of_a_case_worked_by_hand() -> None:
    truth = truth_of([(2, 4, 1), (4, 6, 2), (6, 8, 3)], 10)
    probs = np.zeros((NUM_CLASSES, 10), dtype=np.float32)
    probs[[1, 2, 3]] = [[0.5], [0.3], [0.2]]  # at each frame: 1, then 2, then 3
    report = report_of(10, next_probs=probs, next_seconds=np.full(10, 2, dtype=np.float32))
    scores = scores_of((report, truth))["next_step"]
    assert scores["num_starts"] == 3
    assert_equals(scores["at_starts"]["top_1"], 1 / 3)
    assert_equals(scores["at_starts"]["top_3"], 1)
    # The next one is 1 at frames 0 and 1, 2 at 2 and 3, 3 at 4 and 5; it starts 1 s or no time after their end.
    assert_equals(scores["over_frames"]["top_1"], 2 / 6)
    assert_equals(scores["error_seconds"], 1.5)


def test_what_has_no_probability_is_never_among_the_likeliest() -> None:
    truth = truth_of([(2, 4, 1)], 10)
    assert scores_of((report_of(10), truth))["next_step"]["at_starts"] == {"top_1": 0, "top_3": 0}


def test_a_step_that_starts_with_the_recording_has_no_frame_before_it() -> None:
    scores = scores_of((report_of(10), truth_of([(0, 4, 1)], 10)))["next_step"]
    assert scores["num_starts"] == 0
    assert scores["at_starts"]["top_1"] is None
    assert scores["over_frames"]["top_1"] is None


@given(st.integers(0, 10**6), st.sampled_from([1.0, 4.0]))
@settings(max_examples=50, deadline=None)
def test_the_next_step_equals_its_plain_twin(seed: int, fps: float) -> None:
    videos = random_videos(seed)
    scores = score_procedures(videos, fps)["next_step"]
    starts, frames, errors, held = [], [], [], []
    for report, truth in videos:

        def place(frame: int, label: int, report: Procedure = report) -> int:
            ranked = sorted(range(NUM_CLASSES), key=lambda one: (-report.next_probs[one, frame], one))
            return ranked.index(label) if report.next_probs[label, frame] > 0 else NUM_CLASSES

        rows = truth.steps.tolist()
        starts += [place(start - 1, label) for start, _, label in rows if start > 0]
        for frame in range(truth.num_frames):
            later = [row for row in rows if row[0] > frame]
            if later:
                frames.append(place(frame, later[0][2]))
                seconds = (later[0][0] - (frame + 1)) / fps
                errors.append(abs(float(report.next_seconds[frame]) - seconds))
                held.append(report.next_interval[0, frame] <= seconds <= report.next_interval[1, frame])
    for name, places in (("at_starts", starts), ("over_frames", frames)):
        for k in (1, 3):
            assert_equals(scores[name][f"top_{k}"], mean([place < k for place in places]))
    assert_equals(scores["error_seconds"], mean(errors))
    assert_equals(scores["interval_coverage"], mean(held))
