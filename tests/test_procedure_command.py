"""The verb `procedure`: its three inputs, what it writes, and one line for what is wrong."""

from __future__ import annotations

import dataclasses
import json
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from protas_gtcc.dataset.description import DatasetInfo, FeatureSet, Video
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.dataset.writer import write_dataset
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.prediction_files import open_predictions, write_predictions
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.decoder import ProcedureDecoder
from protas_gtcc.runs.procedure_inputs import true_steps
from protas_gtcc.runs.procedures import Test as ProcedureTest
from protas_gtcc.runs.procedures import exact_settings, learn, score
from tests.chained_procedures import FPS, SETTINGS, chain_model, labels_of
from tests.mstcn_folder import exit_code
from tests.tiny_models import make_model

NAMES = ["rest", "cut", "mix", "bake", "serve"]
SPLITS = {
    "1": {"train": [f"v{number}" for number in range(6)], "test": ["v6", "v7"]},
    "no cake": {"train": ["v1", "v3", "v5"], "test": ["v6", "v7"]},
    "no test": {"train": ["v0", "v1"], "test": []},
}
WRITTEN = ["predictions.h5", "procedure.json", "table.md"]


def write(
    path: Path,
    tasks: Iterable[str] = ("cake", "tea"),
    fps: float = FPS,
    names: list[str] = NAMES,
    splits: dict[str, dict[str, list[str]]] = SPLITS,
) -> Path:
    """Eight videos of eight people, of the tasks in turn; cake has the first steps, tea the last ones."""
    tasks, videos = list(tasks), []
    for number in range(8):
        order = [1, 2, 3] if number % 2 == 0 else [2, 3, 4]
        labels = labels_of(order, number)
        features = {"features": np.eye(5, 6, dtype=np.float32)[labels]}
        task = tasks[number % len(tasks)]
        videos.append(Video(f"v{number}", labels, features, task, f"person {number}"))
    info = DatasetInfo("kitchen", names, [0], fps, splits)
    with write_dataset(path, info, {"features": FeatureSet(6)}) as writer:
        for video in videos:
            writer.add(video)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "kitchen.h5")


def probabilities(path: Path, dataset: Path, videos: Iterable[str], **changes: Any) -> Path:
    """A file of what a good recogniser makes of the videos."""
    data = Dataset(dataset)

    def predicted(video: str) -> Prediction:
        labels = data.labels(video)
        probs = (0.9 * np.eye(5)[labels] + 0.02).T.astype(np.float32)
        return dataclasses.replace(Prediction(labels, probs, None, np.zeros(len(labels), np.float32)), **changes)

    info = PredictionInfo(data.info.class_names, [0], data.info.fps)
    write_predictions(path, ((video, predicted(video)) for video in videos), info)
    return path


