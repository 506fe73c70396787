"""Which steps are wrong, by the annotations of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import NOT_DONE, Mistake, Step, Track
from protas_gtcc.dataset.file import Dataset, DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.procedure_alarms import alarm_row
from protas_gtcc.procedure.result import REASONS, Event, Reason
from protas_gtcc.procedure.truth import Truth, is_right, read_truth, truth_of
from protas_gtcc.report.procedure_data import KnownVideo, procedure_values
from tests.scored_procedures import report_of
from tests.scored_procedures import truth_of as scored_truth_of

STEPS = (Step(1, 0, 10), Step(3, 10, 20), Step(2, 20, 30), Step(1, 30, 40))


def truth(*mistakes: Mistake, missing: tuple[int, ...] = (), usual: dict[int, float] | None = None) -> Truth:
    rows = np.array([(one.start, one.end, one.label) for one in STEPS])
    return truth_of(rows, Track(STEPS, missing, mistakes), usual or {})


@pytest.mark.parametrize(
    ("description", "missing"),
    [
        ("Step performed after adding salt", {2}),
        ("done too late", {2}),
        ("After serving, and before eating", {2}),
        ("Step performed before correct order", set()),
        ("afterwards", set()),
        ("", set()),
    ],
)
def test_a_step_that_is_annotated_as_done_too_late_is_missing_too(description: str, missing: set[int]) -> None:
    found = truth(Mistake(2, 20, 30, "Order Error", description))
    assert found.wrong["missing"] == missing
    assert found.wrong["out of order"] == {2}
    assert found.never_done == set()


def test_a_step_that_comes_again_too_late_was_not_missing() -> None:
    again = truth(Mistake(1, 30, 40, "Order Error", "Step performed after serving"))
    assert again.wrong["missing"] == set()
    assert again.wrong["repeated"] == {1}


def test_a_step_that_is_never_done_is_missing_and_one_that_is_done_another_time_is_not() -> None:
    found = truth(Mistake(4, NOT_DONE, NOT_DONE, "Missing Step"), missing=(4, 1))
    assert found.wrong["missing"] == found.never_done == {4}


def test_a_wrong_timing_is_too_long_only_if_the_step_is_longer_than_usual() -> None:
    mistakes = [Mistake(label, 10 * place, 10 * place + 10, "Timing Error") for place, label in enumerate([1, 3, 2])]
    assert truth(*mistakes, usual={1: 9.5, 3: 10.0, 2: 11.0}).wrong["taking too long"] == {1}
    assert truth(*mistakes).wrong["taking too long"] == set(), "the usual length is not known"
    assert truth(usual={1: 1.0}).wrong["taking too long"] == set(), "nothing is annotated"


def test_the_usual_length_is_the_median_of_steps_whose_timing_is_right(tmp_path: Path) -> None:
    lengths = {"a": 10, "b": 12, "c": 14, "short": 5, "long": 13}
    with write_dataset(tmp_path / "d.h5", DatasetInfo("d", ["rest", "cook"], [0], 1.0, {}), {}) as writer:
        for name, length in lengths.items():
            wrong = (Mistake(1, 0, length, "Timing Error"),) if len(name) > 1 else ()
            track = Track((Step(1, 0, length),), (), wrong)
            writer.add(Video(name, np.ones(20, dtype=np.int64), {}, track=track))
    dataset = Dataset(tmp_path / "d.h5")
    found = {name: read_truth(dataset, name).wrong["taking too long"] for name in lengths}
    assert found == {"a": set(), "b": set(), "c": set(), "short": set(), "long": {1}}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("label", [1, 2, 3, 4])
@pytest.mark.parametrize("frame", [0, 19, 20, 39])
def test_ruler_and_report_agree_about_every_alarm(reason: Reason, label: int, frame: int) -> None:
    late = Mistake(2, 20, 30, "Order Error", "Step performed after serving")
    early = Mistake(3, 10, 20, "Order Error", "Step performed before serving")
    known = truth(late, early, Mistake(1, 0, 10, "Timing Error"), missing=(4,), usual={1: 5.0})
    alarm = Event(reason, label, frame, frame, 0.9)
    expected = is_right(alarm, known.wrong[reason], known.steps)
    values = procedure_values(report_of(40, events=(alarm,)), KnownVideo(known, True, ()), 1.0)
    assert values["alarms"][0][4] is expected
    rows = known.steps.tolist()
    scored = scored_truth_of(rows, 40, missing=known.never_done, wrong=known.wrong, has_mistakes=True)
    statistics = alarm_row([alarm], scored).statistics[REASONS.index(reason)]
    assert statistics[1:3].tolist() == [expected, not expected]
