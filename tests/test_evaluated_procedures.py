"""Procedures in metrics.json: by hand, as the verb `procedure` has them, pooled, on the screen and on the page."""

from __future__ import annotations

import dataclasses
import io
import json
import operator
import re
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from protas_gtcc.annotations.mistakes import Mistake, Step, Track
from protas_gtcc.config import PRESETS
from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics import row_sums
from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.evaluation import Evaluation, evaluate_prediction_files, save_evaluation
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.pooled_runs import pool, pooled_scores
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.metrics.procedure import ProcedureRow, procedure_row, score_procedures, weighted_procedures
from protas_gtcc.metrics.procedure_lookups import fit_procedure_lookups
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.procedure.result import Event, Procedure
from protas_gtcc.procedure.tables import Recording
from protas_gtcc.report.detail_files import detail_tables
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.pooled_table import markdown
from protas_gtcc.report.procedure_scores import sentences
from protas_gtcc.report.runs import open_runs
from protas_gtcc.report.tables import print_evaluation
from protas_gtcc.runs.cross_validation import rows_of_run, rows_of_split, summarise
from protas_gtcc.runs.evaluate_run import evaluate_run
from protas_gtcc.runs.known_procedures import KnownTasks, ProcedureScorer, lookups_of, truth_of_video
from protas_gtcc.training.run_directory import RunDirectory
from tests.mstcn_folder import exit_code
from tests.predicted_videos import delayed
from tests.scored_procedures import NUM_CLASSES, alarm, done, random_report, random_truth
from tests.test_procedure_command import run_of
from tests.test_procedure_command import write as write_kitchen
from tests.tiny_procedures import RECORDINGS, features_of, make_procedure_model

