"""Single alignment figures: closed forms, cases worked by hand, slow twins; probes are never tested on their data."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.alignment.scores import EmbeddedVideo
from protas_gtcc.alignment.scores import probes as probes_module
from protas_gtcc.alignment.scores.enclosed_area import enclosed_area, match_by_time
from protas_gtcc.alignment.scores.figures import mean_over_pairs, mean_over_videos, r_squared
from protas_gtcc.alignment.scores.order import kendalls_tau
from protas_gtcc.alignment.scores.partners import nearest_frames
from protas_gtcc.alignment.scores.probes import fit_classifier, labelled_videos
from protas_gtcc.alignment.scores.procedure_progress import procedure_progress
from tests.embedded_videos import labels_of, recordings, score, video

ONES = np.ones((1, 3))
some_labels = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(np.array)


# Nearest neighbours


@given(st.integers(1, 700), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neighbours_equal_those_of_all_differences_whatever_is_held_at_once(num_frames, num_other, seed):
    rng = np.random.default_rng(seed)
    # Whole numbers: many frames are alike, and distances are exact. Far from 0, where products would lose digits.
    one, other = (rng.integers(0, 3, (frames, 3)).astype(np.float32) + 1000 for frames in (num_frames, num_other))
    found = nearest_frames([one, other])
    distances = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    for pair, expected in (((0, 1), distances), ((1, 0), distances.T)):
        reached = np.take_along_axis(expected, found[pair][:, None], axis=1)[:, 0]
        np.testing.assert_array_equal(reached, expected.min(axis=1))
        searched = (one, other)[pair[1]]
        for neighbour in found[pair]:
            alike = (searched == searched[neighbour]).all(axis=1)
            assert neighbour == np.flatnonzero(alike)[0], "of frames that are alike, the first"


def test_slow_motion_finds_itself():
    ramp = np.linspace(0, 1, 2000, dtype=np.float32)[:, None] * np.ones((1, 16), np.float32) + 50
    distinct = np.unique(ramp, axis=0)
    np.testing.assert_array_equal(nearest_frames([distinct, distinct])[0, 1], np.arange(len(distinct)))


# Kendall's tau


def slow_tau_b(neighbours: list[int]) -> float:
    """From the definition: pairs of frames in the same order, less those in the other, over those that can be."""
    frames = range(len(neighbours))
    signs = [np.sign(neighbours[j] - neighbours[i]) for i in frames for j in frames if i < j]
    return float(np.sum(signs) / np.sqrt(len(signs) * np.count_nonzero(signs)))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(lambda found: len(set(found)) > 1))
@settings(max_examples=50, deadline=None)
def test_tau_equals_its_definition_with_ties(neighbours):
    assert kendalls_tau(np.array(neighbours)) == pytest.approx(slow_tau_b(neighbours))


def test_videos_alike_have_tau_1_and_reversed_ones_minus_1():
    labels = labels_of((1, 5), (2, 5))
    train, forward = [video("t", labels)], video("a", labels)
    backward = dataclasses.replace(forward, name="b", embedding=forward.embedding[::-1].copy())
    assert score(train, [forward, dataclasses.replace(forward, name="b")])["kendalls_tau"] == pytest.approx(1)
    assert score(train, [forward, backward])["kendalls_tau"] == pytest.approx(-1)


def test_embeddings_that_stay_in_place_have_no_tau_and_lower_that_of_others():
    labels = labels_of((1, 5), (2, 5))
    still = np.ones((10, 1))
    train, moving = [video("t", labels)], [video("a", labels), video("b", labels)]
    collapsed = score([video("t", labels, still)], [video(name, labels, still) for name in "abc"])
    assert (collapsed["kendalls_tau"], collapsed["pairs_without_order"]) == (None, 1)
    assert collapsed["progress_error"] == pytest.approx(np.mean(procedure_progress(labels, []))), (
        "no distance, no progress"
    )
    assert collapsed["phase_classification"]["100"]["accuracy"] == 50
    assert collapsed["phase_progression"] == pytest.approx(0)
    json.dumps(collapsed, allow_nan=False)
    one = score(train, [*moving, video("c", labels, still)])
    # Of six ordered pairs the two of a and b have tau 1; c has no order in others, and others have none in c.
    assert one["kendalls_tau"] == pytest.approx(2 / 6)
    assert one["pairs_without_order"] == pytest.approx(4 / 6)


# Enclosed area


def slow_area(found: np.ndarray, labels: np.ndarray, other: np.ndarray, background: list[int]) -> float:
    """Frame after frame, from the definition."""
    shared = (set(labels.tolist()) & set(other.tolist())) - set(background)
    kept = [frame for frame in range(len(other)) if other[frame] in shared]
    errors = []
    for frame in range(len(labels)):
        if labels[frame] not in shared:
            continue
        start, end = run_around(labels, frame)
        partners = set()
        for candidate in kept:
            other_start, other_end = run_around(other, candidate)
            if other[candidate] == labels[frame]:
                share = (frame - start + 0.5) / (end - start)
                partners.add(kept.index(other_start) + share * (other_end - other_start) - 0.5)
        place = sum(one < found[frame] for one in kept) - (0.0 if found[frame] in kept else 0.5)
        errors.append(min(abs(place - partner) for partner in partners))
    return sum(errors) / len(errors) / len(kept)


def run_around(labels: np.ndarray, frame: int) -> tuple[int, int]:
    start = end = frame
    while start > 0 and labels[start - 1] == labels[frame]:
        start -= 1
    while end < len(labels) and labels[end] == labels[frame]:
        end += 1
    return start, end


@given(some_labels, some_labels, st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_area_equals_its_definition_and_lies_between_0_and_1(labels, other, seed):
    found = np.random.default_rng(seed).integers(0, len(other), len(labels))
    area = enclosed_area(found, labels, other, [0])
    if not (set(labels.tolist()) & set(other.tolist())) - {0}:
        assert np.isnan(area)
        return
    assert area == pytest.approx(slow_area(found, labels, other, [0]))
    assert 0 <= area < 1
    assert enclosed_area(np.arange(len(labels)), labels, labels, []) == pytest.approx(0)


@pytest.mark.parametrize(
    ("found", "labels", "other", "area"),
    [
        # Two frames for one of the other: their middles lie a quarter of a frame to either side of its middle.
        ([0, 0, 1, 1], [1, 1, 2, 2], [1, 2], 0.25 / 2),
        # Always the first frame: 0, 1, 2 and 3 frames off, of 4.
        ([0, 0, 0, 0], [1, 1, 2, 2], [1, 1, 2, 2], 6 / 4 / 4),
        # Class 1 comes twice in the other; either is right, even one for each frame.
        ([0, 4], [1, 1], [1, 1, 2, 1, 1], (0 + 0) / 4),
        # Class 3 is in one video only: the frames of 3 are no distance, and a neighbour there is half a frame off.
        # The other's frames that count are 1, 1, 2 (places 0, 1, 2); its 1 is in two segments of one frame each.
        # Frame 0 and 1 lie at 1/4 and 3/4 of a one-frame segment: places -0.25 and 0.25, or 0.75 and 1.25.
        # Found: place 0 (0.25 off); frame 1, left out, place 0.5 (0.25 off); frame 4, place 2 (right).
        ([0, 1, 4], [1, 1, 2], [1, 3, 3, 1, 2], (0.25 + 0.25 + 0) / 3 / 3),
        # A neighbour in the background lies half a frame from the frames beside it.
        ([0, 2], [1, 2], [1, 0, 0, 2], (0 + 0.5) / 2 / 2),
        # Nothing in common.
        ([0, 0], [0, 1], [0, 0], np.nan),
    ],
)
def test_areas_worked_by_hand(found, labels, other, area):
    found_area = enclosed_area(np.array(found), np.array(labels), np.array(other), [0])
    assert found_area == pytest.approx(area, nan_ok=True)


def test_matching_by_time_sees_only_lengths():
    assert match_by_time(4, 8).tolist() == [1, 3, 5, 7]
    assert match_by_time(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert kendalls_tau(match_by_time(50, 50)) == 1


# Progress of the procedure


def test_progress_of_a_procedure_rises_in_actions_and_rests_in_background():
    labels = labels_of((0, 1), (1, 2), (0, 2), (2, 4), (0, 1))
    expected = [0, 0.25, 0.5, 0.5, 0.5, 0.625, 0.75, 0.875, 1, 1]
    np.testing.assert_allclose(procedure_progress(labels, [0]), expected)
    assert procedure_progress(np.zeros(4, dtype=int), [0]) is None


@given(some_labels)
@settings(max_examples=50, deadline=None)
def test_progress_of_a_procedure_never_falls_and_ends_at_1(labels):
    progress = procedure_progress(labels, [0])
    assert (progress is None) == (labels == 0).all()
    if progress is not None:
        assert (np.diff(progress) >= 0).all()
        assert progress[-1] == pytest.approx(1)
        assert progress.max() <= 1


def test_errors_of_progress_worked_by_hand():
    labels = labels_of((1, 2), (2, 2))  # progress 1/4, 1/2, 3/4, 1
    train = [video("t0", labels_of((1, 4), (2, 3))), video("t1", labels_of((1, 1), (2, 2)))]  # ways 6 and 2: mean 4
    scores = score(train, [video("a", labels), video("idle", np.zeros(3, dtype=int))])
    # Ways 0, 1, 2, 3 of 4; a video without actions does not count.
    assert scores["progress_error"] == pytest.approx(0.25)
    lookups = scores["lookups"]["progress_error"]
    assert lookups["constant"] == pytest.approx((0.25 + 0 + 0.25 + 0.5) / 4)
    assert lookups["elapsed"] == pytest.approx(((1 / 5 - 1 / 4) * -1 + (1 / 2 - 2 / 5) + (3 / 4 - 3 / 5) + 1 / 5) / 4)
    # t0 runs 1/8, 2/8, 3/8, 4/8, …; t1 runs 1/2, 3/4, 1.
    average = [(1 / 8 + 1 / 2) / 2, (2 / 8 + 3 / 4) / 2, (3 / 8 + 1) / 2, 4 / 8]
    assert lookups["average_index"] == pytest.approx(np.abs(np.array(average) - [1 / 4, 1 / 2, 3 / 4, 1]).mean())


# Probes


def test_a_probe_is_fitted_on_training_videos_alone(monkeypatch):
    seen: list[np.ndarray] = []

    def fit(inputs: list[np.ndarray], labels: list[np.ndarray]) -> probes_module.Probe:
        seen.extend(inputs)
        return fit_classifier(inputs, labels)

    monkeypatch.setattr(probes_module, "fit_classifier", fit)
    train, test = recordings("train", 4), recordings("test", 3, seed=1)
    score(train, test)
    assert {id(one) for one in seen} == {id(video.embedding) for video in train}


def test_labels_without_a_pattern_are_classified_no_better_than_by_chance():
    rng = np.random.default_rng(0)

    def noise(name: str) -> EmbeddedVideo:
        return video(name, rng.integers(0, 4, 60), rng.normal(size=(60, 100)))

    train, test = [noise(f"train{k}") for k in range(3)], [noise(f"test{k}") for k in range(3)]
    assert score(train, test)["phase_classification"]["100"]["accuracy"] < 40
    (memorised,) = (fit_classifier([one.embedding], [one.labels])(one.embedding) == one.labels for one in test[:1])
    assert memorised.mean() > 0.9, "as published evaluations score it"


def test_probes_read_embeddings_that_show_classes_and_time():
    train, test = recordings("train", 10, clarity=20), recordings("test", 4, seed=1, clarity=20)
    scores = score(train, test)
    accuracies = scores["phase_classification"]
    assert accuracies["100"] == {"accuracy": 100, "accuracy_no_background": 100}
    assert scores["lookups"]["phase_classification"]["most_frequent"]["accuracy"] < 60
    assert scores["phase_progression"] > 0.9
    exact = [
        dataclasses.replace(one, embedding=procedure_progress(one.labels, [0])[:, None]) for one in (*train, *test)
    ]
    assert score(exact[:10], exact[10:])["phase_progression"] > 0.999


def test_labelled_videos_grow_with_the_share_and_are_chosen_by_the_seed():
    train = recordings("train", 20)
    few, half, every = (labelled_videos(train, share, 3, 0) for share in (0.1, 0.5, 1.0))
    assert (len(few), len(half), len(every)) == (2, 10, 20)
    assert few == half[:2] == every[:2]
    assert few != labelled_videos(train, 0.1, 3, 1)
    assert len(labelled_videos(train[:3], 0.1, 0, 0)) == 1


def test_of_too_many_frames_evenly_spaced_ones_are_fitted_on(monkeypatch):
    monkeypatch.setattr(probes_module, "MOST_FRAMES", 10)
    parts = [np.arange(0, 7), np.arange(7, 25)]
    assert probes_module._thinned(parts).tolist() == list(range(0, 25, 3))


# Figures under weights


def test_a_pair_counts_as_often_as_both_its_videos():
    values = np.array([[np.nan, 1.0, 2.0], [3.0, np.nan, 4.0], [5.0, np.nan, np.nan]])
    assert mean_over_pairs(ONES, values).tolist() == [3]
    assert mean_over_pairs(ONES, values, undefined=0.0).tolist() == [15 / 6]
    weights = np.array([[2.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    np.testing.assert_array_equal(mean_over_pairs(weights, values), [2, np.nan])
    assert np.isnan(mean_over_pairs(ONES, np.full((3, 3), np.nan), undefined=0.0)).all()


def test_videos_without_a_value_do_not_count_and_r_squared_is_that_of_all_frames():
    assert mean_over_videos(ONES, np.array([1.0, np.nan, 3.0])).tolist() == [2]
    target, estimate = np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 1])
    halves = [slice(0, 2), slice(2, 4)]
    sums = [
        [float((part**2).sum()) for part in (target[h] - estimate[h] for h in halves)],
        [float(target[h].sum()) for h in halves],
        [float((target[h] ** 2).sum()) for h in halves],
        [2.0, 2.0],
    ]
    assert r_squared(np.ones((1, 2)), *map(np.array, sums)).tolist() == pytest.approx([1 - 4 / 5])
    assert np.isnan(r_squared(np.ones((1, 1)), *np.array([[0.0], [2.0], [2.0], [2.0]]))).all(), "nothing varies"
