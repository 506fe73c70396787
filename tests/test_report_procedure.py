"""Procedures in the report: beside the truth, small for long videos, and what has no row is counted."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.dataset.file import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.procedure.result import Event, Procedure
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.procedure.truth import Truth, truth_of
from protas_gtcc.report.canvas import Canvas
from protas_gtcc.report.packing import LEVELS, pack_shares
from protas_gtcc.report.page import write_report
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.procedure_data import (
    COLUMNS,
    MOST_ROWS,
    NOTHING,
    KnownVideo,
    next_steps,
    procedure_values,
    truth_values,
)
from protas_gtcc.report.runs import open_runs
from protas_gtcc.report.video_picture import plot_video
from tests.predicted_videos import delayed
from tests.test_page import BROWSER
from tests.test_report_page import NAMES, labels_from_flat, make_run, unpack
from tests.test_report_videos import opened

FPS = 5.0
LABELS = np.repeat([0, 1, 3, 0], [5, 20, 10, 5])
TRACK = Track(
    steps=(Step(1, 5, 25), Step(3, 25, 35)),
    missing=(2,),
    mistakes=(Mistake(3, 25, 35, "Order Error", "<i>before</i> the other"), Mistake(1, 5, 25, "Timing Error")),
)


def reported(num_frames: int, num_classes: int, *events: Event, end: int = 0) -> Procedure:
    """The true time left until the frame `end`, and a probability that rises with time, the same for each step."""
    time = np.arange(num_frames, dtype=np.float32)
    left, rising = np.maximum((end or num_frames) - 1 - time, 0) / np.float32(FPS), time / np.float32(num_frames)
    each = np.tile(rising, (num_classes, 1))
    interval = np.stack([left / 2, left * 2])
    following = np.full((num_classes, num_frames), 1 / num_classes, dtype=np.float32)
    return Procedure(left, interval, rising, following, left, interval, each, events)


def done(label: int, frame: int) -> Event:
    return Event("done", label, frame, frame, 0.6)


def known(truth: Truth, is_annotated: bool = True, task_steps: Any = ()) -> KnownVideo:
    return KnownVideo(truth, is_annotated, task_steps)


def truth_of_labels(labels: np.ndarray, track: Track | None = None) -> Truth:
    return truth_of(steps_of(labels, [0]), track)


def unpack_shares(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8) / LEVELS


def test_the_true_next_step_is_the_first_one_that_starts_after_a_frame() -> None:
    random = np.random.default_rng(0)
    starts = np.sort(random.integers(0, 60, 12))
    steps = np.stack([starts, starts + random.integers(1, 20, 12), random.integers(1, 9, 12)], axis=1)
    expected = [next((label for start, _, label in steps.tolist() if start > t), NOTHING) for t in range(70)]
    assert next_steps(steps, 70).tolist() == expected
    assert next_steps(steps[:0], 3).tolist() == [NOTHING] * 3


def test_shares_are_a_byte_each() -> None:
    values = np.linspace(0, 1, 40)
    np.testing.assert_allclose(unpack_shares(pack_shares(values)), values, atol=0.5 / LEVELS + 1e-9)


@pytest.mark.parametrize("num_frames", [1, 7, COLUMNS, COLUMNS + 1, 27_000])
def test_a_column_has_the_values_of_its_last_frame_and_there_are_few(num_frames: int) -> None:
    labels = np.ones(num_frames, dtype=np.int64)
    values = procedure_values(reported(num_frames, 2), known(truth_of_labels(labels)), FPS)
    ends = np.minimum(np.arange(0, num_frames, values["every"]) + values["every"], num_frames) - 1
    assert len(ends) <= COLUMNS
    np.testing.assert_allclose(unpack_shares(values["progress"]), ends / num_frames, atol=0.51 / LEVELS)
    left = unpack(values["left"]) / values["left_scale"]
    np.testing.assert_allclose(left, (num_frames - 1 - ends) / FPS, atol=0.51 / values["left_scale"])
    assert len(labels_from_flat(values["next"])) == len(ends)


def test_half_an_hour_with_25_steps_takes_25_kilobytes_at_any_rate() -> None:
    for rate in (1, 15):
        labels = np.repeat(np.arange(1, 26), 72 * rate)
        procedure = reported(len(labels), 26, *(done(label, 72 * rate * label - 1) for label in range(1, 26)))
        values = procedure_values(procedure, known(truth_of_labels(labels), task_steps=range(1, 26)), float(rate))
        assert len(values["rows"]) == 25
        assert len(json.dumps(values)) < 25_000


def test_an_alarm_is_right_where_the_step_is_wrong_in_that_way_and_false_elsewhere() -> None:
    alarms = [
        Event("missing", 2, 28, 28, 0.9),
        Event("missing", 1, 29, 29, 0.9),
        Event("out of order", 3, 30, 30, 0.8),
        Event("repeated", 3, 31, 31, 0.7),
    ]
    procedure = reported(len(LABELS), 4, done(1, 27), *alarms)
    truth = truth_of(steps_of(LABELS, [0]), TRACK, {1: 19.0})
    values = procedure_values(procedure, known(truth), FPS)
    assert [alarm[:3] for alarm in values["alarms"]] == [[one.kind, one.label, one.frame] for one in alarms]
    assert [alarm[4] for alarm in values["alarms"]] == [True, False, True, False]
    assert values["unnoticed"] == [["taking too long", 1]]


def test_an_alarm_about_a_step_that_comes_too_late_is_right_until_it_begins() -> None:
    late = Track(TRACK.steps, (), (Mistake(3, 25, 35, "Order Error", "Step performed after serving"),))
    truth = truth_of(steps_of(LABELS, [0]), late)
    for frame, expected in ((24, True), (25, False)):
        alarms = Event("missing", 3, frame, frame, 0.9), Event("out of order", 3, 30, 30, 0.8)
        values = procedure_values(reported(len(LABELS), 4, *alarms), known(truth), FPS)
        assert [alarm[4] for alarm in values["alarms"]] == [expected, True]
        assert values["unnoticed"] == ([] if expected else [["missing", 3]])
    assert truth_values(known(truth), len(LABELS))["missing"] == [], "it is done"


def test_without_annotated_mistakes_no_alarm_is_right_or_false() -> None:
    procedure = reported(len(LABELS), 4, Event("repeated", 3, 31, 31, 0.7))
    values = procedure_values(procedure, known(truth_of_labels(LABELS), is_annotated=False), FPS)
    assert values["alarms"][0][4] is None
    assert values["unnoticed"] == []


def test_every_step_of_the_task_has_a_row_in_the_order_of_what_happened() -> None:
    procedure = reported(len(LABELS), 9, done(1, 27), done(5, 8), Event("missing", 7, 20, 20, 0.9))
    truth = truth_of(steps_of(LABELS, [0]), TRACK)
    values = procedure_values(procedure, known(truth, task_steps={1, 2, 3, 4}), FPS)
    assert [(row["label"], row["reported"]) for row in values["rows"]] == [
        (1, 27), (5, 8), (7, None), (3, None), (2, None), (4, None),
    ]  # fmt: skip
    assert set(values["others"].values()) == {0}


def test_of_120_steps_those_that_matter_have_rows_and_the_rest_is_counted() -> None:
    labels = np.repeat(np.arange(1, 91), 4)
    unreported, wrongly_reported, alarmed, missing = {80, 90}, {100}, {85}, {119}
    events = [done(label, 4 * label - 1) for label in {*range(1, 91), *wrongly_reported} - unreported]
    events = sorted([*events, Event("missing", 85, 200, 200, 0.9)], key=lambda one: one.frame)
    procedure = reported(420, 121, *events)
    truth = truth_of_labels(labels, Track((), missing=tuple(missing)))
    values = procedure_values(procedure, known(truth, task_steps=range(1, 121)), FPS)
    shown = {row["label"] for row in values["rows"]}
    assert len(values["rows"]) == MOST_ROWS
    assert unreported | wrongly_reported | alarmed | missing <= shown
    assert len(shown) + sum(values["others"].values()) == 120
    both = len({*range(1, 91)} - unreported - shown)
    assert values["others"] == {"both": both, "only_done": 0, "only_reported": 0, "neither": 28}


def test_the_error_of_the_time_left_is_between_the_first_step_and_the_last() -> None:
    exact = reported(len(LABELS), 4, end=35)
    later = dataclasses.replace(exact, left_seconds=exact.left_seconds + np.float32(3))
    late_only_outside = exact.left_seconds.copy()
    late_only_outside[[0, 4, 35, 39]] += 100
    truth = known(truth_of_labels(LABELS))
    errors = [
        procedure_values(one, truth, FPS)["left_error"]
        for one in (exact, later, dataclasses.replace(exact, left_seconds=late_only_outside))
    ]
    assert errors == [0, 3, 0]


def test_a_video_without_steps_has_no_truth_to_draw_and_no_error() -> None:
    truth = known(truth_of_labels(np.zeros(6, dtype=np.int64)))
    values = procedure_values(reported(6, 2), truth, FPS)
    assert (values["left_error"], values["next_frames"]) == (None, 0)
    assert (truth_values(truth, 6)["first"], truth_values(truth, 6)["end"]) == (None, None)


@pytest.mark.parametrize("has_truth", [True, False])
@pytest.mark.parametrize("num_frames", [1, 40])
def test_the_picture_of_a_video_has_the_time_left_and_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_frames: int, has_truth: bool
) -> None:
    labels, texts = LABELS[-num_frames:], list[str]()
    monkeypatch.setattr(Canvas, "text", lambda _, x, y, text, *rest, **more: texts.append(text))
    monkeypatch.setattr(Canvas, "text_upwards", lambda _, x, y, text, *rest: texts.append(text))
    plain = delayed(labels, 0, 4)
    procedure = dataclasses.replace(plain, procedure=reported(num_frames, 4))
    info = PredictionInfo(NAMES, [0], FPS)
    for prediction, is_there in ((plain, False), (procedure, True)):
        texts.clear()
        plot_video(tmp_path / "v.png", "v", labels if has_truth else None, prediction, info)
        assert [text in texts for text in ("next step", "minutes left", "reported time left")] == [is_there] * 3
        assert ("true time left" in texts) == (is_there and has_truth and num_frames > 1)


# Of runs


def make_kitchen(path: Path, simulated: bool = False) -> Path:
    """Two test videos, of which the first one's mistakes are annotated; the other ones of its task have step 2."""
    training = np.repeat([1, 2, 3], 12)
    info = DatasetInfo("kitchen", NAMES, [0], FPS, {"1": {"train": ["c", "d"], "test": ["a", "b"]}}, simulated)
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for name, labels, track in (
            ("a", LABELS, TRACK),
            ("b", LABELS, None),
            ("c", training, None),
            ("d", training, None),
        ):
            features = {"features": np.zeros((len(labels), 1), dtype=np.float32)}
            writer.add(Video(name, labels, features, task="soup", track=track))
    return path


