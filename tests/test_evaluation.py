"""Evaluation: the structure of metrics.json, prediction files without a model, undefined figures, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.dataset.file import DatasetInfo, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics import evaluate
from protas_gtcc.metrics.details import definition_of
from protas_gtcc.metrics.evaluation import (
    Evaluation,
    EvaluationInfo,
    evaluate_prediction_files,
    evaluate_videos,
    save_evaluation,
)
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.lookups import LOOKUPS, PER_CLASS
from protas_gtcc.metrics.prediction_csv import write_csv
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo
from tests.checked_data import changed_by_hand
from tests.predicted_videos import delayed, random_labels, without_progress

CLASSES, BACKGROUND, FPS = ["rest", "pour", "stir", "never"], [0], 5.0
INFO = EvaluationInfo("kitchen", "1", simulated=False, feature_set="features", seed=0)
PREDICTION_INFO = PredictionInfo(CLASSES, BACKGROUND, FPS, tasks=["cake", "tea"])
AVERAGES = {"macro", "frame", "video", "segment", "all_frames"}
FIGURES = AVERAGES | {"skill", "r2", "per_class"}


def perfect(labels: np.ndarray) -> Prediction:
    return delayed(labels, 0, len(CLASSES))


def shifted(labels: np.ndarray) -> Prediction:
    return delayed(labels, 2, len(CLASSES))


def labels_of(seed: int) -> np.ndarray:
    return np.concatenate([random_labels(seed, num_classes=3, num_segments=8, most_frames=12), [0, 1, 2]])


TEST = {f"test{seed}": labels_of(seed) for seed in range(4)}
TRAIN = {f"train{seed}": labels_of(seed + 100) for seed in range(6)}


def evaluate_with(predict: Any, videos: dict[str, np.ndarray] = TEST, **changes: Any) -> Evaluation:
    triples = ((name, labels, predict(labels)) for name, labels in videos.items())
    return evaluate_videos(triples, TRAIN.values(), CLASSES, BACKGROUND, replace(INFO, **changes), FPS)


@pytest.fixture
def dataset_file(tmp_path: Path) -> Path:
    empty: list[str] = []
    splits = {"1": {"train": list(TRAIN), "test": list(TEST)}, "2": {"train": empty, "test": empty}}
    info = DatasetInfo("kitchen", CLASSES, BACKGROUND, FPS, splits)
    with write_dataset(tmp_path / "kitchen.h5", info, {}) as writer:
        for name, labels in (TRAIN | TEST).items():
            writer.add(Video(name, labels, {}))
    return tmp_path / "kitchen.h5"


def test_metrics_have_the_agreed_structure_and_intervals_repeat_it() -> None:
    metrics = evaluate_with(shifted).metrics
    head = {"dataset", "split", "simulated", "feature_set", "seed", "versions", "control", "task_given"}
    head |= {"num_videos", "num_people"}
    details = {"best_lookups", "margin", "breakdowns", "curves", "online", "certainty"}
    assert set(metrics) == head | details | {"segmentation", "progress", "baselines", "intervals", "notes"}
    assert set(metrics["baselines"]) == set(LOOKUPS)
    for figures in metrics["baselines"].values():
        assert set(figures) == {"oracle_segments", "predicted_segments"}
        assert all(set(one) == FIGURES for one in figures.values())
    assert set(metrics["progress"]["oracle"]) == FIGURES
    assert set(metrics["progress"]) == {"predicted", "oracle", "background_false_progress"}
    assert set(metrics["progress"]["predicted"]["per_class"]) == {"pour", "stir"}
    assert_intervals_hold(metrics, metrics["intervals"])


def assert_intervals_hold(figures: Any, intervals: Any) -> None:
    if isinstance(intervals, dict):
        for name, branch in intervals.items():
            assert_intervals_hold(figures[name], branch)
    elif intervals is None:  # a count, or a part of a breakdown that one video or none shows
        assert figures is None or isinstance(figures, int | float)
    else:
        low, high = intervals
        assert low <= high
        assert isinstance(figures, float)


@pytest.mark.parametrize("fps", [FPS, None])
def test_every_detailed_figure_has_its_definition(fps: float | None) -> None:
    videos = [("a", TEST["test0"], shifted(TEST["test0"]))]
    metrics = evaluate_videos(videos, [], CLASSES, BACKGROUND, INFO, fps).metrics
    families = ("progress", "baselines", "margin", "breakdowns", "curves", "online")
    for path, _ in leaves({family: metrics[family] for family in families}):
        assert path == ("breakdowns", "length_seconds") or definition_of(path) is not None, path


def test_without_frames_per_second_notes_name_the_missing_figures() -> None:
    videos = [(name, labels, shifted(labels)) for name, labels in TEST.items()]
    metrics = evaluate_videos(videos, TRAIN.values(), CLASSES, BACKGROUND, INFO).metrics
    assert metrics["breakdowns"]["length_seconds"] is None
    assert metrics["online"]["false_starts_per_hour"] is None
    assert metrics["online"]["first_delay_frames"] == pytest.approx(2, abs=1)
    assert any("frames per second are unknown" in note for note in metrics["notes"])
    assert any("no test action frame has the length in frames" in note for note in metrics["notes"])


def test_a_perfect_prediction_has_no_error_and_a_late_one_has() -> None:
    metrics = evaluate_with(perfect).metrics
    assert set(metrics["segmentation"].values()) == {100.0}
    assert all(metrics["progress"][which]["frame"] == 0 for which in ("predicted", "oracle"))
    assert metrics["progress"]["background_false_progress"] == 0
    assert metrics["margin"]["predicted"]["frame"]["share"] == 1
    assert metrics["curves"]["predicted"]["fall_share"] == 0
    assert metrics["online"]["first_delay_seconds"] == metrics["online"]["never_stable"] == 0
    late = evaluate_with(shifted).metrics
    assert late["online"]["first_delay_seconds"] > 0
    assert late["segmentation"]["acc"] < 100
    assert late["progress"]["predicted"]["frame"] > 0
    assert late["progress"]["background_false_progress"] > 0


def test_skill_is_measured_between_the_best_constant_and_the_best_look_up_given_the_truth() -> None:
    metrics = evaluate_with(shifted).metrics
    baselines, given = metrics["baselines"], "oracle_segments"
    constant = baselines["best_constant"][given]["all_frames"]
    of_class = {name: baselines[name][given]["all_frames"] for name in PER_CLASS}
    best = min(of_class, key=of_class.__getitem__)
    error = metrics["progress"]["predicted"]["all_frames"]
    expected = (constant - error) / (constant - of_class[best])
    assert metrics["progress"]["predicted"]["skill"] == pytest.approx(expected)
    low, high = metrics["intervals"]["progress"]["predicted"]["skill"]
    assert low < expected < high
    assert baselines[best][given]["skill"] == pytest.approx(1)
    assert baselines["best_constant"][given] == baselines["best_constant"]["predicted_segments"]
    assert baselines["best_constant"][given]["skill"] == 0
    assert max(baselines[name][given]["skill"] for name in PER_CLASS) == baselines[best][given]["skill"]


def test_without_training_videos_skill_is_null_and_the_note_says_why() -> None:
    triples = ((name, labels, shifted(labels)) for name, labels in TEST.items())
    metrics = evaluate_videos(triples, [], CLASSES, BACKGROUND, INFO, FPS).metrics
    assert metrics["progress"]["predicted"]["skill"] is metrics["intervals"]["progress"]["predicted"]["skill"] is None
    assert set(metrics["baselines"]) == {"half", "constant", "random"}
    assert any("that skill compares with are absent, so skill is undefined" in note for note in metrics["notes"])


def test_every_look_up_has_its_rank_correlation_its_ends_and_its_error_by_length() -> None:
    metrics = evaluate_with(shifted).metrics
    best = metrics["best_lookups"]
    for segments in ("oracle_segments", "predicted_segments"):
        curves = metrics["curves"]["lookups"][segments]
        assert set(curves) == set(LOOKUPS)
        assert curves["half"]["rank_correlation"] == 0
        assert curves["half"]["last_error"] == pytest.approx(0.5)
        compared = f"best_lookup_{segments}"
        name = best[segments]["frame"]
        assert curves[name].items() <= metrics["curves"][compared].items()
        for part in metrics["breakdowns"]["length_seconds"].values():
            assert part["lookups"][segments][name] == part[compared]["error"]
    # Given the true segments, counting rises with time.
    assert metrics["curves"]["lookups"]["oracle_segments"]["mean_duration_class"]["rank_correlation"] > 0.7


def test_look_ups_on_true_segments_do_not_depend_on_the_prediction_but_those_on_predicted_do() -> None:
    good, late = (evaluate_with(predict).metrics["baselines"]["average_index_class"] for predict in (perfect, shifted))
    assert good["oracle_segments"] == good["predicted_segments"] == late["oracle_segments"]
    assert late["predicted_segments"]["frame"] > late["oracle_segments"]["frame"]


def test_progress_of_a_model_without_a_progress_head_is_null_not_zero() -> None:
    metrics = evaluate_with(without_progress).metrics
    assert metrics["progress"] == {"predicted": None, "oracle": None, "background_false_progress": None}
    assert metrics["margin"] == {"predicted": None, "oracle": None}
    assert metrics["curves"]["predicted"] is None
    assert metrics["breakdowns"]["occurrence"]["first"]["predicted"] is None
    assert metrics["online"]["never_found"] is not None
    assert any("reports no progress" in note for note in metrics["notes"])
    assert metrics["baselines"]["constant"]["predicted_segments"]["frame"] is not None


def test_undefined_figures_are_null_and_noted(tmp_path: Path) -> None:
    only_background = evaluate_with(perfect, {"quiet": np.zeros(5, dtype=np.int64)})
    metrics = only_background.metrics
    assert metrics["progress"]["predicted"] == {
        **dict.fromkeys(("macro", "frame", "video", "segment", "r2", "skill")),
        "all_frames": 0,
        "per_class": {},
    }
    assert metrics["segmentation"]["acc_no_background"] is None
    assert metrics["intervals"]["segmentation"]["acc"] is None
    of_actions = dict.fromkeys(AVERAGES - {"all_frames"})
    assert metrics["best_lookups"]["predicted_segments"] == {**of_actions, "all_frames": "constant"}
    assert metrics["margin"]["predicted"] == {**of_actions, "all_frames": {"error": 0, "share": None}}
    assert metrics["curves"]["predicted"]["rank_correlation"] is None
    notes = " ".join(metrics["notes"])
    assert "curves.predicted.rank_correlation" in notes
    assert "every test frame is background" in notes
    assert "at least two" in notes
    save_evaluation(only_background, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_a_class_of_one_video_has_a_figure_but_no_interval() -> None:
    videos = {"a": np.array([0, 1, 1, 2]), "b": np.array([0, 1, 1, 1])}
    metrics = evaluate_with(shifted, videos).metrics
    per_class = metrics["intervals"]["progress"]["predicted"]["per_class"]
    assert per_class["stir"] is None
    assert per_class["pour"] is not None
    assert any("never" in note for note in metrics["notes"])


def test_the_per_class_file_has_a_row_a_class_and_every_look_up(tmp_path: Path) -> None:
    save_evaluation(evaluate_with(shifted), tmp_path)
    table = pd.read_csv(tmp_path / "per_class.csv").set_index("name")
    true = np.concatenate(list(TEST.values()))
    assert table.index.tolist() == CLASSES
    assert table.loc["pour", "frames"] == (true == 1).sum()
    assert table.loc["pour", "seconds"] == pytest.approx((true == 1).sum() / FPS)
    estimate = np.concatenate([np.roll(labels, 2) for labels in TEST.values()])
    both = ((true == 2) & (estimate == 2)).sum()
    assert table.loc["stir", "accuracy"] == pytest.approx(both / (true == 2).sum(), abs=1e-5)
    assert table.loc["stir", "precision"] == pytest.approx(both / (estimate == 2).sum(), abs=1e-5)
    assert table["progress_mae_predicted"].isna()["rest"]
    assert table["accuracy"].isna()["never"]
    for name in LOOKUPS:
        assert np.isfinite(table.loc["pour", [f"{name}_on_true", f"{name}_on_predicted"]].astype(float)).all()


def test_prediction_files_of_both_kinds_score_as_the_arrays_do(tmp_path: Path, dataset_file: Path) -> None:
    predictions = {name: shifted(labels) for name, labels in TEST.items()}
    write_predictions(tmp_path / "predictions.h5", predictions.items(), PREDICTION_INFO)
    for name, prediction in predictions.items():
        write_csv(tmp_path / "csv", name, prediction, PREDICTION_INFO, every_class=True)
    expected = evaluate_with(shifted).metrics
    for path in (tmp_path / "predictions.h5", tmp_path / "csv"):
        found = evaluate_prediction_files(path, dataset_file, "1").metrics
        assert found["segmentation"] == expected["segmentation"]
        for which in ("predicted", "oracle"):
            assert found["progress"][which]["frame"] == pytest.approx(expected["progress"][which]["frame"], abs=1e-5)


@pytest.mark.parametrize("people", ["AABB", "AAAA", "AAB?"])
def test_intervals_are_over_the_people_that_a_dataset_names(tmp_path: Path, people: str) -> None:
    info = DatasetInfo("kitchen", CLASSES, BACKGROUND, FPS, {"1": {"train": list(TRAIN), "test": list(TEST)}})
    with write_dataset(tmp_path / "kitchen.h5", info, {}) as writer:
        for number, (name, labels) in enumerate((TEST | TRAIN).items()):
            person = people[number].strip("?") if name in TEST else "C"
            writer.add(Video(name, labels, {}, subject=person))
    predictions = [(name, shifted(labels)) for name, labels in TEST.items()]
    write_predictions(tmp_path / "p.h5", predictions, PREDICTION_INFO)
    metrics = evaluate_prediction_files(tmp_path / "p.h5", tmp_path / "kitchen.h5", "1").metrics
    assert metrics["num_people"] == {"AABB": 2, "AAAA": 1, "AAB?": None}[people]
    by_video = evaluate_with(shifted).metrics
    assert metrics["segmentation"] == by_video["segmentation"]
    interval, of_videos = (one["intervals"]["segmentation"]["acc"] for one in (metrics, by_video))
    if people == "AAAA":
        assert interval is None
        assert any("they need at least two people, and there is one" in note for note in metrics["notes"])
    else:
        assert (interval == of_videos) == (people == "AAB?")
    predicted, named = [one for _, one in predictions], [person.strip("?") for person in people]
    from_arrays = evaluate(predicted, list(TEST.values()), BACKGROUND, class_names=CLASSES, people=named)
    assert from_arrays["intervals"]["segmentation"]["acc"] == interval


def test_files_with_labels_and_progress_only_have_no_oracle_figures(tmp_path: Path, dataset_file: Path) -> None:
    for name, labels in TEST.items():
        table = pd.DataFrame({"label": labels, "progress": progress_target(labels, BACKGROUND)})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"label": [0], "progress": [0]}).to_csv(tmp_path / "other.csv", index=False)
    metrics = evaluate_prediction_files(tmp_path, dataset_file, "1").metrics
    assert metrics["progress"]["predicted"]["frame"] == pytest.approx(0, abs=1e-6)
    assert metrics["progress"]["oracle"] is None
    assert any("1 predictions of other videos were not scored" in note for note in metrics["notes"])


def test_scoring_prediction_files_does_not_load_torch() -> None:
    code = "import sys, protas_gtcc.metrics.evaluation, protas_gtcc.report.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def whole(labels: np.ndarray) -> Prediction:
    """A prediction with all that one can have."""
    probs = (np.arange(len(CLASSES))[:, None] == labels).astype(np.float32)
    interval = np.linspace(0, 1, 2 * len(labels), dtype=np.float32).reshape(2, -1)
    remaining = np.linspace(9, 0, len(labels), dtype=np.float32)
    ends = np.stack([remaining / 2, remaining * 2])
    tasks = np.stack([remaining / 9, 1 - remaining / 9])
    known = replace(shifted(labels), probs=probs, interval=interval, task_probs=tasks)
    return replace(known, remaining_seconds=remaining, remaining_interval=ends)


@pytest.mark.parametrize("kind", ["hdf5", "csv"])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str) -> None:
    written, path = whole(TEST["test0"]), tmp_path / ("p.h5" if kind == "hdf5" else "folder")
    if kind == "hdf5":
        write_predictions(path, [("P01/cam 2", written)], PREDICTION_INFO)
        assert open_predictions(path).info == PREDICTION_INFO
    else:
        write_csv(path, "P01/cam 2", written, PREDICTION_INFO, every_class=True)
        written = replace(written, task_probs=None)  # the table names the likeliest task alone, and it is not read
    files = open_predictions(path, CLASSES)
    (name,) = files.video_names
    np.testing.assert_array_equal(files.read_labels(name), written.labels)
    for field, values in vars(files.read(name)).items():
        expected = getattr(written, field)
        if expected is None:
            assert values is None
            continue
        np.testing.assert_allclose(values, expected, 0 if kind == "hdf5" else 1e-5, 1e-6, err_msg=field)


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_rounded_times_miss_no_row(tmp_path: Path, decimals: int) -> None:
    rows = [f"{frame / 8:.{decimals}f},0,0" for frame in range(80)]
    (tmp_path / "a.csv").write_text("\n".join(["time_seconds,label,progress", *rows]))
    assert len(open_predictions(tmp_path, CLASSES).read_labels("a")) == 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: {"reported": one.reported[:3]}, r"video a: labels are \(\d+,\), progress is \(3,\)"),
        (lambda one: {"interval": one.interval[::-1, ::-1]}, r"interval is 1 to 0.496183; expected ends in \[0, 1\]"),
        (lambda one: {"remaining_seconds": one.remaining_seconds - 10}, "frame 0: -1 seconds remain"),
        (lambda one: {"remaining_interval": one.remaining_interval[::-1]}, "frame 0: 18 to 4.5 seconds remain"),
        (lambda one: {"interval": np.zeros((3, len(one.labels)))}, r"interval is \(3, \d+\); expected \[2, T\]"),
    ],
)
def test_what_cannot_be_a_prediction_is_not_written(tmp_path: Path, change: Any, message: str) -> None:
    one = whole(TEST["test0"])
    with pytest.raises(InputError, match=message):
        write_predictions(tmp_path / "p.h5", [("a", replace(one, **change(one)))], PREDICTION_INFO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,score\n0,0\n", "has no column progress"),
        ("label,progress\n0,0\n1,1.5\n", "frame 1: progress is 1.5"),
        ("label,progress\npour,0\n", "frame 0: the label is not a class id"),
        ("label,name,progress\n1,pour,0\n2,pour,0\n", "line 3: class 2 is called 'pour' here, but 'stir'"),
        ("label,progress\n0,0\n", "video test0: the estimate has shape"),
        ("", "is empty; write it again"),
        ("label,progress\n0,0,7\n", "line 2: 3 cells where the first row has 2"),
        ("label,progress,label\n0,0,7\n", "has the columns label twice"),
        ("frame,label,progress\n0,0,0\n2,0,0\n", "line 3: frame '2' where 1 was expected, of 0 to 1, each once"),
        ("frame,label,progress\n1,0,0\n0,0,0\n1,0,0\n", "line 4: frame '1' where 2 was expected"),
        ("frame,label,progress\nx,0,0\n", "line 2: frame 'x' where 0 was expected"),
        ("Frame,label,progress\n1,0,0\n1,0,0\n", "line 2: frame '1' where 0 was expected"),
        ("frame,Frame,label,progress\n0,0,0,0\n", "has the columns frame twice; keep one"),
        ("time_seconds,label,progress\n0.2,0,0\n0,0,0\n", "line 3: the time '0' does not follow '0.2'; sort the rows"),
        ("Time_Seconds,label,progress\n0,0,0\n0,0,0\n", "line 3: the time '0' does not follow '0'; sort the rows"),
        ("time_seconds,label,progress\n0,0,0\nsoon,0,0\n", "line 3: the time 'soon' does not follow '0'"),
        (
            "time_seconds,label,progress\n0,0,0\n.10,0,0\n.20,0,0\n.40,0,0\n",
            "line 5: the time '.40' does not follow '.20', where others follow after 0.1 s; add",
        ),
        ("label,progress,probability\n0,0,1\n0,0,7\n", "line 3: probability is 7; expected a value from 0 to 1"),
        ("label,progress,probability\n0,0,\n", "line 2: probability is nan; expected a value from 0 to 1"),
        ("label,progress,NAME\n1,0,stir\n", "line 2: class 1 is called 'stir' here, but 'pour'"),
        (f"label,progress\n{'0' * 200_000},0\n", "field larger than field limit"),
        (b"label,progress\n0,0\n".decode() + "\udc85", "cannot read"),
    ],
)
def test_bad_csv_files_are_refused(tmp_path: Path, dataset_file: Path, content: str, message: str) -> None:
    for name in TEST:
        (tmp_path / f"{name}.csv").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=message):
        evaluate_prediction_files(tmp_path, dataset_file, "1")


def test_rows_of_a_csv_file_may_be_in_any_order(tmp_path: Path) -> None:
    one = whole(TEST["test0"])
    path = write_csv(tmp_path, "a", one, PREDICTION_INFO, every_class=True)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *np.random.default_rng(0).permutation(rows)]))
    found = open_predictions(tmp_path, CLASSES).read("a")
    np.testing.assert_array_equal(found.labels, one.labels)
    np.testing.assert_allclose(found.reported, one.reported, atol=1e-6)
    np.testing.assert_allclose(found.probs, one.probs, atol=1e-6)


@pytest.mark.parametrize("headings", ["Frame,TIME_SECONDS,Label,Progress", " frame,time_seconds , label,PROGRESS"])
def test_names_of_columns_may_be_in_any_case(tmp_path: Path, headings: str) -> None:
    (tmp_path / "a.csv").write_text(f"{headings}\n2,0.2,2,0.5\n0,0,0,0\n1,0.1,1,0.25\n\n")
    found = open_predictions(tmp_path, CLASSES).read("a")
    assert found.labels.tolist() == [0, 1, 2]
    assert found.reported.tolist() == [0, 0.25, 0.5]


@pytest.mark.parametrize("names", [["None", "null"], ["NA", "nan"], ["00", "1.0"], ["True", "1e5"], ["a,b", 'c"d']])
def test_our_own_csv_is_read_whatever_classes_are_called(tmp_path: Path, names: list[str]) -> None:
    labels = np.array([0, 1, 1, 0])
    one = Prediction(labels, np.full((2, 4), 0.5, np.float32), None, np.zeros(4, np.float32))
    write_csv(tmp_path, "a", one, PredictionInfo(names, [0], 1.0), every_class=True)
    assert open_predictions(tmp_path, names).read("a").labels.tolist() == labels.tolist()


def test_each_frame_of_a_long_video_has_a_time_of_its_own(tmp_path: Path) -> None:
    labels = np.zeros(400_000, dtype=np.int64)
    path = write_csv(tmp_path, "a", Prediction(labels, None, None, labels.astype(np.float32)), PREDICTION_INFO)
    times = [line.split(",")[1] for line in path.read_text().splitlines()[1:]]
    assert len(set(times)) == len(labels)
    assert float(times[-1]) == pytest.approx((len(labels) - 1) / PREDICTION_INFO.fps, abs=1e-6)


def test_missing_foreign_and_incomplete_predictions_are_refused(tmp_path: Path, dataset_file: Path) -> None:
    with pytest.raises(InputError, match="no predictions at"):
        open_predictions(tmp_path / "absent.h5")
    with pytest.raises(InputError, match=r"not protas_gtcc predictions"):
        open_predictions(dataset_file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.csv files"):
        open_predictions(tmp_path / "empty")
    (tmp_path / "broken.h5").write_bytes(b"not one")
    with pytest.raises(InputError, match="not a whole HDF5 file"):
        open_predictions(tmp_path / "broken.h5")
    one = [("test0", shifted(TEST["test0"]))]
    write_predictions(tmp_path / "one.h5", one, PREDICTION_INFO)
    with pytest.raises(InputError, match="lacks 3 of the 4 test videos of split 1: test1, test2, test3"):
        evaluate_prediction_files(tmp_path / "one.h5", dataset_file, "1")
    write_predictions(tmp_path / "other.h5", one, replace(PREDICTION_INFO, class_names=["rest", "stir"]))
    with pytest.raises(InputError, match="one is 'stir' where 'pour' was expected"):
        evaluate_prediction_files(tmp_path / "other.h5", dataset_file, "1")
    with pytest.raises(InputError, match="no test video to score"):
        evaluate_prediction_files(tmp_path / "one.h5", dataset_file, "2")


def test_prediction_files_of_another_version_or_damaged_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    for damage, message in (
        (lambda f: f.attrs.__setitem__("format_version", 1), "this program reads 2; predict again"),
        (lambda f: f.attrs.__setitem__("format_version", 9), "this program reads 2; upgrade"),
        (lambda f: f["num_frames"].__setitem__(0, 3), r"is damaged: labels should be \[3\].*; predict again"),
        (lambda f: f.attrs.__delitem__("fps"), r"is damaged: .*fps.*; predict again"),
        (lambda f: f.__delitem__("reported"), r"is damaged: .*reported.*; predict again"),
    ):
        write_predictions(path, [("a", shifted(TEST["test0"]))], PREDICTION_INFO)
        with changed_by_hand(path) as file:
            damage(file)
        with pytest.raises(InputError, match=message):
            open_predictions(path).read("a")


def test_labels_and_reported_progress_are_enough_for_another_programs_file(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    written = shifted(TEST["test0"])
    write_predictions(path, [("a", written)], PREDICTION_INFO)
    with changed_by_hand(path) as file:
        del file["videos"]
    prediction = open_predictions(path).read("a")
    np.testing.assert_array_equal(prediction.labels, written.labels)
    assert prediction.probs is prediction.progress is None


def test_an_unknown_feature_set_is_refused_though_no_features_are_read(tmp_path: Path, dataset_file: Path) -> None:
    write_predictions(tmp_path / "p.h5", [(name, shifted(one)) for name, one in TEST.items()], PREDICTION_INFO)
    with pytest.raises(InputError, match="no feature set 'i3d'"):
        evaluate_prediction_files(tmp_path / "p.h5", dataset_file, "1", "i3d")


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    write_predictions(path, [("a", shifted(TEST["test0"]))], PREDICTION_INFO)
    twice = [("b", shifted(TEST["test0"]))] * 2
    with pytest.raises(InputError, match="b is predicted twice"):
        write_predictions(path, twice, PREDICTION_INFO)
    assert open_predictions(path).video_names == ["a"]
    assert list(tmp_path.iterdir()) == [path]


def test_labels_outside_the_classes_name_video_and_frame() -> None:
    with pytest.raises(InputError, match="video a: frame 2: predicted class 7 is not one of 4 classes"):
        evaluate_with(lambda _: without_progress(np.array([0, 1, 7])), {"a": np.array([0, 1, 1])})
