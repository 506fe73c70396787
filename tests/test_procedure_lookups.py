"""Look-ups for procedures: by hand, and that they see the past only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.procedure import score_procedures
from protas_gtcc.metrics.procedure_lookups import AFTER_LAST, TOTAL, fit_procedure_lookups
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.tables import Recording
from tests.scored_procedures import NUM_CLASSES, random_truth, report_of, truth_of


def recording(*steps: tuple[int, int, int], task: int = 0) -> Recording:
    return Recording(np.array(steps, dtype=np.int64).reshape(-1, 3), task)


TRAINING = [
    recording((2, 10, 1), (10, 14, 2), (14, 22, 3)),  # 20 s; 8 s from 1 to 2, 4 s from 2 to 3
    recording((4, 16, 1), (16, 24, 2), (24, 34, 3)),  # 30 s
    recording((0, 10, 1), (10, 16, 3), (16, 40, 2), (40, 50, 4)),  # 50 s
    recording((0, 10, 5), task=1),
    recording(),
]
LOOKUPS = fit_procedure_lookups(TRAINING, NUM_CLASSES, fps=1.0)


def test_the_time_left_of_a_case_worked_by_hand() -> None:
    reports = LOOKUPS.report(truth_of([(3, 8, 1), (8, 12, 6), (12, 100, 2)], 110))
    total, after_last = (reports[name].left_seconds for name in (TOTAL, AFTER_LAST))
    # Mean total (20 + 30 + 50) / 3. Frame 3 is the first of the procedure: 1 s has passed at its end.
    np.testing.assert_allclose(total[[0, 3, 12, 80]], [100 / 3, 100 / 3 - 1, 100 / 3 - 10, 0], rtol=1e-6)
    # Left at the starts of 2: 12, 18 and 34 s. 6 is not in training: as the total.
    np.testing.assert_allclose(
        after_last[[3, 8, 12, 20, 80]], [100 / 3 - 1, 100 / 3 - 6, 64 / 3 - 1, 64 / 3 - 9, 0], rtol=1e-6
    )


def test_the_next_step_of_a_case_worked_by_hand() -> None:
    report = LOOKUPS.report(truth_of([(3, 8, 1), (8, 12, 3), (12, 15, 6)], 20))[AFTER_LAST]
    # First 1; after 1 came 2 twice and 3 once; after 3 came 2 once; 6 is unknown: what most have, without what is done.
    ranked = [np.argsort(-report.next_probs[:, frame], kind="stable")[:3].tolist() for frame in (0, 3, 8, 12)]
    assert ranked[0][0] == 1
    assert ranked[1] == [2, 3, 4]
    assert ranked[2][:2] == [2, 4]
    assert ranked[3][:2] == [2, 4]
    assert (report.next_probs[[1, 3, 6], 12] == 0).all(), "these have started"
    # From a start of 1 to the next: 8, 12 and 10 s; the first step starts after 2, 4 and 0 s.
    np.testing.assert_allclose(report.next_seconds[[0, 1, 2, 3, 7]], [1, 0, 0, 9, 5])


def test_a_step_that_most_recordings_have_is_missing_when_the_last_one_starts() -> None:
    report = LOOKUPS.report(truth_of([(3, 8, 1), (8, 12, 3)], 20))[AFTER_LAST]
    # 3 is the last in two of three. 2 is in all; 4 is in one.
    assert [(one.kind, one.label, one.frame, one.confidence) for one in report.events] == [("missing", 2, 8, 1.0)]
    assert LOOKUPS.report(truth_of([(3, 8, 1), (8, 12, 2)], 20))[AFTER_LAST].events == (), "3 does not start"


def test_done_is_what_has_ended_and_is_not_going_on() -> None:
    found = LOOKUPS.report(truth_of([(1, 3, 1), (3, 5, 2), (5, 7, 1)], 9))[TOTAL].done
    assert found[1].tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1]
    assert found[2].tolist() == [0] * 5 + [1] * 4


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_what_comes_later_changes_nothing(seed: int) -> None:
    truth = random_truth(seed)
    until = int(np.random.default_rng(seed).integers(0, truth.num_frames))
    begun = truth.steps[truth.steps[:, 0] <= until]
    past = truth_of(begun.tolist(), truth.num_frames)
    for name, whole in LOOKUPS.report(truth).items():
        known = LOOKUPS.report(past)[name]
        for field in ("left_seconds", "progress", "next_probs", "next_seconds", "done"):
            at, expected = (getattr(one, field)[..., : until + 1] for one in (known, whole))
            np.testing.assert_array_equal(at, expected)
        before = [one for one in whole.events if one.frame < until]
        assert before == [one for one in known.events if one.frame < until]


def test_scores_have_the_look_ups_beside_them() -> None:
    videos = [
        (report_of(one.num_frames), one) for one in (random_truth(seed, str(seed), str(seed)) for seed in range(4))
    ]
    scores = score_procedures(videos, 1.0, LOOKUPS)
    for tree in (scores, scores["intervals"]):
        assert set(tree["lookups"][TOTAL]) == {"time_left"}
        assert set(tree["lookups"][AFTER_LAST]) == {"time_left", "next_step", "alarms"}
        assert set(tree["lookups"][AFTER_LAST]["alarms"]) == {"missing"}
    reported = [(LOOKUPS.report(truth)[AFTER_LAST], truth) for _, truth in videos]
    expected = score_procedures(reported, 1.0)["time_left"]
    assert expected.pop("interval_coverage") is None  # they report no interval, so they have no such figure
    assert scores["lookups"][AFTER_LAST]["time_left"] == expected


def test_a_task_without_training_recordings_is_refused() -> None:
    with pytest.raises(InputError, match="recording video is of task 7"):
        LOOKUPS.report(truth_of([(0, 3, 1)], 5, task=7))


def test_no_step_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="no training recording has a step"):
        fit_procedure_lookups([recording()], NUM_CLASSES, 1.0)


def test_the_floors_of_captaincook4d_are_reproduced(shared_folder: Path) -> None:
    folder = shared_folder / "data" / "captaincook4d"
    if not folder.is_dir():
        pytest.skip("CaptainCook4D is not here")
    recordings = json.loads((folder / "annotation_json" / "complete_step_annotations.json").read_text(encoding="utf-8"))
    lists = json.loads((folder / "data_splits" / "recordings_data_split_combined.json").read_text(encoding="utf-8"))
    tasks, classes = (dict[str, int](), dict[tuple[int, int], int]())
    found = {}
    for name, one in recordings.items():
        task = tasks.setdefault(one["activity_name"], len(tasks))
        rows = [
            (
                round(step["start_time"]),
                round(step["end_time"]),
                classes.setdefault((task, step["step_id"]), len(classes)),
            )
            for step in sorted(one["steps"], key=lambda step: step["start_time"])
            if step["start_time"] >= 0
        ]
        found[name] = Recording(np.array(rows, dtype=np.int64), task)
    lookups = fit_procedure_lookups([found[name] for name in lists["train"] + lists["val"]], len(classes), 1.0)
    videos = []
    for name in lists["test"]:
        steps, task = found[name]
        frames = int(steps[:, 1].max()) + 1
        truth = ProcedureTruth(name, "", task, frames, steps, set(), set(), {}, [], has_mistakes=False)
        videos.append((lookups.report(truth)[AFTER_LAST], truth))
    scores = score_procedures(videos, 1.0, lookups)["lookups"]
    assert scores[TOTAL]["time_left"]["error_minutes"] == pytest.approx(3.13, abs=0.01)
    assert scores[AFTER_LAST]["time_left"]["error_minutes"] == pytest.approx(2.60, abs=0.01)
