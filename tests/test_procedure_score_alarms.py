"""Scores of alarms: by hand, and against plain loops."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.metrics.procedure import score_alarms, score_procedures
from protas_gtcc.procedure.result import REASONS, Event
from tests.scored_procedures import (
    NAN,
    alarm,
    assert_equals,
    mean,
    random_videos,
    truth_of,
)


def test_the_alarms_of_a_case_worked_by_hand() -> None:
    truth = truth_of(
        [(0, 100, 1), (100, 200, 2), (200, 300, 1), (300, 400, 3), (400, 500, 4)],
        1800,
        missing={5, 6},
        wrong={"missing": {4}, "repeated": {1}, "out of order": {3, 4}},
        tags=[(1, "Repetition"), (3, "Order"), (4, "Order"), (5, "Missing")],
        has_mistakes=True,
    )
    events = [
        alarm("missing", 5, 410),  # a hit, 10 frames after the last step starts
        alarm("missing", 4, 350),  # a hit: 4 comes too late, 50 frames after the alarm
        alarm("missing", 3, 350),  # false: it is going on
        alarm("missing", 2, 50),  # false: it comes, in its order
        alarm("repeated", 1, 203),  # a hit, 3 frames after the second time starts
        alarm("out of order", 3, 310),  # a hit
        alarm("taking too long", 3, 390),  # false: nothing is wrong with its length
    ]
    scores = score_alarms([(events, truth)], fps=1.0)
    missing, everything = scores["alarms"]["missing"], scores["alarms"]["all"]
    assert [missing[name] for name in ("num_wrong", "num_hits", "num_false", "num_late")] == [3, 2, 2, 1]
    assert_equals(missing["recall"], 2 / 3)
    assert_equals(missing["recall_never"], 1 / 2)
    assert_equals(missing["recall_late"], 1)
    assert_equals(missing["precision"], 2 / 4)
    assert_equals(missing["false_per_hour"], 2 / 0.5)
    assert missing["false_per_hour_normal"] is None, "no recording is without mistakes"
    assert_equals(missing["delay_seconds"], (10 - 50) / 2)
    assert_equals(scores["alarms"]["repeated"]["delay_seconds"], 3)
    assert_equals(everything["recall"], 4 / 6)
    assert_equals(everything["precision"], 4 / 7)
    assert_equals(everything["delay_seconds"], (10 - 50 + 3 + 10) / 4)
    assert_equals(everything["median_delay_seconds"], (3 + 10) / 2)
    assert scores["alarms"]["taking too long"]["recall"] is None, "nothing is wrong in that way"
    order = scores["alarms_by_tag"]["Order"]
    assert order == {"recordings": 1.0, "steps": 1.0, "num_recordings": 1, "num_steps": 2}
    assert scores["alarms_by_tag"]["Missing"]["steps"] == 1


def test_a_step_that_comes_too_late_is_missing_until_it_begins() -> None:
    truth = truth_of([(0, 10, 1), (10, 20, 3), (20, 30, 2)], 40, wrong={"missing": {2}}, has_mistakes=True)
    for frame, hits in ((5, 1), (19, 1), (20, 0), (35, 0)):
        found = score_alarms([([alarm("missing", 2, frame)], truth)], fps=1.0)["alarms"]["missing"]
        assert (found["num_hits"], found["num_false"]) == (hits, 1 - hits)
        assert (found["recall_late"], found["recall_never"]) == (hits, None), "every step is done"


def test_in_a_recording_without_mistakes_every_alarm_is_false() -> None:
    normal = [alarm("missing", 1, 5), alarm("repeated", 2, 5)], truth_of([(10, 20, 1)], 900)
    other = list[Event](), truth_of([(10, 20, 1)], 2700, name="other", missing={2}, has_mistakes=True)
    scores = score_alarms([normal, other], fps=1.0)["alarms"]["all"]
    assert_equals(scores["false_per_hour"], 2 / 1)
    assert_equals(scores["false_per_hour_normal"], 2 / 0.25)
    assert scores["recall"] == 0


def test_an_alarm_before_the_step_has_a_delay_below_0() -> None:
    truth = truth_of([(10, 20, 1), (40, 50, 2)], 60, missing={3}, wrong={"out of order": {2}}, has_mistakes=True)
    scores = score_alarms([([alarm("missing", 3, 30), alarm("out of order", 2, 38)], truth)], fps=2.0)["alarms"]
    assert_equals(scores["missing"]["delay_seconds"], -5)
    assert_equals(scores["out of order"]["delay_seconds"], -1)


def test_the_number_of_false_alarms_has_an_interval_over_people() -> None:
    videos = [
        (
            [alarm("missing", 1, 5)] * (number % 3 > 0),
            truth_of([(10, 20, 1)], 3600, name=str(number), person=str(number)),
        )
        for number in range(12)
    ]
    scores = score_alarms(videos, fps=1.0)
    low, high = scores["intervals"]["alarms"]["all"]["false_per_hour"]
    assert 0 < low < scores["alarms"]["all"]["false_per_hour"] < high < 2


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_alarms_equal_their_plain_twin(seed: int) -> None:
    videos = random_videos(seed)
    scores = score_procedures(videos, 1.0)
    hours = sum(truth.num_frames for _, truth in videos) / 3600
    for reason in REASONS:
        wrong = hits = false = 0
        for report, truth in videos:
            really = set(truth.wrong[reason]) | (set(truth.missing) if reason == "missing" else set())
            wrong += len(really)
            for event in report.events:
                comes = [row for row in truth.steps.tolist() if row[2] == event.label]
                if event.kind != reason:
                    continue
                if event.label in really and (reason != "missing" or all(event.frame < start for start, _, _ in comes)):
                    hits += 1
                else:
                    false += 1
        found = scores["alarms"][reason]
        assert [found[f"num_{name}"] for name in ("wrong", "hits", "false")] == [wrong, hits, false]
        assert_equals(found["recall"], hits / wrong if wrong else NAN)
        assert_equals(found["precision"], hits / (hits + false) if hits + false else NAN)
        assert_equals(found["false_per_hour"], false / hours)
    for tag, found in scores["alarms_by_tag"].items():
        steps = [
            [any(event.is_alarm and event.label == label for event in report.events) for label in labels]
            for report, truth in videos
            if (labels := {label for label, name in truth.tags if name == tag})
        ]
        assert_equals(found["recordings"], mean([any(one) for one in steps]))
        assert_equals(found["steps"], mean([one for own in steps for one in own]))
