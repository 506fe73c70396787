"""Figures pooled over runs: against plain loops, by hand, and against one run's own evaluation."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protas_gtcc.annotations.segments import progress_by_class, progress_target
from protas_gtcc.config import DEFAULT, PRESETS, ModelConfig
from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.evaluation import evaluate_prediction_files, save_evaluation
from protas_gtcc.metrics.left_out import Rows, leave_out
from protas_gtcc.metrics.lookups import fit_lookups
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pool, pooled_scores
from protas_gtcc.metrics.pooling import collect_rows, figures
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.predictions import Prediction, PredictionInfo, reported_progress
from protas_gtcc.report.pooled_table import MAIN, MOST_ON_SCREEN, long_table, main_figures, markdown
from protas_gtcc.runs.cross_validation import group_runs, rows_of_run, summarise
from protas_gtcc.storage.atomic import write_text
from protas_gtcc.storage.yaml_configs import to_yaml
from protas_gtcc.training.run_directory import RunDirectory
from tests.predicted_videos import random_labels

CLASSES, BACKGROUND = ["rest", "pour", "stir.slowly"], [0]


def labels_of(seed: int) -> np.ndarray:
    return np.concatenate([random_labels(seed, num_classes=3, num_segments=8, most_frames=12), [1, 2]])


VIDEOS = {f"v{number}": labels_of(number) for number in range(6)}
LOOKUPS = fit_lookups([labels_of(number) for number in range(100, 106)], 3, BACKGROUND)


def blurred(labels: np.ndarray, seed: int, share: float = 0.3) -> Prediction:
    """A prediction that is wrong in some frames."""
    random = np.random.default_rng(seed)
    wrong = np.where(random.random(len(labels)) < share, random.integers(0, 3, len(labels)), labels)
    progress = progress_by_class(labels, progress_target(labels, BACKGROUND), 3)
    progress = np.clip(progress + random.normal(0, 0.1, progress.shape), 0, 1).astype(np.float32)
    return Prediction(wrong, None, progress, reported_progress(progress, wrong, BACKGROUND))


def triples(videos: list[str], seed: int, share: float = 0.3) -> list[tuple[str, np.ndarray, Prediction]]:
    return [(name, VIDEOS[name], blurred(VIDEOS[name], 10 * seed + int(name[1:]), share)) for name in videos]


def one_run(videos: list[str], split: str, seed: int, share: float = 0.3) -> PooledRows:
    rows = collect_rows(triples(videos, seed, share), LOOKUPS, CLASSES, BACKGROUND)
    return PooledRows(rows, [(video, split) for video in videos])


def assert_close(one: object, other: object, seeds: int = 1) -> None:
    if isinstance(one, dict):
        for name, branch in one.items():
            assert_close(branch, other[name], seeds)  # type: ignore[index]
    elif type(one) is int:
        assert one / seeds == pytest.approx(other), "counts are of one seed"
    else:
        assert one == pytest.approx(other)


def test_pooled_figures_are_those_of_one_evaluation_of_all_tests():
    parts = [("1", ["v0", "v1"]), ("2", ["v2", "v3", "v4"])]
    pooled = pool([one_run(videos, split, seed) for split, videos in parts for seed in range(3)])
    everything = [triple for _, videos in parts for seed in range(3) for triple in triples(videos, seed)]
    assert_close(figures(collect_rows(everything, LOOKUPS, CLASSES, BACKGROUND)), pooled_scores(pooled), seeds=3)


def test_a_test_counts_once_however_many_seeds_it_has():
    complete = pool([one_run(["v0", "v1"], "1", 0), one_run(["v2", "v3"], "2", 0)])
    same_again = pool([*[one_run(["v0", "v1"], "1", 0)] * 3, one_run(["v2", "v3"], "2", 0)])
    assert_close(pooled_scores(complete)["segmentation"], pooled_scores(same_again)["segmentation"])
    assert_close(paired_differences(complete, same_again)["progress"]["predicted"]["frame"], 0)


def slowly_left_out(pooled: PooledRows) -> list[list[float]]:
    """Twin of the weights: take rows away, and let those of a test that are left share 1."""
    tests = pooled.tests
    run_of_row = [tests[:row].count(test) for row, test in enumerate(tests)]

    def shares(kept: list[bool]) -> list[float]:
        left = [test for test, stays in zip(tests, kept, strict=True) if stays]
        return [1 / left.count(test) if stays else 0.0 for test, stays in zip(tests, kept, strict=True)]

    everything = shares([True] * len(tests))
    rows = [everything]
    for video in pooled.videos:
        rows.append([0.0 if test[0] == video else share for test, share in zip(tests, everything, strict=True)])
    for split in dict.fromkeys(split for _, split in tests):
        runs = {run for run, test in zip(run_of_row, tests, strict=True) if test[1] == split}
        for gone in sorted(runs) if len(runs) > 1 else []:
            rows.append(shares([(test[1], run) != (split, gone) for test, run in zip(tests, run_of_row, strict=True)]))
    return rows


def left_out(pooled: PooledRows) -> np.ndarray:
    return leave_out(Rows(pooled.rows.clusters, pooled.tests))[0][0]


def test_weights_leave_out_each_video_and_each_run_of_a_split_with_several():
    pooled = pool([*(one_run(["v0", "v1", "v2"], "1", seed) for seed in range(3)), one_run(["v2", "v3"], "2", 0)])
    weights = left_out(pooled)
    assert len(weights) == 1 + 4 + 3
    np.testing.assert_allclose(weights, slowly_left_out(pooled))


def test_a_video_is_the_unit_whatever_its_seeds_and_splits():
    pooled = pool([*(one_run(["v0", "v1"], "1", seed) for seed in range(4)), one_run(["v1"], "2", 0)])
    assert pooled.videos == ["v0", "v1"]
    without_v1 = left_out(pooled)[2]
    assert [weight > 0 for weight in without_v1] == [video == "v0" for video, _ in pooled.tests]
    single = pool([one_run(["v1"], split, seed) for split in "12" for seed in range(3)])
    assert pooled_scores(single)["intervals"]["segmentation"]["acc"] is None, "one video has no interval"


def test_a_person_is_the_unit_in_all_splits():
    rows = [one_run(["v0", "v1"], "1", 0), one_run(["v2", "v3"], "2", 0)]
    people = [("P1", "P2"), ("P2", "P3")]
    named = [PooledRows(replace(one.rows, people=who), one.tests) for one, who in zip(rows, people, strict=True)]
    weights = left_out(pool(named))
    np.testing.assert_array_equal(weights, [[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 0]])
    assert pool([named[0], rows[1]]).rows.clusters == ("v0", "v1", "v2", "v3"), "one person is unknown"


def test_kinds_that_are_compared_share_their_videos_and_not_their_runs():
    one, other = (pool([one_run(["v0", "v1"], "1", seed) for seed in range(count)]) for count in (2, 3))
    weights, groups = leave_out(*(Rows(each.rows.clusters, each.tests) for each in (one, other)))
    assert [group.stop - group.start for group in groups] == [2, 2, 3]
    videos, runs, others_runs = groups
    for own, pooled in zip(weights, (one, other), strict=True):
        np.testing.assert_array_equal(own[videos], slowly_left_out(pooled)[1:3])
    assert (weights[0][others_runs] == weights[0][0]).all()
    assert (weights[1][runs] == weights[1][0]).all()


def test_more_seeds_do_not_make_the_interval_narrower_than_the_videos_allow():
    def width(seeds: int) -> float:
        runs = [one_run(list(VIDEOS), "1", 0) for _ in range(seeds)]  # seeds that agree: all spread is the videos'
        low, high = pooled_scores(pool(runs))["intervals"]["segmentation"]["acc"]
        return high - low

    assert width(8) == pytest.approx(width(1))


def test_what_a_seed_does_to_all_videos_stays_in_the_interval():
    good, bad = (one_run(list(VIDEOS), "1", 0, share) for share in (0.0, 0.6))
    worst = pooled_scores(bad)["segmentation"]["acc"]
    low, high = pooled_scores(pool([good, bad]))["intervals"]["segmentation"]["acc"]
    assert low < worst, "other runs may be as bad"
    assert high > 99


def test_a_difference_is_taken_on_the_same_drawn_videos():
    good, bad = one_run(list(VIDEOS), "1", 0, 0.1), one_run(list(VIDEOS), "1", 0, 0.5)
    same = paired_differences(good, good)
    assert same["segmentation"]["acc"] == 0
    assert same["intervals"]["segmentation"]["acc"] == [0, 0]
    apart, difference = [pooled_scores(one) for one in (good, bad)], paired_differences(good, bad)
    for name in apart[0]["segmentation"]:
        expected = apart[0]["segmentation"][name] - apart[1]["segmentation"][name]
        assert difference["segmentation"][name] == pytest.approx(expected)
    low, high = difference["intervals"]["segmentation"]["acc"]
    assert 0 < low < difference["segmentation"]["acc"] < high
    # Look-ups on true segments are the same for both, though they differ widely between videos.
    spread = apart[0]["intervals"]["baselines"]["average_index"]["oracle_segments"]["frame"]
    assert spread[1] - spread[0] > 0.01
    assert difference["intervals"]["baselines"]["average_index"]["oracle_segments"]["frame"] == pytest.approx([0, 0])


def test_a_difference_is_over_the_tests_of_both():
    both = paired_differences(
        one_run(["v0", "v1"], "1", 0), pool([one_run(["v0", "v1"], "1", 1), one_run(["v2"], "2", 1)])
    )
    alone = paired_differences(one_run(["v0", "v1"], "1", 0), one_run(["v0", "v1"], "1", 1))
    assert_close(both, alone)
    with pytest.raises(InputError, match="no test video is common"):
        paired_differences(one_run(["v0"], "1", 0), one_run(["v0"], "2", 0))


def test_rows_with_other_look_ups_are_not_pooled():
    unfitted = collect_rows(triples(["v0"], 0), fit_lookups([], 3, BACKGROUND), CLASSES, BACKGROUND)
    with pytest.raises(InputError, match="pool them apart"):
        pool([one_run(["v0"], "1", 0), PooledRows(unfitted, [("v0", "2")])])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six videos, two splits that both test v2."""
    splits = {"1": {"train": ["v3", "v4", "v5"], "test": ["v0", "v1", "v2"]}}
    splits["2"] = {"train": ["v0", "v1", "v5"], "test": ["v2", "v3", "v4"]}
    path = tmp_path_factory.mktemp("data") / "kitchen.h5"
    sets = {"features": FeatureSet(2), "features_split1": FeatureSet(2, split="1")}
    with write_dataset(path, DatasetInfo("kitchen", CLASSES, BACKGROUND, 5.0, splits), sets) as writer:
        for name, labels in VIDEOS.items():
            writer.add(Video(name, labels, dict.fromkeys(sets, np.zeros((len(labels), 2), dtype=np.float32))))
    return Dataset(path)


