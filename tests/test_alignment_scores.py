"""Scores and comparisons of alignments: tasks, seeds, splits and intervals; bad input is refused."""

from __future__ import annotations

import dataclasses
import json
from unittest.mock import Mock

import numpy as np
import pytest

from protas_gtcc.alignment.scores import DEFINITIONS, Trial, compare_alignments, probes
from protas_gtcc.alignment.scores.enclosed_area import enclosed_area
from protas_gtcc.alignment.scores.order import kendalls_tau
from protas_gtcc.alignment.scores.partners import nearest_frames
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.intervals import leaves
from tests.embedded_videos import recordings, score, video


def test_every_figure_is_defined_has_an_interval_around_it_and_goes_into_json():
    scores = score(recordings("train", 6), recordings("test", 5, seed=1))
    facts = ("num_tasks", "num_train_videos", "num_test_videos", "num_pairs", "num_people", "partners")
    assert [scores.pop(name) for name in facts] == [1, 6, 5, 20, None, "test"]
    intervals, tasks = scores.pop("intervals"), scores.pop("tasks")
    assert tasks == {"": scores}
    patterns = set()
    for path, value in leaves(scores):
        bounds = dict(leaves(intervals))[path]
        if bounds is None:
            assert value in (0, 1, 100), f"{path} is not at a limit"
        else:
            assert bounds[0] <= value <= bounds[1], path
        patterns.add(definition_of(path, DEFINITIONS))
    assert patterns == set(DEFINITIONS.values()), "each figure has one, and nothing else has"
    json.dumps([scores, intervals], allow_nan=False)


def test_too_few_videos_have_no_interval():
    train, test = recordings("train", 3), recordings("test", 2, seed=1)
    two = score(train, test)
    assert two["kendalls_tau"] is not None
    assert two["intervals"]["kendalls_tau"] is None
    assert two["intervals"]["progress_error"] is not None
    one = score(train, test[:1])
    assert one["kendalls_tau"] is one["enclosed_area"] is None, "one video makes no pair"
    assert {value for _, value in leaves(one["intervals"])} == {None}


def test_tasks_are_scored_by_themselves_and_count_once_each():
    parts = {
        task: (recordings(f"{task}-train", 3, seed, task), recordings(f"{task}-test", 2 + seed, 9 + seed, task))
        for seed, task in enumerate(("brownies", "eggs"))
    }
    train, test = ([video for pair in parts.values() for video in pair[side]] for side in (0, 1))
    both = score(train, test)
    alone = {task: score(*pair) for task, pair in parts.items()}
    assert (both["num_tasks"], both["num_pairs"]) == (2, 2 + 6)
    for path, value in leaves({name: both[name] for name in ("kendalls_tau", "phase_classification", "lookups")}):
        found = [dict(leaves(scores))[path] for scores in alone.values()]
        assert value == pytest.approx(np.mean(found)), path
        assert [dict(leaves(both["tasks"][task]))[path] for task in alone] == pytest.approx(found)
    assert score(train[::-1], test[::-1]) == both, "the order of videos changes nothing"


def test_embeddings_are_compared_on_the_same_videos():
    train, test = recordings("train", 4, clarity=8), recordings("test", 4, seed=1, clarity=8)
    raw_train, raw_test = (
        [dataclasses.replace(v, embedding=v.embedding / 8 + 1) for v in part] for part in (train, test)
    )
    same = compare_alignments({"raw": [Trial(train, test)], "again": [Trial(train, test)]}, [0])
    assert same["scores"]["raw"] == score(train, test)
    (difference,) = same["differences"]
    assert (difference.pop("of"), difference.pop("minus")) == ("again", "raw")
    assert all(interval == [0, 0] for _, interval in leaves(difference.pop("intervals")))
    assert {value for _, value in leaves(difference)} == {0}
    assert "lookups" not in difference
    # Scaled and moved as a whole, an embedding is the same to everything but the ridge.
    (scaled,) = compare_alignments({"aligned": [Trial(train, test)], "raw": [Trial(raw_train, raw_test)]}, [0])[
        "differences"
    ]
    for path, value in leaves({name: scaled[name] for name in difference}):
        assert value == pytest.approx(0, abs=1e-6), path
    with pytest.raises(InputError, match="b and a differ in test videos"):
        compare_alignments({"a": [Trial(train, test)], "b": [Trial(train, test[:3])]}, [0])