CLASSES = ["rest", "cut", "mix", "bake"]
LABELS = {
    "t0": np.repeat([1, 2, 3], 60),
    "t1": np.repeat([1, 2, 3], 60),
    "a": np.repeat([1, 2, 3], [60, 60, 120]),
    "b": np.repeat([1, 3], 60),
}
TASKS = KnownTasks([], [[1, 2, 3]])
FPS = 1.0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of the test videos, a has all steps, and in b the second one is annotated as missing."""
    return write_dataset_of(tmp_path_factory.mktemp("data") / "kitchen.h5", "b")


LACKING = Track((Step(1, 0, 60), Step(3, 60, 120)), missing=(2,))


def write_dataset_of(path: Path, *with_track: str, track: Track = LACKING) -> Dataset:
    """A dataset with one frame a second, of `LABELS`; these videos have the track."""
    info = DatasetInfo("kitchen", CLASSES, [0], FPS, {"1": {"train": ["t0", "t1"], "test": ["a", "b"]}})
    with write_dataset(path, info, {"features": FeatureSet(1)}) as writer:
        for name, labels in LABELS.items():
            features = {"features": np.zeros((len(labels), 1), dtype=np.float32)}
            own = track if name in with_track else None
            writer.add(Video(name, labels, features, subject=f"person {name}", track=own))
    return Dataset(path)


def reported(video: str, off_seconds: float, *events: Event) -> Procedure:
    """A time left that is too long by so much, and baking as the next step at every frame."""
    num_frames = len(LABELS[video])
    left = (num_frames - 1 - np.arange(num_frames) + off_seconds).astype(np.float32)
    probs = np.zeros((4, num_frames), dtype=np.float32)
    probs[3] = 1
    interval = np.stack([np.maximum(left - 90, 0), left + 90])
    return Procedure(left, interval, probs[3], probs, probs[0], 0 * interval, probs, events)


def reports(off_seconds: float = 60.0) -> dict[str, Procedure]:
    """In a, one step is reported done 10 s late, the other never, with a false alarm; b is right."""
    return {
        "a": reported("a", off_seconds, done(1, 70), alarm("out of order", 3, 200)),
        "b": reported("b", 3 * off_seconds, done(1, 60), alarm("missing", 2, 90)),
    }


def write(path: Path, procedures: dict[str, Procedure | None]) -> Path:
    found = {name: dataclasses.replace(delayed(LABELS[name], 0, 4), procedure=one) for name, one in procedures.items()}
    write_predictions(path, found.items(), PredictionInfo(CLASSES, [0], FPS))
    return path


def scorer_of(dataset: Dataset, budget: float | None = 1.0, training: list[str] | None = None) -> ProcedureScorer:
    lookups = lookups_of(dataset, ["t0", "t1"] if training is None else training, TASKS)
    return ProcedureScorer(dataset, TASKS, lookups, budget)


def evaluated(dataset: Dataset, path: Path, scorer: ProcedureScorer | None = None, **changes: Any) -> Evaluation:
    file, scorer = write(path / "predictions.h5", {**reports(), **changes}), scorer or scorer_of(dataset)
    return evaluate_prediction_files(file, dataset, "1", row_of_procedure=scorer.row)


def test_figures_are_those_computed_by_hand(dataset, tmp_path):
    found = evaluated(dataset, tmp_path).metrics["procedure"]
    assert [found[name] for name in ("num_videos", "num_left_out", "budget_per_hour")] == [2, 0, 1]
    assert found["time_left"]["error_minutes"] == pytest.approx((1 + 3) / 2)
    assert found["time_left"]["last_5_error_minutes"] == pytest.approx((1 + 3) / 2)
    assert found["time_left"]["interval_coverage"] == pytest.approx(1 / 2)
    # In the last step of a, the look-up reports 60 s less than is left, and then 0.
    last = (60 * 60 + sum(range(60))) / 120
    assert found["lookups"]["after_last_step"]["time_left"]["error_minutes"] == pytest.approx(
        ((60 + last) / 2 / 60 + (60 + 0) / 2 / 60) / 2
    )
    assert found["next_step"]["at_starts"] == {"top_1": pytest.approx(2 / 3), "top_3": pytest.approx(2 / 3)}
    assert found["done"]["f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["done"]["delay_seconds"] == pytest.approx((10 + 0) / 2)
    hours = (240 + 120) / 3600
    assert found["alarms"]["all"]["false_per_hour"] == pytest.approx(1 / hours)
    assert found["alarms"]["missing"]["recall"] == 1
    assert found["alarms"]["missing"]["delay_seconds"] == pytest.approx(90 - 60)


def test_they_and_their_intervals_over_people_are_those_of_score_procedures(dataset, tmp_path):
    metrics, scorer = evaluated(dataset, tmp_path).metrics, scorer_of(dataset)
    pairs = [(one, truth_of_video(dataset, video, TASKS)) for video, one in reports().items()]
    expected = score_procedures(pairs, FPS, scorer.lookups)
    assert metrics["num_people"] == expected["num_people"] == 2
    for name in ("time_left", "next_step", "done", "alarms", "alarms_by_tag", "lookups"):
        assert metrics["procedure"][name] == expected[name]
        assert metrics["intervals"]["procedure"][name] == expected["intervals"][name]
    assert metrics["intervals"]["procedure"]["time_left"]["error_minutes"] is not None


def test_they_are_the_same_where_the_rows_of_many_videos_are_added_up(dataset, tmp_path, monkeypatch):
    expected = evaluated(dataset, tmp_path).metrics
    monkeypatch.setattr(row_sums, "MOST_ROWS", 1)
    found = evaluated(dataset, tmp_path).metrics
    assert found["procedure"] == expected["procedure"]
    assert found["intervals"]["procedure"] == expected["intervals"]["procedure"]


def test_metrics_json_is_valid_every_figure_is_defined_and_a_note_names_those_that_are_null(dataset, tmp_path):
    evaluation = evaluated(dataset, tmp_path)
    save_evaluation(evaluation, tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["procedure"] == evaluation.metrics["procedure"]
    null = [name for note in evaluation.metrics["notes"] for name in re.findall(r"procedure[^],]+", note)]
    for path, value in leaves({"procedure": evaluation.metrics["procedure"]}):
        assert definition_of(path) is not None, path
        assert path[1] != "lookups" or "interval_coverage" not in path, "look-ups report no intervals"
        assert path[1] == "lookups" or (".".join(path) in null) == (value is None), path
    tables = detail_tables(evaluation.metrics)
    at = list(tables["procedure"]["figure"]).index("time_left.error_minutes")
    assert (tables["procedure"]["value"][at], tables["procedure"]["unit"][at]) == (2.0, "minutes")
    assert "procedure.done.f1" in tables["definitions"]["figure"]


def test_what_is_undefined_is_none_and_a_note_names_it(dataset, tmp_path):
    scorer = scorer_of(dataset, budget=None, training=[])
    metrics = evaluated(dataset, tmp_path, scorer).metrics
    undefined = ("alarms", "alarms_by_tag", "budget_per_hour", "lookups")
    assert [metrics["procedure"][name] for name in undefined] == [None] * 4
    assert [metrics["intervals"]["procedure"][name] for name in undefined] == [None] * 4
    notes = "\n".join(metrics["notes"])
    assert "[null: procedure.lookups]" in notes
    assert "too few held-out recordings without mistakes for the usual budget; 'check RUN' names those" in notes
    json.dumps(metrics, allow_nan=False)


def test_without_annotated_mistakes_a_note_states_that_every_alarm_counts_as_false(dataset, tmp_path):
    unannotated = write_dataset_of(tmp_path / "unannotated.h5")
    text = "no mistake is annotated in the test videos, so every alarm counts as false"
    assert any(text in note for note in evaluated(unannotated, tmp_path).metrics["notes"])
    assert not any(text in note for note in evaluated(dataset, tmp_path).metrics["notes"])
    burnt = Track((Step(1, 0, 60), Step(3, 60, 120)), mistakes=(Mistake(1, 0, 60, "Technique Error"),))
    metrics = evaluated(write_dataset_of(tmp_path / "burnt.h5", "b", track=burnt), tmp_path).metrics
    assert metrics["procedure"]["alarms"]["all"]["num_wrong"] == 0, "no alarm is about such a mistake"
    assert not any(text in note for note in metrics["notes"])


def test_predictions_without_procedures_have_no_such_figures(dataset, tmp_path):
    metrics = evaluated(dataset, tmp_path, a=None, b=None).metrics
    assert "procedure" not in metrics
    assert "procedure" not in metrics["intervals"]
    assert list(sentences(metrics)) == []
    assert "procedure" not in detail_tables(metrics)


def test_a_row_does_not_grow_with_its_recording():
    def numbers(row: Any) -> int:
        if isinstance(row, np.ndarray):
            return row.size
        if isinstance(row, ProcedureRow):
            return numbers(vars(row))
        if isinstance(row, dict):
            return sum(map(numbers, row.values()))
        return sum(map(numbers, row)) if isinstance(row, tuple | list) else 1

    truth = random_truth(3)
    report = random_report(3, truth.num_frames)
    longer = dataclasses.replace(truth, num_frames=50 * truth.num_frames)
    stretched: dict[str, Any] = {
        name: np.repeat(one, 50, axis=-1) for name, one in vars(report).items() if name != "events"
    }
    rows = [procedure_row(report, truth, 1.0), procedure_row(dataclasses.replace(report, **stretched), longer, 1.0)]
    sizes = [numbers(row) for row in rows]
    assert max(sizes) < 2 * min(sizes) < 1000


def test_rows_of_recordings_that_are_left_out_together_may_be_added_up():
    """A sample that has all or none of them keeps every figure; what is left out keeps its name."""
    truths = [random_truth(seed, f"video{seed}") for seed in range(12)]
    steps = [Recording(truth.steps, 0) for truth in truths]
    lookups = fit_procedure_lookups(steps, NUM_CLASSES, FPS)
    rows = [
        procedure_row(random_report(seed, truth.num_frames), truth, FPS, lookups, 1.0)
        for seed, truth in enumerate(truths)
    ]
    rows = [*rows[:5], ProcedureRow(left_out=("unknown",)), *rows[5:], ProcedureRow(left_out=("other",))]
    parts = [rows[:5], rows[5:6], rows[6:10], rows[10:]]
    added = [reduce(operator.add, part) for part in parts]
    of_parts = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [2, 0, 1, 0], [0, 1, 0, 0]], dtype=np.float64)
    of_rows = np.repeat(of_parts, [len(part) for part in parts], axis=1)
    expected, found = weighted_procedures(rows, of_rows, FPS), weighted_procedures(added, of_parts, FPS)
    values, others = (dict(leaves(one)) for one in (found, expected))
    assert values.keys() == others.keys()
    assert len(values) > 100
    for path, value in values.items():
        np.testing.assert_allclose(value, others[path], rtol=1e-9, err_msg=".".join(path))
    assert [row.left_out for row in added] == [(), ("unknown",), (), ("other",)]


def test_the_screen_has_three_lines_about_it(dataset, tmp_path):
    evaluation = evaluated(dataset, tmp_path)
    console = Console(width=80, record=True, markup=False, file=io.StringIO())
    print_evaluation(evaluation, console)
    text = re.sub(r" \[[^]]+\]", "", " ".join(console.export_text().split()))  # without intervals
    assert "Procedure: the time left is off by 2.00 min on average; look-up, given the true steps: .69 min." in text
    assert "Next step, before it starts: likeliest 66.7%, among three 66.7%." in text
    assert "Done list: F1 .83. Alarms: 10.00 false ones an hour (budget 1), 1 of 1 wrong steps named." in text


# Runs of a model


def test_evaluate_has_the_figures_of_the_verb_procedure(tmp_path, capsys):
    kitchen = write_kitchen(tmp_path / "kitchen.h5")
    run = run_of(tmp_path / "run", kitchen, [f"v{number}" for number in range(6)])
    metrics = evaluate_run(RunDirectory(run), Dataset(kitchen), "1", max_pictures=0).metrics
    capsys.readouterr()
    assert exit_code("procedure", kitchen, "--model", run, "--task-inferred", "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    assert metrics["procedure"]["num_videos"] == expected["num_videos"] == 2
    for name in ("time_left", "next_step", "done", "lookups"):
        assert metrics["procedure"][name] == expected[name]
        assert metrics["intervals"]["procedure"][name] == expected["intervals"][name]
    assert json.loads((run / "metrics.json").read_text())["procedure"] == metrics["procedure"]
    assert open_predictions(run / "predictions.h5").read("v6").procedure is not None


def test_a_run_that_does_not_follow_procedures_has_no_such_key(tmp_path):
    kitchen = write_kitchen(tmp_path / "kitchen.h5")
    plain = run_of(tmp_path / "plain", kitchen, ["v0"], learnt=False)
    assert "procedure" not in evaluate_run(RunDirectory(plain), Dataset(kitchen), "1", max_pictures=0).metrics


def test_a_dataset_without_the_training_videos_gives_no_look_ups(tmp_path, capsys):
    kitchen = write_kitchen(tmp_path / "kitchen.h5")
    run = run_of(tmp_path / "run", kitchen, ["elsewhere"])
    metrics = evaluate_run(RunDirectory(run), Dataset(kitchen), "1", max_pictures=0).metrics
    assert metrics["procedure"]["lookups"] is None
    capsys.readouterr()
    assert exit_code("procedure", kitchen, "--model", run, "--task-inferred", "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    assert "lookups" not in expected
    assert metrics["procedure"]["time_left"] == expected["time_left"]


@pytest.fixture
def task_run(tmp_path: Path) -> RunDirectory:
    """A run of a model that knows cake and tea."""
    model = make_procedure_model()
    facts = dataclasses.replace(model.facts, dataset="kitchen", training_videos=[f"r{n}" for n in range(6)])
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run" / "checkpoint.safetensors", model.network, facts)
    return RunDirectory(tmp_path / "run")


def tasks_dataset(path: Path, *test_tasks: str, without: str = "") -> Dataset:
    """The recordings that the model was trained on, but of one task, and a test video of each of these tasks."""
    test = [f"x{number}" for number in range(len(test_tasks))]
    videos = [(f"r{n}", ("cake", "tea")[task], labels) for n, (task, labels) in enumerate(RECORDINGS)]
    videos = [one for one in videos if one[1] != without]
    train = [name for name, _, _ in videos]
    videos += [(name, task, RECORDINGS[0][1]) for name, task in zip(test, test_tasks, strict=True)]
    info = DatasetInfo(
        "kitchen",
        ["rest", "cut", "mix", "serve"],
        [0],
        5.0,
        {"1": {"train": train, "test": test}},
    )
    with write_dataset(path, info, {"features": FeatureSet(5)}) as writer:
        for name, task, labels in videos:
            writer.add(Video(name, labels, {"features": features_of(labels)}, task, f"person of {name}"))
    return Dataset(path)


def test_a_video_of_an_unknown_task_is_left_out_and_named(task_run, tmp_path):
    with_soup = tasks_dataset(tmp_path / "soup.h5", "cake", "soup", "cake")
    metrics = evaluate_run(task_run, with_soup, "1", max_pictures=0).metrics
    assert [metrics["procedure"][name] for name in ("num_videos", "num_left_out")] == [2, 1]
    assert (
        "procedures are scored without 1 video whose task no training video in the dataset has: x1" in metrics["notes"]
    )
    alone = evaluate_run(task_run, tasks_dataset(tmp_path / "cake.h5", "cake", "cake"), "1", max_pictures=0).metrics
    for name in ("time_left", "next_step", "done", "lookups"):
        assert metrics["procedure"][name] == alone["procedure"][name]


def test_a_video_of_a_task_whose_training_videos_the_dataset_lacks_is_left_out_and_named(task_run, tmp_path):
    metrics = evaluate_run(task_run, tasks_dataset(tmp_path / "x.h5", "cake", "tea", without="tea"), "1").metrics
    assert metrics["procedure"]["num_left_out"] == 1
    left_out = "procedures are scored without 1 video whose task no training video in the dataset has: x1"
    assert left_out in metrics["notes"]


def test_where_no_task_is_known_procedures_are_not_scored_and_nothing_fails(task_run, tmp_path):
    soup = tasks_dataset(tmp_path / "soup.h5", "soup", "soup")
    evaluation = evaluate_run(task_run, soup, "1", max_pictures=0)
    assert evaluation.metrics["procedure"] is None
    assert any(note.endswith("x0, x1 [null: procedure]") for note in evaluation.metrics["notes"])
    assert list(sentences(evaluation.metrics)) == []
    assert "procedure" not in detail_tables(evaluation.metrics)


# Several runs


def finished(path: Path, dataset: Dataset, procedures: dict[str, Any], seed: int = 0, preset: str = "default") -> Any:
    """A run directory as training and evaluating leave it; its checkpoint knows no procedures of this dataset."""
    run, base = RunDirectory(path), PRESETS[preset]
    training = dataclasses.replace(base.training, epochs=1, seed=seed)
    run.start(dataclasses.replace(base, dataset=str(dataset.path), split="1", training=training))
    run.write_log([{"epoch": 1}])
    file = write(run.predictions, procedures)
    scorer = scorer_of(dataset)
    save_evaluation(evaluate_prediction_files(file, dataset, "1", row_of_procedure=scorer.row), path)
    return run


def test_runs_are_pooled_so_that_each_test_counts_once(dataset, tmp_path):
    config, scorer = dataclasses.replace(PRESETS["default"], split="1"), scorer_of(dataset)
    files = [open_predictions(write(tmp_path / f"{off}.h5", reports(off))) for off in (60, 120)]
    parts = [rows_of_split(dataset, config, file.read, scorer.row) for file in files]
    one, both = (pooled_scores(pool(runs)) for runs in (parts[:1], parts))
    assert one["procedure"]["time_left"]["error_minutes"] == pytest.approx(2)
    assert both["procedure"]["time_left"]["error_minutes"] == pytest.approx(3)
    assert both["procedure"]["num_videos"] == pytest.approx(2)
    of_one, of_both = (dict(leaves(found["procedure"]["lookups"]["after_last_step"])) for found in (one, both))
    assert of_both == pytest.approx(of_one)
    low, high = both["intervals"]["procedure"]["time_left"]["error_minutes"]
    assert low <= 3 <= high
    plain = rows_of_split(dataset, config, open_predictions(write(tmp_path / "p.h5", dict.fromkeys("ab"))).read)
    assert "procedure" not in pooled_scores(pool([*parts, plain])), "one run does not follow them"


def test_the_table_of_cross_validation_has_rows_of_procedures(dataset, tmp_path, monkeypatch):
    runs = [finished(tmp_path / f"{seed}", dataset, reports(60 + seed), seed) for seed in (0, 1)]
    row_of = scorer_of(dataset).row
    monkeypatch.setattr("protas_gtcc.runs.cross_validation._row_of_procedure", lambda *_: row_of)
    lines = markdown(summarise(runs, dataset)).splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines if line.startswith("|")}
    assert rows["time left, min"].startswith("2.02")
    assert rows["look-up's time left, min"].startswith(".69")
    assert rows["next step, top 1"].startswith("66.7 %")
    assert rows["done list, F1"].startswith(".83")
    assert rows["wrong steps named"].startswith("100.0 %")


def test_look_ups_given_the_true_steps_have_no_difference(dataset, tmp_path, monkeypatch):
    kinds = ("default", "reference")
    runs = [finished(tmp_path / preset, dataset, reports(60), preset=preset) for preset in kinds]
    row_of = scorer_of(dataset).row
    monkeypatch.setattr("protas_gtcc.runs.cross_validation._row_of_procedure", lambda *_: row_of)
    lines = markdown(summarise(runs, dataset)).splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[4].strip() for line in lines if line.count("|") == 5}
    assert rows["time left, min"].startswith(".00")
    assert rows["look-up's time left, min"] == ""


def test_runs_are_scored_again_as_their_evaluation_did(tmp_path):
    kitchen = write_kitchen(tmp_path / "kitchen.h5")
    run = RunDirectory(run_of(tmp_path / "run", kitchen, [f"v{number}" for number in range(6)]))
    config = dataclasses.replace(PRESETS["reference"], dataset=str(kitchen), split="1")
    run.start(dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=1)))
    run.write_log([{"epoch": 1}])
    metrics = evaluate_run(run, Dataset(kitchen), "1", max_pictures=0).metrics
    pooled = pooled_scores(rows_of_run(run, Dataset(kitchen)))
    assert dict(leaves(pooled["procedure"])) == pytest.approx(dict(leaves(metrics["procedure"])))
    run.checkpoint.unlink()
    assert "procedure" not in pooled_scores(rows_of_run(run, Dataset(kitchen))), "the steps of its tasks are unknown"


def test_runs_without_procedures_have_no_such_rows(dataset, tmp_path):
    runs = [finished(tmp_path / "run", dataset, dict.fromkeys("ab"))]
    assert "time left" not in markdown(summarise(runs, dataset))


def test_the_page_has_the_figures_of_each_run_with_intervals(dataset, tmp_path):
    folders = [tmp_path / "with", tmp_path / "without"]
    for folder, procedures in zip(folders, (reports(), dict.fromkeys("ab")), strict=True):
        finished(folder, dataset, procedures)
    one, other = page_data(open_runs(folders))["groups"][0]["runs"]
    assert one["procedure"]["time left, min"][0] == "2.00"
    assert one["procedure"]["done list, F1"][0] == ".83"
    assert one["procedure"]["time left, min"][1].startswith("[")
    assert other["procedure"] is None