def finished_run(
    path: Path, dataset: Dataset, split: str = "1", seed: int = 0, preset: str = "default", **changes: Any
) -> RunDirectory:
    """A run directory as training and evaluating leave it, but for the model."""
    run, base = RunDirectory(path), PRESETS[preset]
    training = dataclasses.replace(base.training, epochs=2, seed=seed)
    own: dict[str, Any] = {"split": split, "feature_set": "features", "training": training, **changes}
    config = dataclasses.replace(base, dataset=str(dataset.path), **own)
    write_text(run.config_file, to_yaml(config))
    run.write_log([{"epoch": 1}, {"epoch": 2}])
    predictions = [(name, one) for name, _, one in triples(dataset.part(split, "test"), seed)]
    write_predictions(run.predictions, predictions, PredictionInfo(CLASSES, BACKGROUND, 5.0))
    save_evaluation(evaluate_prediction_files(run.predictions, dataset.path, split, "features", seed), run.path)
    return run


def test_pooling_one_run_gives_its_own_evaluation_intervals_and_all(dataset, tmp_path):
    run = finished_run(tmp_path / "run", dataset)
    metrics, scores = json.loads(run.metrics.read_text()), pooled_scores(rows_of_run(run, dataset))
    for name in ("segmentation", "progress", "baselines", "margin", "breakdowns", "curves", "online", "certainty"):
        assert_close(metrics[name], scores[name])
        assert_close(metrics["intervals"][name], scores["intervals"][name])
    assert scores["online"]["first_delay_seconds"] is not None


