"""Progress errors in every average, against a plain loop and hand-worked cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.progress import Averages, progress_averages, progress_statistics, skill
from tests.brute_force import segments_from_labels

Videos = list[tuple[np.ndarray, np.ndarray]]
NUM_CLASSES, BACKGROUND = 4, [0, 3]


def averages(videos: Videos) -> Averages:
    rows = [progress_statistics(reported[None], labels, NUM_CLASSES, BACKGROUND) for labels, reported in videos]
    return progress_averages(np.sum(rows, axis=0), NUM_CLASSES)


def slow_averages(videos: Videos) -> dict[str, Any]:
    frames, of_video, of_segment, background = [], [], [], []
    squares: list[float] = []
    targets: list[float] = []
    of_class: dict[int, list[float]] = {}
    for labels, reported in videos:
        errors_of_video = []
        for segment in segments_from_labels(labels):
            errors = [
                abs(reported[t] - (t - segment.start + 1) / len(segment)) for t in range(segment.start, segment.end)
            ]
            if segment.label in BACKGROUND:
                background += reported[segment.start : segment.end].tolist()
                squares += [value**2 for value in reported[segment.start : segment.end]]
                targets += [0.0] * len(segment)
                continue
            squares += [error**2 for error in errors]
            targets += [(t + 1) / len(segment) for t in range(len(segment))]
            frames += errors
            errors_of_video += errors
            of_class.setdefault(segment.label, []).extend(errors)
            of_segment.append(float(np.mean(errors)))
        if errors_of_video:
            of_video.append(float(np.mean(errors_of_video)))
    mean = {"frame": frames, "video": of_video, "segment": of_segment, "background": background}
    mean["all_frames"] = frames + background
    about_mean = sum((target - np.mean(targets)) ** 2 for target in targets)
    r2 = 1 - sum(squares) / about_mean if len(set(targets)) > 1 else np.nan
    per_class = [float(np.mean(of_class[label])) if label in of_class else np.nan for label in range(NUM_CLASSES)]
    simple = {name: np.mean(values) if values else np.nan for name, values in mean.items()}
    return {**simple, "r2": r2, "per_class": per_class, "macro": np.nanmean(per_class) if of_class else np.nan}


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_every_average_equals_its_plain_loop(label_lists: list[list[int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    videos = [(np.array(labels), random.random(len(labels))) for labels in label_lists]
    found = averages(videos)
    for name, expected in slow_averages(videos).items():
        np.testing.assert_allclose(found[name][0], expected, atol=1e-6, err_msg=name)


def test_averages_of_a_case_worked_by_hand() -> None:
    labels = np.array([1, 1, 0, 2])  # targets 1/2, 1, none, 1
    found = averages([(labels, np.array([0.5, 0.5, 0.25, 0.0]))])
    assert found["per_class"][0, 1] == pytest.approx(0.25)
    assert found["per_class"][0, 2] == pytest.approx(1.0)
    assert found["macro"] == pytest.approx(0.625)
    assert found["frame"] == pytest.approx(0.5)
    assert found["video"] == pytest.approx(0.5)
    assert found["segment"] == pytest.approx(0.625)
    assert found["background"] == pytest.approx(0.25)
    assert found["all_frames"] == pytest.approx((0.5 + 0.25 + 1) / 4)
    assert found["r2"] == pytest.approx(1 - (0.25 + 0.0625 + 1) / (1 / 4 + 1 + 1 - 4 * 0.625**2))


def test_skill_is_0_for_the_constant_1_for_counting_and_undefined_where_counting_is_not_better() -> None:
    constant, counting = np.array([0.3, 0.3]), np.array([0.1, 0.3])
    np.testing.assert_allclose(skill(constant, constant, counting), [0, np.nan])
    np.testing.assert_allclose(skill(counting, constant, counting), [1, np.nan])
    np.testing.assert_allclose(skill(np.array([0.05, 0.0]), constant, counting), [1.25, np.nan])
    np.testing.assert_allclose(skill(np.array([0.4, 0.4]), constant, counting), [-0.5, np.nan])


def test_a_video_of_background_only_does_not_count_as_a_video() -> None:
    with_action = (np.array([1, 1]), np.array([0.0, 0.0]))
    without = (np.array([0, 0]), np.array([0.2, 0.2]))
    assert averages([with_action, without])["video"] == averages([with_action])["video"]
    assert np.isnan(averages([without])["frame"])


def test_several_predictors_at_once_equal_one_at_a_time() -> None:
    random = np.random.default_rng(0)
    labels, reported = random.integers(0, 4, 50), random.random((5, 50))
    together = progress_statistics(reported, labels, NUM_CLASSES, BACKGROUND)
    for row, one in zip(together, reported, strict=True):
        np.testing.assert_allclose(row, progress_statistics(one[None], labels, NUM_CLASSES, BACKGROUND)[0])


def test_a_weight_is_how_often_a_video_counts() -> None:
    random = np.random.default_rng(1)
    videos = [(random.integers(0, 4, 30), random.random(30)) for _ in range(6)]
    rows = np.stack([progress_statistics(r[None], labels, NUM_CLASSES, BACKGROUND)[0] for labels, r in videos])
    weights = random.multinomial(6, np.full(6, 1 / 6), size=20).astype(float)
    by_weights = progress_averages(weights @ rows, NUM_CLASSES)
    for index, counts in enumerate(weights.astype(int)):
        drawn = averages([video for video, count in zip(videos, counts, strict=True) for _ in range(count)])
        for name in ("macro", "frame", "video", "segment", "background", "all_frames", "r2"):
            assert by_weights[name][index] == pytest.approx(drawn[name][0])


def test_bad_shapes_and_nan_are_refused() -> None:
    labels = np.array([1, 1, 2])
    with pytest.raises(InputError, match=r"shape \(1, 2\); expected \[P, T\] with T = 3"):
        progress_statistics(np.zeros((1, 2)), labels, NUM_CLASSES, BACKGROUND)
    with pytest.raises(InputError, match="NaN at frame 1"):
        progress_statistics(np.array([[0, np.nan, 0]]), labels, NUM_CLASSES, BACKGROUND)
    with pytest.raises(InputError, match="at least one frame"):
        progress_statistics(np.zeros((1, 0)), np.zeros(0, dtype=int), NUM_CLASSES, BACKGROUND)
