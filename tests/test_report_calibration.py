"""Reliability of procedures in the report: done lists, intervals and alarms beside the truth, over all test videos."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.errors import InputError
from protas_gtcc.procedure.result import REASONS, Event
from protas_gtcc.procedure.truth import truth_of
from protas_gtcc.report.alarm_budgets import FIGURES
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.procedure_calibration import calibration, calibration_row, done_steps
from protas_gtcc.report.procedure_data import KnownVideo
from protas_gtcc.report.runs import open_runs
from tests.test_page import BROWSER
from tests.test_report_procedure import FPS, LABELS, make_kitchen, make_procedure_run, reported, truth_of_labels
from tests.test_report_videos import opened


def video(procedure: Any, labels: np.ndarray, person: str = "", annotated: bool = True, steps: Any = ()) -> Any:
    return calibration_row(procedure, KnownVideo(truth_of_labels(labels), annotated, steps, person), FPS)


def test_a_step_is_done_from_its_end_and_not_while_it_goes_on_again() -> None:
    found = done_steps(truth_of_labels(np.repeat([1, 0, 2, 1, 0], 2)), [1, 2, 3], 10)
    assert found.astype(int).tolist() == [
        [0, 0, 1, 1, 1, 1, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
        [0] * 10,
    ]


def test_probabilities_that_are_right_are_done_as_often_as_they_say() -> None:
    random, rows = np.random.default_rng(0), []
    for _ in range(300):
        labels, end = np.zeros(20, dtype=np.int64), int(random.integers(1, 20))
        labels[:end] = 1
        procedure = reported(20, 2)  # it rises with time, as fast as ends are likely
        rows.append(video(procedure, labels))
    done = calibration(rows)["done"]
    np.testing.assert_allclose(done["share"], done["reported"], atol=0.08)
    assert sum(done["num"]) == 300 * 20
    assert all(low < share < high for share, (low, high) in zip(done["share"][1:9], done["interval"][1:9], strict=True))


def test_steps_of_the_task_that_are_never_done_count_as_not_done() -> None:
    alone, more = (video(reported(40, 9), LABELS, steps=steps) for steps in ((), {1, 3, 7, 8}))
    assert more.done[0].sum() == 2 * alone.done[0].sum()
    assert more.done[2].sum() == alone.done[2].sum()


def test_the_interval_of_the_time_left_is_counted_in_each_tenth_of_the_procedure_and_videos_count_alike() -> None:
    short, long = np.repeat([0, 1, 0], [3, 20, 3]), np.repeat([1], 400)
    rows, expected = [], np.zeros((2, 10))
    for number, labels in enumerate((short, long)):
        start, length = int((labels == 0).any()) * 3, int((labels == 1).sum())
        procedure = reported(len(labels), 2, end=start + length)
        narrow = procedure.left_interval.copy()
        narrow[0, : start + length // 2] = narrow[1, : start + length // 2]  # too late in the first half
        rows.append(video(dataclasses.replace(procedure, left_interval=narrow), labels))
        expected[number] = [0] * 5 + [1] * 5
    found = calibration(rows)["left"]
    np.testing.assert_allclose(found["share"], expected.mean(axis=0))


def test_procedures_without_intervals_or_steps_have_no_share_within_them() -> None:
    procedure = reported(40, 4)
    unknown = dataclasses.replace(procedure, left_interval=np.full((2, 40), np.nan, dtype=np.float32))
    rows = [video(unknown, LABELS), video(procedure, np.zeros(40, dtype=np.int64))]
    assert calibration(rows)["left"]["share"] == [None] * 10
    assert calibration([]) is None


def test_alarms_are_right_or_false_where_mistakes_are_annotated_and_nowhere_else() -> None:
    track = Track((Step(1, 5, 25),), (2,), (Mistake(1, 5, 25, "Order Error", ""),))
    truth = truth_of(np.array([[5, 25, 1]]), track)
    alarms = [Event("missing", 2, 28, 28, 0.9), Event("repeated", 1, 30, 30, 0.7)]
    for is_annotated, expected in ((True, [["missing", 0.9, True], ["repeated", 0.7, False]]), (False, [])):
        row = calibration_row(reported(40, 4, *alarms), KnownVideo(truth, is_annotated, ()), FPS)
        found = calibration([row])
        assert (found["alarms"], found["is_annotated"]) == (expected, is_annotated)


def test_people_are_left_out_one_at_a_time_where_all_are_known() -> None:
    def widths(people: str) -> float:
        rows = [
            video(reported(60, 2), np.repeat([1, 0], [10 + 5 * number, 50 - 5 * number]), person)
            for number, person in enumerate(people)
        ]
        return sum(high - low for low, high in filter(None, calibration(rows)["done"]["interval"]))

    assert widths("aabbccdd") != widths("abcdefgh")
    assert widths("abcdefgh") == pytest.approx(widths("hgfedcba"))


# Of runs


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_procedure_run(tmp_path / "run", make_kitchen(tmp_path / "kitchen.h5"))


def scored_budgets(**changes: Any) -> dict[str, Any]:
    """What `procedure` writes, as far as the report reads it."""
    figures = dict.fromkeys(FIGURES, 0.5)
    one = {"alarms": {"missing": figures}, "intervals": {"alarms": {"missing": dict.fromkeys(FIGURES)}}}
    scored = one | {"thresholds": {"missing": 0.75}}
    at = dict.fromkeys(("all", *REASONS)) | {"missing": scored}
    return {"dataset": "kitchen", "split": "1", "task_given": True, "alarms_at": {"10": at, "2": at}} | changes


def test_alarms_at_other_budgets_are_those_that_the_command_has_scored(run: Path) -> None:
    assert page_data(open_runs([run]))["groups"][0]["runs"][0]["budgets"] is None
    (run / "procedure").mkdir()
    (run / "procedure" / "procedure.json").write_text(json.dumps(scored_budgets()))
    budgets = page_data(open_runs([run]))["groups"][0]["runs"][0]["budgets"]
    assert [(reason, budget) for reason, budget, own in budgets["alarms"] if own] == [
        ("missing", "2"),
        ("missing", "10"),
    ]
    assert budgets["alarms"][2][2]["threshold"] == 0.75
    assert len(budgets["alarms"]) == 2 * (1 + len(REASONS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not whole JSON"),
        ("[]", "lacks alarms_at"),
        (json.dumps(scored_budgets(split="9")), "the run those of other videos"),
        (json.dumps(scored_budgets(alarms_at={"x": {}})), "is not as 'procedure' writes it"),
        (json.dumps(scored_budgets(alarms_at={"1": {}})), "is not as 'procedure' writes it"),
    ],
)
def test_a_broken_file_of_budgets_is_refused_in_one_line(run: Path, content: str, message: str) -> None:
    (run / "procedure").mkdir()
    (run / "procedure" / "procedure.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        page_data(open_runs([run]))
    assert "let 'protas-gtcc procedure' write it again" in str(caught.value)


SECTION = "document.getElementById('reliability-of-procedures')"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_draws_how_far_procedures_can_be_trusted(run: Path, tmp_path: Path, width: int) -> None:
    (run / "procedure").mkdir()
    (run / "procedure" / "procedure.json").write_text(json.dumps(scored_budgets()))
    write_report(tmp_path / "r.html", page_data(open_runs([run])))

    async def look(tab: Any) -> None:
        await tab.resize(width)
        await tab.js(f"{SECTION}.scrollIntoView()")
        await tab.until(f"{SECTION}.querySelectorAll('.main-svg .trace').length >= 4")
        text = await tab.js(f"{SECTION}.textContent")
        assert "Alarms by their confidence" in text
        assert "too few held-out recordings" in text
        assert "its procedures are not scored" in text
        assert "0.75" in text
        assert await tab.js("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"

    opened(tmp_path / "r.html", tmp_path / "profile", look)
