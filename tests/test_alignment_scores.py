"""Alignment scores: closed forms, cases worked by hand, slow twins, and no probe that sees what it is tested on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.alignment.scores import (
    DEFINITIONS,
    EmbeddedVideo,
    Trial,
    compare_alignments,
    definition_of,
    read_embedded,
    score_alignment,
)
from protas_gtcc.alignment.scores import probes as probes_module
from protas_gtcc.alignment.scores.enclosed_area import enclosed_area, match_by_time
from protas_gtcc.alignment.scores.figures import mean_over_pairs, mean_over_videos, r_squared
from protas_gtcc.alignment.scores.neighbours import nearest_frames
from protas_gtcc.alignment.scores.order import kendalls_tau
from protas_gtcc.alignment.scores.probes import fit_classifier, labelled_videos
from protas_gtcc.alignment.scores.procedure_progress import procedure_progress
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError

ONES = np.ones((1, 3))
some_labels = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(np.array)


def labels_of(*runs: tuple[int, int]) -> np.ndarray:
    """(class, number of frames) after another."""
    return np.concatenate([np.full(frames, label) for label, frames in runs])


def video(name: str, labels: np.ndarray, embedding: np.ndarray | None = None, task: str = "") -> EmbeddedVideo:
    """By default embedded by its frame numbers."""
    if embedding is None:
        embedding = np.arange(len(labels), dtype=np.float32)[:, None]
    return EmbeddedVideo(name, embedding, labels, task)


def recordings(prefix: str, number: int, seed: int = 0, task: str = "", tells: float = 2.0) -> list[EmbeddedVideo]:
    """Videos of the same three actions after another; embeddings show the action and the time through noise."""
    rng, videos = np.random.default_rng(seed), []
    for index in range(number):
        labels = labels_of(*zip((0, 1, 2, 3, 0), rng.integers(4, 12, 5).tolist(), strict=True))
        shown = np.concatenate([np.eye(4)[labels], np.linspace(0, 1, len(labels))[:, None]], axis=1)
        videos.append(video(f"{prefix}{index}", labels, tells * shown + rng.normal(size=shown.shape) / 4, task))
    return videos


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(tree, dict):
        for name, branch in tree.items():
            yield from leaves(branch, (*path, name))
    else:
        yield path, tree


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
    assert score_alignment(train, [forward, dataclasses.replace(forward, name="b")], [])[
        "kendalls_tau"
    ] == pytest.approx(1)
    assert score_alignment(train, [forward, backward], [])["kendalls_tau"] == pytest.approx(-1)


def test_embeddings_that_stay_in_place_have_no_tau_and_lower_that_of_others():
    labels = labels_of((1, 5), (2, 5))
    still = np.ones((10, 1))
    train, moving = [video("t", labels)], [video("a", labels), video("b", labels)]
    collapsed = score_alignment([video("t", labels, still)], [video(name, labels, still) for name in "abc"], [])
    assert (collapsed["kendalls_tau"], collapsed["pairs_without_order"]) == (None, 1)
    assert collapsed["progress_error"] == pytest.approx(np.mean(procedure_progress(labels, []))), (
        "no distance, no progress"
    )
    assert collapsed["phase_classification"]["100"]["accuracy"] == 50
    assert collapsed["phase_progression"] == pytest.approx(0)
    json.dumps(collapsed, allow_nan=False)
    one = score_alignment(train, [*moving, video("c", labels, still)], [])
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
        ([0, 1, 4], [1, 1, 2], [1, 3, 3, 1, 2], None),
        # A neighbour in the background lies half a frame from the frames beside it.
        ([0, 2], [1, 2], [1, 0, 0, 2], (0 + 0.5) / 2 / 2),
        ([0, 0], [0, 1], [0, 0], "nothing in common"),
    ],
)
def test_areas_worked_by_hand(found, labels, other, area):
    score = enclosed_area(np.array(found), np.array(labels), np.array(other), [0])
    if area == "nothing in common":
        assert np.isnan(score)
    elif area is None:
        # The other's frames that count are 1, 1, 2 (places 0, 1, 2); its 1 is in two segments of one frame each.
        # Frame 0 and 1 lie at 1/4 and 3/4 of a one-frame segment: places -0.25 and 0.25, or 0.75 and 1.25.
        # Found: place 0 (0.25 off); frame 1, left out, place 0.5 (0.25 off); frame 4, place 2 (right).
        assert score == pytest.approx((0.25 + 0.25 + 0) / 3 / 3)
    else:
        assert score == pytest.approx(area)


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
    scores = score_alignment(train, [video("a", labels), video("idle", np.zeros(3, dtype=int))], [0])
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
    fit = fit_classifier
    monkeypatch.setattr(
        probes_module, "fit_classifier", lambda inputs, labels: (seen.extend(inputs), fit(inputs, labels))[1]
    )
    train, test = recordings("train", 4), recordings("test", 3, seed=1)
    score_alignment(train, test, [0])
    assert {id(one) for one in seen} == {id(video.embedding) for video in train}


def test_labels_without_a_pattern_are_told_by_no_better_than_chance():
    rng = np.random.default_rng(0)

    def noise(name: str) -> EmbeddedVideo:
        return video(name, rng.integers(0, 4, 60), rng.normal(size=(60, 100)))

    train, test = [noise(f"train{k}") for k in range(3)], [noise(f"test{k}") for k in range(3)]
    assert score_alignment(train, test, [0])["phase_classification"]["100"]["accuracy"] < 40
    (memorised,) = (fit_classifier([one.embedding], [one.labels])(one.embedding) == one.labels for one in test[:1])
    assert memorised.mean() > 0.9, "as published evaluations score it"


def test_embeddings_that_tell_classes_and_time_are_read_by_probes():
    train, test = recordings("train", 10, tells=20), recordings("test", 4, seed=1, tells=20)
    scores = score_alignment(train, test, [0])
    accuracies = scores["phase_classification"]
    assert accuracies["100"] == {"accuracy": 100, "accuracy_no_background": 100}
    assert scores["lookups"]["phase_classification"]["most_frequent"]["accuracy"] < 60
    assert scores["phase_progression"] > 0.9
    exact = [
        dataclasses.replace(one, embedding=procedure_progress(one.labels, [0])[:, None]) for one in (*train, *test)
    ]
    assert score_alignment(exact[:10], exact[10:], [0])["phase_progression"] > 0.999


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


# Figures, intervals, tasks


def test_a_pair_counts_as_often_as_both_its_videos():
    values = np.array([[np.nan, 1.0, 2.0], [3.0, np.nan, 4.0], [5.0, np.nan, np.nan]])
    figure, with_zero = mean_over_pairs(values), mean_over_pairs(values, undefined=0.0)
    assert figure(ONES).tolist() == [3]
    assert with_zero(ONES).tolist() == [15 / 6]
    weights = np.array([[2.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    np.testing.assert_array_equal(figure(weights), [2, np.nan])
    assert np.isnan(mean_over_pairs(np.full((3, 3), np.nan), undefined=0.0)(ONES)).all()


def test_videos_without_a_value_do_not_count_and_r_squared_is_that_of_all_frames():
    assert mean_over_videos(np.array([1.0, np.nan, 3.0]))(ONES).tolist() == [2]
    target, estimate = np.array([0.0, 1, 2, 3]), np.array([0.0, 1, 2, 1])
    halves = [slice(0, 2), slice(2, 4)]
    sums = [
        [float((part**2).sum()) for part in (target[h] - estimate[h] for h in halves)],
        [float(target[h].sum()) for h in halves],
        [float((target[h] ** 2).sum()) for h in halves],
        [2.0, 2.0],
    ]
    figure = r_squared(*map(np.array, sums))
    assert figure(np.ones((1, 2))).tolist() == pytest.approx([1 - 4 / 5])
    assert np.isnan(r_squared(*np.array([[0.0], [2.0], [2.0], [2.0]]))(np.ones((1, 1)))).all(), "nothing varies"


def test_every_figure_is_defined_has_an_interval_around_it_and_goes_into_json():
    scores = score_alignment(recordings("train", 6), recordings("test", 5, seed=1), [0])
    facts = ("num_tasks", "num_train_videos", "num_test_videos", "num_pairs", "partners")
    assert [scores.pop(name) for name in facts] == [1, 6, 5, 20, "test"]
    intervals, tasks = scores.pop("intervals"), scores.pop("tasks")
    assert tasks == {"": scores}
    patterns = set()
    for path, value in leaves(scores):
        low, high = dict(leaves(intervals))[path]
        assert low <= value <= high, path
        definition = definition_of(*path)
        assert definition is not None, path
        patterns.add(definition.sentence)
    assert patterns == {definition.sentence for definition in DEFINITIONS.values()}, "and nothing else is"
    json.dumps([scores, intervals], allow_nan=False)


def test_too_few_videos_have_no_interval():
    train, test = recordings("train", 3), recordings("test", 2, seed=1)
    two = score_alignment(train, test, [0])
    assert two["kendalls_tau"] is not None
    assert two["intervals"]["kendalls_tau"] is None
    assert two["intervals"]["progress_error"] is not None
    one = score_alignment(train, test[:1], [0])
    assert one["kendalls_tau"] is one["enclosed_area"] is None, "one video makes no pair"
    assert {value for _, value in leaves(one["intervals"])} == {None}


def test_tasks_are_scored_by_themselves_and_count_once_each():
    parts = {
        task: (recordings(f"{task}-train", 3, seed, task), recordings(f"{task}-test", 2 + seed, 9 + seed, task))
        for seed, task in enumerate(("brownies", "eggs"))
    }
    train, test = ([video for pair in parts.values() for video in pair[side]] for side in (0, 1))
    both = score_alignment(train, test, [0])
    alone = {task: score_alignment(*pair, [0]) for task, pair in parts.items()}
    assert (both["num_tasks"], both["num_pairs"]) == (2, 2 + 6)
    for path, value in leaves({name: both[name] for name in ("kendalls_tau", "phase_classification", "lookups")}):
        found = [dict(leaves(scores))[path] for scores in alone.values()]
        assert value == pytest.approx(np.mean(found)), path
        assert [dict(leaves(both["tasks"][task]))[path] for task in alone] == pytest.approx(found)
    assert score_alignment(train[::-1], test[::-1], [0]) == both, "the order of videos changes nothing"


def test_embeddings_are_compared_on_the_same_videos():
    train, test = recordings("train", 4, tells=8), recordings("test", 4, seed=1, tells=8)
    raw = Trial(*([dataclasses.replace(v, embedding=v.embedding / 8 + 1) for v in part] for part in (train, test)))
    same = compare_alignments({"raw": [Trial(train, test)], "again": [Trial(train, test)]}, [0])
    assert same["scores"]["raw"] == score_alignment(train, test, [0])
    (difference,) = same["differences"]
    assert (difference.pop("of"), difference.pop("minus")) == ("again", "raw")
    assert all(interval == [0, 0] for _, interval in leaves(difference.pop("intervals")))
    assert {value for _, value in leaves(difference)} == {0}
    assert "lookups" not in difference
    # Scaled and moved as a whole, an embedding is the same to everything but the ridge.
    (scaled,) = compare_alignments({"aligned": [Trial(train, test)], "raw": [raw]}, [0])["differences"]
    for path, value in leaves(
        {name: value for name, value in scaled.items() if name not in ("of", "minus", "intervals")}
    ):
        assert value == pytest.approx(0, abs=1e-6), path
    with pytest.raises(InputError, match="b and a are not of the same test videos"):
        compare_alignments({"a": [Trial(train, test)], "b": [Trial(train, test[:3])]}, [0])


def test_a_test_video_may_be_matched_with_the_training_videos_of_its_task_instead():
    parts = [
        (recordings(f"{task}-train", 3, seed, task), recordings(f"{task}-test", 1, 9 + seed, task))
        for seed, task in enumerate(("brownies", "eggs"))
    ]
    train, test = ([video for pair in parts for video in pair[side]] for side in (0, 1))
    scores = score_alignment(train, test, [0], partners="train")
    assert (scores["partners"], scores["num_pairs"]) == ("train", 6)
    taus = [
        [kendalls_tau(nearest_frames([one.embedding, other.embedding])[0, 1]) for other in known]
        for known, (one,) in parts
    ]
    areas = [
        [
            enclosed_area(nearest_frames([one.embedding, other.embedding])[0, 1], one.labels, other.labels, [0])
            for other in known
        ]
        for known, (one,) in parts
    ]
    assert scores["kendalls_tau"] == pytest.approx(np.mean(taus))
    assert scores["enclosed_area"] == pytest.approx(np.mean(areas))
    low, high = scores["intervals"]["kendalls_tau"]
    # A resample has one of the two videos twice, or each once.
    assert (low, high) == pytest.approx(tuple(np.sort(np.mean(taus, axis=1))))
    assert score_alignment(train, test, [0])["kendalls_tau"] is None, "no other video of its task is tested"


def test_seeds_and_splits_are_averaged_and_seeds_are_drawn_anew_for_the_interval():
    train = recordings("train", 4)
    tests = [recordings("test", 4, seed=1), recordings("test", 4, seed=2)]
    noisy = [[dataclasses.replace(v, embedding=v.embedding[::-1].copy()) for v in test] for test in tests]
    clear, reversed_ = ([score_alignment(train, test, [0]) for test in part] for part in (tests, noisy))
    trials = [Trial(train, test, str(split)) for part in (tests, noisy) for split, test in enumerate(part)]
    scores = compare_alignments({"both seeds": trials}, [0])["scores"]["both seeds"]
    assert (scores["num_tasks"], scores["num_test_videos"]) == (1, 8)
    for path, value in leaves({name: scores[name] for name in ("kendalls_tau", "phase_classification", "lookups")}):
        assert value == pytest.approx(np.mean([dict(leaves(one))[path] for one in (*clear, *reversed_)])), path
    low, high = scores["intervals"]["phase_classification"]["100"]["accuracy"]
    alone = clear[0]["intervals"]["phase_classification"]["100"]["accuracy"]
    assert high - low > 2 * (alone[1] - alone[0]), "the seeds differ more than videos do"


BAD = {
    r"video x: embedding is \(3, 1\); expected \[T, D\] with T = 4": video("x", np.ones(4, int), np.ones((3, 1))),
    "video x: its embedding has NaN or infinity; the training diverged": video(
        "x", np.ones(1, int), np.array([[np.nan]])
    ),
    "embeddings are of unlike widths: 5 in .*, 2 in x": video("x", np.ones(4, int), np.ones((4, 2))),
    "train0 come twice": video("train0", np.ones(4, int), np.ones((4, 5))),
    "no training video shows 'eggs', which is tested": video("x", np.ones(4, int), np.ones((4, 5)), "eggs"),
}


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_scored_is_refused_in_one_line(message):
    with pytest.raises(InputError, match=message):
        score_alignment(recordings("train", 2), [BAD[message]], [0])
    with pytest.raises(InputError, match="there is no test video"):
        score_alignment(recordings("train", 2), [], [0])


def test_a_dataset_file_is_scored_by_the_feature_set_that_is_named(tiny_dataset):
    dataset = Dataset(tiny_dataset)
    train, test = (read_embedded(dataset, "1", part, "features") for part in ("train", "test"))
    scores = score_alignment(train, test, dataset.info.background)
    assert (scores["num_train_videos"], scores["num_test_videos"]) == (8, 2)
    lookup = scores["lookups"]["phase_classification"]["most_frequent"]["accuracy"]
    assert scores["phase_classification"]["100"]["accuracy"] > lookup