def scores(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert exit_code("procedure", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def only_error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which the command refuses the input."""
    capsys.readouterr()
    assert exit_code("procedure", *arguments) == 1
    caught = capsys.readouterr()
    assert not caught.out
    lines = [line for line in caught.err.splitlines() if line.strip() and not line.startswith("compiling")]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("inferred", [[], ["--task-inferred"]])
def test_true_steps_are_followed_and_scored(dataset, capsys, inferred):
    found = scores(capsys, dataset, *inferred)
    assert (found["input"], found["num_videos"]) == ("true steps", 2)
    assert found["task_given"] is not bool(inferred)
    assert found["done"]["f1"] > 0.9
    assert found["time_left"]["error_minutes"] < 0.5
    assert found["held_out"]["num_normal"] == 6
    assert found["alarms_at"].keys() == {"0.5", "1", "2", "4"}
    assert found["alarms_at"]["0.5"]["all"] is None  # a few minutes cannot vouch for so small a budget


def test_without_a_name_the_only_split_is_followed_and_of_several_one_is_to_be_chosen(dataset, tmp_path, capsys):
    by_person = write(tmp_path / "only.h5", splits={"person": SPLITS["1"]})
    assert scores(capsys, by_person)["split"] == "person"
    assert scores(capsys, dataset)["split"] == "1"
    two = write(tmp_path / "two.h5", splits={"person": SPLITS["1"], "place": SPLITS["1"]})
    assert only_error(capsys, two).endswith("two.h5 has several splits; choose one with --split: person, place")
    none = write(tmp_path / "none.h5", splits={})
    assert "none.h5 has no splits; draw a split" in only_error(capsys, none)


def test_confused_steps_are_worse_and_seeded(dataset, capsys):
    flags = ("--input", "confused", "--confusion", 0.6)
    one, again, other = (scores(capsys, dataset, *flags, "--seed", seed) for seed in (1, 1, 2))
    assert one == again
    assert one["input"] == "true steps, confused by 0.6"
    assert one["done"] != other["done"] or one["time_left"] != other["time_left"]
    assert one["next_step"] != scores(capsys, dataset)["next_step"]


@pytest.mark.parametrize("with_training", [True, False])
def test_probabilities_of_any_program_are_followed(dataset, tmp_path, capsys, with_training):
    videos = [f"v{number}" for number in range(0 if with_training else 6, 8)]
    path = probabilities(tmp_path / "p.h5", dataset, videos)
    found = scores(capsys, dataset, "--probabilities", path)
    assert found["input"] == f"probabilities of {path}"
    assert found["held_out"]["num_normal"] == (6 if with_training else 0)
    assert (found["held_out"]["smallest_budget"]["all"] is None) is not with_training
    assert found["done"]["f1"] > 0.8


def test_probabilities_of_models_that_hold_out_different_people_are_in_several_files(dataset, tmp_path, capsys):
    whole = probabilities(tmp_path / "p.h5", dataset, [f"v{number}" for number in range(8)])
    parts = [
        probabilities(tmp_path / f"{number}.h5", dataset, [f"v{one}" for one in numbers])
        for number, numbers in enumerate([(6, 7), (0, 2, 4), (1, 3, 5)])
    ]
    found = scores(capsys, dataset, "--probabilities", *parts)
    assert found | {"input": ""} == scores(capsys, dataset, "--probabilities", whole) | {"input": ""}
    message = only_error(capsys, dataset, "--probabilities", *parts, whole)
    assert f"video v0 is in {parts[1]} and in {whole}; leave it out of one of them" in message


def test_a_drawn_graph_is_a_prior(dataset, tmp_path, capsys):
    graph = tmp_path / "cake.json"
    graph.write_text(json.dumps({"task": "cake", "edges": [["cut", "mix"], ["mix", "bake"]]}))
    assert scores(capsys, dataset, "--graphs", graph)["graphs"] == str(graph)


def test_what_is_written_can_be_read_and_is_replaced_only_if_wanted(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    found = scores(capsys, dataset, "--out", out, "--false-alarms-per-hour", 900)
    assert sorted(path.name for path in out.iterdir()) == WRITTEN
    assert json.loads((out / "procedure.json").read_text()) == found
    heading = (out / "table.md").read_text().splitlines()[0]
    assert "budgets set on 6 held-out recordings without mistakes" in heading
    assert heading.endswith("; mistakes are not annotated, so every alarm counts as false.")
    files = open_predictions(out / "predictions.h5")
    assert [event.label for event in files.read("v6").procedure.events if not event.is_alarm] == [1, 2, 3]
    before = {path: path.read_bytes() for path in out.iterdir()}
    (out / "table.md").unlink()
    assert "would be replaced; give another name, or --overwrite" in only_error(capsys, dataset, "--out", out)
    assert {path: path.read_bytes() for path in out.iterdir()} == {
        path: content for path, content in before.items() if path.name != "table.md"
    }
    assert exit_code("procedure", dataset, "--out", out, "--overwrite") == 0
    assert sorted(path.name for path in out.iterdir()) == WRITTEN


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "9"], "no split '9'"),
        (["--split", "no cake"], "no training video shows task 'cake' of test video v6; choose another split"),
        (["--split", "no test"], "there is no recording to score; choose a split that has some"),
        (["--confusion", "1"], "--confusion is 1; it must be at least 0, and less than 1"),
        (["--confusion", "nan"], "--confusion is nan; it must be at least 0, and less than 1"),
        (["--seed", "-1"], "--seed is -1; it must be at least 0"),
        (["--false-alarms-per-hour", "0"], "--false-alarms-per-hour is 0; it must be above 0, and below 1e6"),
        (["--false-alarms-per-hour", "1e9"], "--false-alarms-per-hour is 1e+09; it must be above 0, and below 1e6"),
        (["--false-alarms-per-hour", "nan"], "--false-alarms-per-hour is nan; it must be above 0"),
        (["--input", "confused", "--model", "x"], "contradict each other; give one"),
        (["--model", "x", "--graphs", "y"], "--graphs is for learning, and a run has learnt already"),
        (["--model", "nowhere"], "nowhere"),
        (["--probabilities", "nowhere.h5"], "nowhere.h5"),
        (["--graphs", "nowhere.json"], "nowhere.json"),
    ],
)
def test_a_flag_that_is_wrong_is_one_line(dataset, capsys, monkeypatch, tmp_path, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message in only_error(capsys, dataset, *flags)


def test_a_tiny_budget_is_scored_as_one_that_cannot_be_kept(dataset, capsys):
    found = scores(capsys, dataset, "--false-alarms-per-hour", 1e-9)
    assert found["alarms_at"]["1e-09"] == dict.fromkeys(found["alarms_at"]["1e-09"])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([["cut", "mix"], ["mix", "cut"]], "cycle"),
        ([["cut", "polish"]], "unknown step 'polish' of task 'cake'"),
        ([["cut", "serve"]], "step 'serve' is one of other tasks, not of 'cake'"),
    ],
)
def test_a_graph_that_cannot_be_is_one_line(dataset, tmp_path, capsys, edges, message):
    (tmp_path / "cake.json").write_text(json.dumps({"task": "cake", "edges": edges}))
    assert message in only_error(capsys, dataset, "--graphs", tmp_path / "cake.json")


def test_probabilities_that_do_not_fit_are_one_line(dataset, tmp_path, capsys):
    path, every = tmp_path / "p.h5", [f"v{number}" for number in range(8)]
    flags = ("--probabilities", path)
    probabilities(path, dataset, every[:7])
    assert "there are no probabilities of test video v7; predict all test videos" in only_error(capsys, dataset, *flags)
    labels = Dataset(dataset).labels("v6")[:-1]
    short = {"labels": labels, "probs": np.full((5, len(labels)), 0.2, np.float32), "reported": labels * np.float32(0)}
    probabilities(path, dataset, ["v6"], **short)
    assert f"has {len(labels)} frames of v6, the dataset has" in only_error(capsys, dataset, *flags)
    probabilities(path, dataset, ["v6"], probs=None)
    assert "only the predicted class has a probability; give those of all" in only_error(capsys, dataset, *flags)
    probabilities(path, dataset, every)
    with h5py.File(path, "a") as file:
        probs = next(one for name, one in file["videos/v6"].items() if name == "probs")
        probs[...] = np.full_like(probs[...], np.nan)
    assert "v6" in only_error(capsys, dataset, *flags)
    other = write(tmp_path / "other.h5", names=["rest", "a", "b", "c", "d"])
    probabilities(path, dataset, every)
    assert "class" in only_error(capsys, other, *flags)


def test_what_is_tracked_of_a_video_is_kept_until_the_next_one_alone(dataset, monkeypatch):
    data, tracked, alive = Dataset(dataset), list[weakref.ref[np.ndarray]](), list[int]()
    track, evidence = ProcedureDecoder.track, true_steps(data)
    learnt = learn(data, data.part("1", "train"), evidence, exact_settings())

    def spy(self: ProcedureDecoder, probs: np.ndarray) -> Any:
        alive.append(sum(one() is not None for one in tracked))
        found = track(self, probs)
        tracked.append(weakref.ref(found.alarms))
        return found

    monkeypatch.setattr(ProcedureDecoder, "track", spy)
    score([ProcedureTest(data, data.part("1", "train"), data.video_names, evidence, learnt, True)] * 2, [900.0])
    assert alive == [0, *[1] * 15]


# Runs


def run_of(folder: Path, dataset: Path, training: list[str], names: list[str] = NAMES, learnt: bool = True) -> Path:
    """A checkpoint of a network that shows the features' labels as they are, with the procedure of chains."""
    model = make_model()
    tables, states = chain_model()[0].arrays(), chain_model()[1]
    config = dataclasses.replace(
        model.facts.config, decoding=SETTINGS, model=dataclasses.replace(model.facts.config.model, graph=False)
    )
    facts = dataclasses.replace(
        model.facts,
        config=config,
        class_names=names,
        feature_dim=6,
        fps=FPS,
        dataset=Dataset(dataset).info.name,
        training_videos=training,
        transcripts=states,
        procedure=tables if learnt else None,
    )
    folder.mkdir()
    save_checkpoint(folder / "checkpoint.safetensors", facts.build(), facts)
    return folder


def test_runs_follow_what_their_networks_see(dataset, tmp_path, capsys):
    runs = [run_of(tmp_path / name, dataset, ["v0"]) for name in ("one", "two")]
    found = scores(capsys, dataset, "--model", *runs)
    assert found["input"] == f"a model's own: {runs[0]}, {runs[1]}"
    assert (found["num_videos"], found["num_runs"]) == (2, 2)


def test_a_run_that_does_not_fit_is_one_line(dataset, tmp_path, capsys):
    other = run_of(tmp_path / "other", dataset, ["v0"], ["rest", "a", "b", "c", "d"])
    assert "class 1 is 'a' for the model and 'cut' in" in only_error(capsys, dataset, "--model", other)
    seen = run_of(tmp_path / "seen", dataset, ["v0", "v7"])
    assert "the model was trained on 1 of the test videos, such as v7" in only_error(capsys, dataset, "--model", seen)


def test_runs_of_different_tasks_are_not_scored_together(dataset):
    data = Dataset(dataset)
    train, evidence = data.part("1", "train"), true_steps(data)
    learnt = learn(data, train, evidence, exact_settings())
    of_others = learnt._replace(tasks=dataclasses.replace(learnt.tasks, names=["tea"]))
    tests = [ProcedureTest(data, train, data.video_names, evidence, one, True) for one in (learnt, of_others)]
    with pytest.raises(InputError, match="have not learnt the same tasks"):
        score(tests)


def test_of_a_run_that_has_learnt_no_procedures_they_are_learnt_here_without_alarms(dataset, tmp_path, capsys):
    plain = run_of(tmp_path / "plain", dataset, ["v0"], learnt=False)
    found = scores(capsys, dataset, "--model", plain)
    assert np.isfinite(found["time_left"]["error_minutes"])
    assert found["held_out"]["smallest_budget"]["one reason"] is None
    assert found["alarms_at"]["4"]["all"] is None