def make_procedure_run(folder: Path, dataset: Path) -> Path:
    """A run that reports the procedure of both videos."""
    make_run(folder, dataset)
    files = open_predictions(folder / "predictions.h5")
    events = [done(1, 27), Event("missing", 2, 29, 29, 0.9), Event("out of order", 1, 31, 31, 0.8)]
    procedure = reported(len(LABELS), len(NAMES), *events, end=35)
    predictions = [(name, dataclasses.replace(files.read(name), procedure=procedure)) for name in "ab"]
    (folder / "predictions.h5").unlink()
    write_predictions(folder / "predictions.h5", predictions, files.info)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_kitchen(tmp_path_factory.mktemp("data") / "kitchen.h5")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> list[Path]:
    """Two runs that report procedures, and one that does not."""
    folder = tmp_path_factory.mktemp("runs")
    with_procedure = [make_procedure_run(folder / name, dataset) for name in ("one", "two")]
    return [*with_procedure, make_run(folder / "without", dataset)]


def test_the_page_has_the_procedure_of_each_video_and_what_truly_happened(runs: list[Path]) -> None:
    group = page_data(open_runs(runs))["groups"][0]
    for video, own in zip(group["videos"], group["runs"][0]["videos"], strict=True):
        truth = video["procedure"]
        assert (truth["first"], truth["end"]) == (5, 35)
        assert truth["steps"] == [[1, 5, 25], [3, 25, 35]]
        assert [row["label"] for row in own["procedure"]["rows"]] == [1, 3, 2]
        assert own["procedure"]["left_error"] == 0
    annotated, unknown = (video["procedure"] for video in group["videos"])
    assert (annotated["is_annotated"], annotated["missing"], len(annotated["mistakes"])) == (True, [2], 2)
    assert (unknown["is_annotated"], unknown["missing"], unknown["mistakes"]) == (False, [], [])


