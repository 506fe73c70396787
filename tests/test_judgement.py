"""The report's first sentences: which run is better at what, and whether chance could be the reason."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from protas_gtcc.dataset.file import Dataset, DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.metrics import row_sums
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos, save_evaluation
from protas_gtcc.metrics.prediction_files import write_predictions
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report import judgement as judging
from protas_gtcc.report.page_data import page_data
from protas_gtcc.report.runs import EvaluatedRun, open_runs, training_lookups
from tests.predicted_videos import delayed, without_progress

NAMES, FPS, PEOPLE = ["rest", "cut", "mix", "serve"], 5.0, 6


def make_kitchen(path: Path, people: list[str]) -> Path:
    """A dataset of nine videos, each of one of these people in turn."""
    random = np.random.default_rng(0)
    videos = {f"v{n}": np.repeat(random.permutation(np.arange(12) % 4), random.integers(8, 30, 12)) for n in range(9)}
    names = list(videos)
    splits = {"1": {"train": names[PEOPLE:], "test": names[:PEOPLE]}, "2": {"train": names[1:], "test": names[:1]}}
    with write_dataset(path, DatasetInfo("kitchen", NAMES, [0], FPS, splits), {"features": FeatureSet(1)}) as writer:
        for (name, labels), person in zip(videos.items(), cycle(people)):
            writer.add(Video(name, labels, {"features": np.zeros((len(labels), 1), np.float32)}, subject=person))
    return path


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory) -> Path:
    return make_kitchen(tmp_path_factory.mktemp("data") / "kitchen.h5", [f"p{number}" for number in range(9)])


def runs(
    folder: Path, kitchen: Path, delays: dict[str, int], split: str = "1", silent: bool = False
) -> list[EvaluatedRun]:
    """Evaluated runs whose predictions come so many frames late."""
    for name, delay in delays.items():
        data = Dataset(kitchen)
        truth = {video: data.labels(video) for video in data.part(split, "test")}
        found = {video: delayed(labels, delay, len(NAMES)) for video, labels in truth.items()}
        if silent:
            found = {video: without_progress(one.labels) for video, one in found.items()}
        write_predictions(folder / name / "predictions.h5", found.items(), PredictionInfo(NAMES, [0], FPS))
        triples = [(video, labels, found[video]) for video, labels in truth.items()]
        training = [data.labels(video) for video in data.part(split, "train")]
        info = EvaluationInfo("kitchen", split, False, "features", 0)
        save_evaluation(evaluate_videos(triples, training, NAMES, [0], info, FPS), folder / name)
    return open_runs([folder / name for name in delays], [kitchen])


def judgement(evaluated: list[EvaluatedRun]) -> list[str]:
    return judging.judgement(evaluated, training_lookups(evaluated))


def test_look_ups_are_fitted_once_for_runs_on_one_dataset_and_an_error_of_its_labels_is_no_error_of_metrics(
    tmp_path, kitchen, monkeypatch
):
    evaluated = runs(tmp_path, kitchen, {"late": 4, "prompt": 1})
    first, second = training_lookups(evaluated)
    assert first is second
    training = {"v6", "v7", "v8"}
    read = Dataset.labels

    def broken(self, video):
        if video in training:
            raise KeyError("no labels")
        return read(self, video)

    monkeypatch.setattr(Dataset, "labels", broken)
    with pytest.raises(KeyError, match="no labels"):
        page_data(evaluated)


def test_the_best_run_is_compared_with_each_other_one(tmp_path, kitchen):
    sentences = judgement(runs(tmp_path, kitchen, {"late": 4, "prompt": 1, "later": 9}))
    assert [sentence.split()[0] for sentence in sentences] == ["prompt", "prompt"]
    assert [sentence.split()[4] for sentence in sentences] == ["late", "later"]
    assert all("is better than" in one and "difference" in one and "worse" not in one for one in sentences)
    assert all(one.endswith("; in brackets, 95 % intervals.") for one in sentences)


def test_equal_runs_do_not_clearly_differ(tmp_path, kitchen):
    (sentence,) = judgement(runs(tmp_path, kitchen, {"one": 3, "other": 3}))
    assert sentence.startswith("one does not clearly differ from other in skill of progress")
    assert "better" not in sentence


def test_with_one_video_the_sentence_says_that_it_is_too_little(tmp_path, kitchen):
    (sentence,) = judgement(runs(tmp_path, kitchen, {"one": 1, "other": 8}, split="2"))
    assert "there is one test video, which is too little to distinguish chance from difference" in sentence
    assert "interval" not in sentence


def test_with_several_videos_of_one_person_the_sentence_names_the_person_and_not_the_videos(tmp_path):
    alone = make_kitchen(tmp_path / "kitchen.h5", ["anna"])
    (sentence,) = judgement(runs(tmp_path, alone, {"one": 1, "other": 8}))
    assert f"the {PEOPLE} test videos show one person, which is too little" in sentence


def test_a_run_alone_is_not_judged(tmp_path, kitchen):
    assert judgement(runs(tmp_path, kitchen, {"one": 1})) == []


def test_runs_that_report_no_progress_are_judged_by_segmentation(tmp_path, kitchen):
    (sentence,) = judgement(runs(tmp_path, kitchen, {"one": 1, "other": 8}, silent=True))
    assert "skill" not in sentence
    assert "one is better than other in frames right" in sentence


@pytest.mark.parametrize("people", [["anna"], ["anna", "ben"], [f"p{number}" for number in range(9)]])
def test_rows_of_many_videos_that_are_added_up_give_the_same_sentences(tmp_path, monkeypatch, people):
    data = make_kitchen(tmp_path / "kitchen.h5", people)
    evaluated = runs(tmp_path, data, {"late": 4, "prompt": 1})
    expected = judgement(evaluated)
    monkeypatch.setattr(row_sums, "MOST_ROWS", 2)
    assert judgement(evaluated) == expected