def test_titles_are_preset_control_and_the_settings_that_differ_and_reruns_are_left_out(dataset, tmp_path):
    runs = [
        finished_run(tmp_path / "a", dataset),
        finished_run(tmp_path / "b", dataset, seed=1),
        finished_run(tmp_path / "c", dataset, control="noise"),
        finished_run(tmp_path / "d", dataset, preset="reference"),
        finished_run(tmp_path / "e", dataset, feature_set="features_split1"),
    ]
    notes: list[str] = []
    kinds = group_runs([*runs, finished_run(tmp_path / "a-2", dataset)], dataset, notes.append)
    named = {title: [run.path.name for run in members] for title, members in kinds.items()}
    assert named == {
        "default, feature_set features": ["a", "b"],
        "default noise": ["c"],
        "reference": ["d"],
        "default, feature_set features of the split": ["e"],
    }
    rerun = f"{tmp_path / 'a-2'} is left out: it repeats {tmp_path / 'a'}, with the same settings, split and seed"
    assert notes == [rerun]


@pytest.mark.slow
def test_kinds_have_the_titles_of_their_runs_and_controls_are_compared_with_their_own_model(dataset, tmp_path):
    stages = DEFAULT.model
    runs = [
        finished_run(tmp_path / title, dataset, control=control, model=model, title=title)
        for title, control, model in (
            ("default", "none", stages),
            ("default one-stage noise", "noise", dataclasses.replace(stages, stages=1)),
            ("default noise", "noise", stages),
            ("default one-stage", "none", dataclasses.replace(stages, stages=1)),
        )
    ]
    summary = summarise(runs, dataset)
    assert {title: one["compared_with"] for title, one in summary["kinds"].items()} == {
        "default": "default",
        "default one-stage noise": "default one-stage",
        "default noise": "default",
        "default one-stage": "default",
    }
    table = markdown(summary)
    for difference in ("one-stage noise − default one-stage", "default noise − default", "one-stage − default"):
        assert f"{difference} (" in table