def test_runs_without_procedures_have_none_on_the_page(runs: list[Path]) -> None:
    group = page_data(open_runs(runs))["groups"][0]
    assert [[bool(video["procedure"]) for video in run["videos"]] for run in group["runs"]] == [
        [True] * 2, [True] * 2, [False] * 2,
    ]  # fmt: skip
    alone = page_data(open_runs(runs[2:]))["groups"][0]
    assert [video["procedure"] for video in alone["videos"]] == [None, None]


DRAWN = "[...document.querySelectorAll('.procedure')].filter((one) => one.querySelector('.main-svg')).length"
TEXTS = "document.querySelector('.procedure').innerText"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_draws_procedures_and_hides_them_with_their_run(runs: list[Path], tmp_path: Path, width: int) -> None:
    write_report(tmp_path / "r.html", page_data(open_runs(runs)))

    async def look(tab: Any) -> None:
        await tab.resize(width)
        assert await tab.js("document.querySelectorAll('.procedure').length") == 4, "two runs, two videos"
        await tab.js("for (const one of document.querySelectorAll('.procedure')) one.open = true")
        await tab.js("document.querySelector('.procedure').scrollIntoView()")
        await tab.until(f"{DRAWN} >= 1")
        text = await tab.js(TEXTS)
        assert "0:05 missing: 2" in text
        assert "annotated: Timing Error" in text
        assert "Mistakes without an alarm: out of order: 3 serve %{x}" in text
        drawn = await tab.js("[...document.querySelectorAll('.procedure .annotation')].map((one) => one.textContent)")
        assert "1 cut & <b>chop</b>" in drawn
        assert "missing" in drawn
        assert await tab.js("document.querySelectorAll('img, i').length + (typeof window.EVIL !== 'undefined')") == 0
        assert await tab.js("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut at the side"
        places = "[...document.querySelectorAll('.procedure .annotation')].map((one) => one.getBoundingClientRect())"
        assert await tab.js(f"{places}.every((one) => one.left >= 0 && one.right <= innerWidth)"), "names are whole"
        await tab.js("document.querySelector('.runs input').click()")
        shown = "[...document.querySelectorAll('.procedure')].map((one) => one.hidden)"
        assert await tab.js(shown) == [True, False, True, False]

    opened(tmp_path / "r.html", tmp_path / "profile", look)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the report is not looked at")
def test_a_procedure_of_simulated_data_is_marked_and_its_alarms_are_counted(tmp_path: Path) -> None:
    run = make_procedure_run(tmp_path / "run", make_kitchen(tmp_path / "k.h5", simulated=True))
    write_report(tmp_path / "r.html", page_data(open_runs([run])))

    async def look(tab: Any) -> None:
        summaries = await tab.js("[...document.querySelectorAll('.procedure > summary')].map((one) => one.innerText)")
        assert ["SIMULATED" in text for text in summaries] == [True, True]
        assert "2 alarms (1 right, 1 false)" in summaries[0]
        assert "2 alarms (mistakes are not annotated)" in summaries[1]

    opened(tmp_path / "r.html", tmp_path / "profile", look)


def test_scores_of_a_page_with_procedures_are_those_without(runs: list[Path]) -> None:
    one, _, without = page_data(open_runs(runs))["groups"][0]["runs"]
    for mine, theirs in itertools.zip_longest(one["videos"], without["videos"]):
        assert mine["segments"] == theirs["segments"]
        assert mine["frames"] == theirs["frames"]