def test_a_test_video_may_be_matched_with_the_training_videos_of_its_task_instead():
    parts = [
        (recordings(f"{task}-train", 3, seed, task), recordings(f"{task}-test", 1, 9 + seed, task))
        for seed, task in enumerate(("brownies", "eggs"))
    ]
    train, test = ([video for pair in parts for video in pair[side]] for side in (0, 1))
    scores = score(train, test, partners="train")
    assert (scores["partners"], scores["num_pairs"]) == ("train", 6)
    taus, areas = np.zeros((2, 2, 3))
    for task, (known, (one,)) in enumerate(parts):
        for number, other in enumerate(known):
            found = nearest_frames([one.embedding, other.embedding])[0, 1]
            taus[task, number] = kendalls_tau(found)
            areas[task, number] = enclosed_area(found, one.labels, other.labels, [0])
    assert scores["kendalls_tau"] == pytest.approx(np.mean(taus))
    assert scores["enclosed_area"] == pytest.approx(np.mean(areas))
    # Without one of the two videos, the other's tau is left: half their difference is the standard error.
    tau, reach = np.mean(taus), 12.706 * abs(np.diff(np.mean(taus, axis=1))[0]) / 2
    low, high = np.arctanh(scores["intervals"]["kendalls_tau"])
    assert ((low + high) / 2, high - low) == pytest.approx((np.arctanh(tau), 2 * reach / (1 - tau**2)), rel=1e-3)
    assert score(train, test)["kendalls_tau"] is None, "no other video of its task is tested"


def test_the_videos_of_a_person_are_left_out_together():
    train, test = recordings("train", 4), recordings("test", 6, seed=1)
    people = [dataclasses.replace(one, person=f"P{number // 2}") for number, one in enumerate(test)]
    by_video, by_person = score(train, test), score(train, people)
    assert (by_video["num_people"], by_person["num_people"]) == (None, 3)
    assert by_person["kendalls_tau"] == by_video["kendalls_tau"]
    left = [score(train, [one for one in people if one.person != f"P{n}"])["phase_progression"] for n in range(3)]
    low, _ = by_person["intervals"]["phase_progression"]
    reach = 4.3027 * np.sqrt(2 / 3 * ((np.array(left) - np.mean(left)) ** 2).sum())  # Student's t of 2 degrees
    assert low == pytest.approx(by_person["phase_progression"] - reach, rel=1e-4)
    alone = score(train, [dataclasses.replace(one, person="P0") for one in test])
    assert {value for _, value in leaves(alone["intervals"])} == {None}


def test_seeds_and_splits_are_averaged_and_seeds_are_drawn_anew_for_the_interval():
    train = recordings("train", 4)
    tests = [recordings("test", 4, seed=1), recordings("test", 4, seed=2)]
    noisy = [[dataclasses.replace(v, embedding=v.embedding[::-1].copy()) for v in test] for test in tests]
    clear, reversed_ = ([score(train, test) for test in part] for part in (tests, noisy))
    trials = [Trial(train, test, str(split)) for part in (tests, noisy) for split, test in enumerate(part)]
    scores = compare_alignments({"both seeds": trials}, [0])["scores"]["both seeds"]
    assert (scores["num_tasks"], scores["num_test_videos"]) == (1, 8)
    for path, value in leaves({name: scores[name] for name in ("kendalls_tau", "phase_classification", "lookups")}):
        assert value == pytest.approx(np.mean([dict(leaves(one))[path] for one in (*clear, *reversed_)])), path
    low, high = scores["intervals"]["phase_classification"]["100"]["accuracy"]
    assert [one["phase_classification"]["100"]["accuracy"] for one in clear] == [100, 100], "no video differs"
    assert high - low > 10, "the seeds do"


BAD = {
    r"video x: embedding is \(3, 1\); expected \[T, D\] with T = 4": video("x", np.ones(4, int), np.ones((3, 1))),
    "video x: its embedding has NaN or infinity; train again, with a lower --lr": video(
        "x", np.ones(1, int), np.array([[np.nan]])
    ),
    "embeddings have different widths: 5 in .*, 2 in x": video("x", np.ones(4, int), np.ones((4, 2))),
    "train0 occur twice": video("train0", np.ones(4, int), np.ones((4, 5))),
    "no training video shows task .eggs.": video("x", np.ones(4, int), np.ones((4, 5)), "eggs"),
}


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_scored_is_refused_in_one_line(message):
    with pytest.raises(InputError, match=message):
        score(recordings("train", 2), [BAD[message]])
    with pytest.raises(InputError, match="there is no test video"):
        score(recordings("train", 2), [])


def test_progress_is_reported_from_the_start_to_the_end():
    calls: list[tuple[int, int]] = []
    trials = {name: [Trial(recordings("train", 4), recordings("test", 2, seed=1))] for name in ("one", "other")}
    compare_alignments(trials, [0], on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 14) for done in range(15)], "seven probes for each"


def test_scores_do_not_depend_on_the_number_of_threads(monkeypatch):
    train, test = recordings("train", 5), recordings("test", 3, seed=1)
    several = score(train, test)
    monkeypatch.setattr(probes, "MOST_THREADS", 1)
    assert score(train, test) == several


def test_equal_draws_of_few_videos_share_one_probe(monkeypatch):
    fit = Mock(wraps=probes.fit_classifier)
    monkeypatch.setattr(probes, "fit_classifier", fit)
    score(recordings("train", 1), recordings("test", 2, seed=1))
    fit.assert_called_once()