def test_kinds_of_one_preset_are_named_by_the_settings_that_are_not_the_presets(dataset, tmp_path):
    runs = [
        finished_run(tmp_path / "a", dataset, preset="reference"),
        finished_run(tmp_path / "b", dataset, preset="reference", model=ModelConfig(stages=1)),
        finished_run(tmp_path / "c", dataset, preset="reference", model=ModelConfig(graph=False)),
    ]
    assert list(group_runs(runs, dataset, print)) == ["reference", "reference, stages 1", "reference, graph False"]


@pytest.mark.slow
def test_the_summary_reads_as_a_table_and_as_rows(dataset, tmp_path):
    runs = [finished_run(tmp_path / f"{k}{s}", dataset, k, s) for k in ("1", "2") for s in (0, 1)]
    runs.append(finished_run(tmp_path / "reference", dataset, "1", 0, "reference"))
    summary = json.loads(json.dumps(summarise(runs, dataset), allow_nan=False))
    assert summary["kinds"]["default"]["num_videos"] == 5, "v2 is tested twice and is one video"
    assert [(one["of"], one["minus"], one["num_videos"]) for one in summary["differences"]] == [
        ("reference", "default", 3)
    ]
    assert summary["notes"] == [
        "reference has no run of split 2: differences are over the splits of both",
        "reference has one seed, so its intervals lack the spread over seeds",
    ]
    lines = [line for line in markdown(summary).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {5}
    acc = next(line for line in lines if line.startswith("| acc |"))
    assert f"{summary['kinds']['default']['segmentation']['acc']:.1f} [" in acc
    table = pd.DataFrame(long_table(summary))
    row = table[(table["of"] == "default") & (table["figure"] == "progress.predicted.per_class.stir.slowly")].iloc[0]
    assert row["value"] == summary["kinds"]["default"]["progress"]["predicted"]["per_class"]["stir.slowly"]
    assert row["low"] < row["value"] < row["high"]
    assert set(table["minus"]) == {"", "default"}
    assert pd.api.types.is_float_dtype(table["value"])


def test_each_kind_is_compared_with_the_first_in_the_table_and_with_all_in_the_summary(dataset, tmp_path):
    controls = ("none", "noise", "index")
    summary = summarise([finished_run(tmp_path / one, dataset, control=one) for one in controls], dataset)
    pairs = [(one["of"], one["minus"]) for one in summary["differences"]]
    assert pairs == [("default noise", "default"), ("default index", "default"), ("default index", "default noise")]
    overview, _, table = markdown(summary).split("\n\n")[1:4]
    assert [line.split("|")[1].strip() for line in overview.splitlines()[2:]] == [
        "default", "default noise", "default index",
    ]  # fmt: skip
    acc = summary["kinds"]["default noise"]["segmentation"]["acc"]
    heads, _, _, noise = ([cell.strip() for cell in line.split("|")] for line in overview.splitlines()[:4])
    assert noise[heads.index("acc")].strip("*") == f"{acc:.1f}"
    assert heads[2:4] == ["skill", "skill of 0.5 in actions"]
    assert "**" not in overview.splitlines()[2], "the first is compared with nothing"
    head = table.splitlines()[0]
    assert [cell.split(" (")[0].strip() for cell in head.split("|")[2:-1]] == [
        "default", "default noise", "default index", "default noise − default", "default index − default",
    ]  # fmt: skip


def test_main_figures_are_rows_of_the_table_and_of_many_kinds_its_overview(dataset, tmp_path):
    summary = summarise([finished_run(tmp_path / one, dataset, control=one) for one in ("none", "noise")], dataset)
    whole, short = markdown(summary).splitlines(), main_figures(summary).splitlines()
    rows = [line.split("|")[1:] for line in short if line.startswith("|")][2:]
    assert [row[0].strip() for row in rows] == list(MAIN)
    table = {line.split("|")[1].strip().lower(): line.split("|")[2:] for line in whole if line.startswith("|")}
    assert all(table[row[0].strip().lower().removesuffix(", percent")] == row[1:] for row in rows)
    assert [line for line in short if line.startswith("- ")] == [line for line in whole if line.startswith("- ")]
    assert "Bold: the 95 % interval of the difference excludes 0." in short
    kinds = {f"variant {number}": summary["kinds"]["default"] for number in range(MOST_ON_SCREEN + 1)}
    many = {**summary, "kinds": kinds, "differences": []}
    overview = [line for line in main_figures(many).splitlines() if line.startswith("|")]
    assert overview == markdown(many).split("\n\n")[1].splitlines()


def test_a_run_that_is_not_finished_or_not_whole_is_not_pooled(dataset, tmp_path):
    run = finished_run(tmp_path / "run", dataset)
    run.write_log([{"epoch": 1}])
    with pytest.raises(InputError, match=r"run is not finished: continue with --resume"):
        rows_of_run(run, dataset)
    run.write_log([{"epoch": 1}, {"epoch": 2}])
    write_predictions(run.predictions, [("v0", blurred(VIDEOS["v0"], 0))], PredictionInfo(CLASSES, BACKGROUND, 5.0))
    with pytest.raises(InputError, match="lacks 2 of the 3 test videos of split 1: v1, v2"):
        rows_of_run(run, dataset)


def test_a_run_out_of_patience_is_trained(dataset, tmp_path):
    run = finished_run(tmp_path / "run", dataset)
    config = run.read_config()
    training = dataclasses.replace(config.training, epochs=9, validation_share=0.3, patience=2)
    write_text(run.config_file, to_yaml(dataclasses.replace(config, training=training)))
    for scores, trained in (([1.0, 3.0, 2.0], False), ([1.0, 3.0, 2.0, 3.0], True), ([1.0] * 9, True)):
        run.write_log([{"epoch": number, "validation_score": score} for number, score in enumerate(scores)])
        assert run.is_trained() == trained
