"""Figures of each class in the report have intervals over people, as its other figures have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t

from protas_gtcc.metrics.found_segments import match_segments
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import confusion_counts
from protas_gtcc.report.class_intervals import class_intervals, class_sums

CLASSES, PEOPLE = 4, ["ann", "ann", "bob", "cid", "dot"]


def videos() -> list[tuple[np.ndarray, np.ndarray]]:
    """True and predicted class ids; the prediction is late, and loses short segments. Class 3 is in one video."""
    random = np.random.default_rng(3)
    found = []
    for number in range(len(PEOPLE)):
        labels = np.repeat([0, 1, 2, 1, 0, 3 if number == 4 else 2], random.integers(2, 12, 6))
        found.append((labels, np.roll(labels, 3 + number)))
    return found


def sums_of(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    scored = [ScoredVideo(labels, taken, np.zeros((1, len(labels))), [0]) for labels, taken in pairs]
    return [
        class_sums(confusion_counts(taken, labels, CLASSES), match_segments(one))
        for (labels, taken), one in zip(pairs, scored, strict=True)
    ]


def share_right(pairs: list[tuple[np.ndarray, np.ndarray]], label: int) -> float:
    """By counting frames."""
    right = sum(int(np.sum((labels == label) & (taken == label))) for labels, taken in pairs)
    return right / sum(int(np.sum(labels == label)) for labels, _ in pairs)


def test_the_interval_of_frames_right_is_the_jackknife_over_people_on_the_logit_scale():
    pairs = videos()
    (low, high) = class_intervals(sums_of(pairs), PEOPLE)["right"][1] or (0.0, 0.0)
    share, people = share_right(pairs, 1), sorted({*PEOPLE})
    without = [
        share_right([pair for pair, own in zip(pairs, PEOPLE, strict=True) if own != person], 1) for person in people
    ]
    variance = np.sum((np.array(without) - np.mean(without)) ** 2) * (len(people) - 1) / len(people)
    reach = t.ppf(0.975, len(people) - 1) * np.sqrt(variance) / (share * (1 - share))
    assert [low, high] == pytest.approx(100 * expit(logit(share) + reach * np.array([-1, 1])))


def test_a_class_of_one_person_has_no_interval_where_it_is_falsely_predicted_for_another():
    pairs = videos()
    pairs[2][1][:2] = 3
    assert all(of[3] is None for of in class_intervals(sums_of(pairs), PEOPLE).values())


def test_a_class_of_one_person_and_one_that_never_occurs_have_no_interval():
    found = class_intervals(sums_of(videos()), PEOPLE)
    assert found.keys() == {"right", "f1", "missed"}
    assert all(of[3] is None for of in found.values())
    never = class_intervals(sums_of(videos()[:4]), PEOPLE[:4])
    assert all(of[3] is None for of in never.values())


def test_where_people_are_unknown_videos_are_left_out_and_one_video_shows_nothing_of_others():
    sums = sums_of(videos())
    assert class_intervals(sums, [""] * 5) == class_intervals(sums, list("abcde"))
    assert class_intervals(sums[:1], [""])["right"] == [None] * CLASSES


def test_missed_segments_are_counted_by_class():
    labels = np.array([0, 1, 1, 2, 2, 1, 1, 0])
    taken = np.array([0, 1, 1, 1, 1, 0, 0, 0])
    frames, right, predicted, segments, missed = sums_of([(labels, taken)])[0]
    assert (frames.tolist(), right.tolist(), predicted.tolist()) == ([2, 4, 2, 0], [2, 2, 0, 0], [4, 4, 0, 0])
    assert (segments.tolist(), missed.tolist()) == ([0, 2, 1, 0], [0, 1, 1, 0])
