"""Models that know several tasks: predicted, streamed, saved, served, scored, with the task given or inferred."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from protas_gtcc.dataset.description import Video
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.metrics.evaluation import EvaluationInfo, evaluate_videos
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import load_checkpoint, save_checkpoint
from protas_gtcc.predictions import CHANNELS, Prediction
from protas_gtcc.serve.gate import Refused
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.sessions import Sessions
from protas_gtcc.training.run_directory import RunDirectory
from protas_gtcc.training.trainer import train
from tests.conftest import tiny_config, tiny_video, write_videos
from tests.mstcn_folder import exit_code
from tests.tiny_models import TASKS, make_model, make_task_model, video

FEATURES = video(40)


def assert_same(one: Prediction, other: Prediction) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    for name in ("reported", *CHANNELS):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5, err_msg=name)


def saved(model: TrainedModel, folder: Path) -> Path:
    """A checkpoint of the model."""
    save_checkpoint(folder / "checkpoint.safetensors", model.network, model.facts)
    return folder / "checkpoint.safetensors"


def test_only_steps_of_the_given_task_are_predicted_and_their_probabilities_sum_to_1():
    model = make_task_model()
    assert model.tasks == TASKS
    for task, absent in (("cake", "serve"), ("tea", "cut")):
        found = model.predict(FEATURES, task=task)
        assert not found.probs[model.class_names.index(absent)].any()
        np.testing.assert_allclose(found.probs.sum(axis=0), 1, atol=1e-6)
        np.testing.assert_array_equal(found.task_probs[TASKS.index(task)], 1)


@pytest.mark.parametrize("task", [None, "cake", "tea"])
@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_stream_equals_predict(task, engine):
    model = make_task_model()
    stream = model.stream(engine, task)
    assert stream.task == task
    parts = [stream.step(chunk) for chunk in np.split(FEATURES, [1, 2, 19])]
    for t, part in zip((0, 1, 2, 19), parts, strict=True):
        expected = model.predict(FEATURES, task=task)
        for name in ("probs", "task_probs", "reported"):
            values = getattr(expected, name)[..., t : t + len(part.labels)]
            np.testing.assert_allclose(getattr(part, name), values, atol=1e-5, err_msg=name)


def test_each_stream_has_its_own_task():
    model = make_task_model()
    streams = model.streams(3, tasks=["tea", None, "cake"])
    found = [streams.step(np.repeat(frame[None], 3, axis=0)) for frame in FEATURES]
    for number, task in enumerate(["tea", None, "cake"]):
        together = np.stack([one.task_probs[:, number] for one in found], axis=1)
        np.testing.assert_allclose(together, model.predict(FEATURES, task=task).task_probs, atol=1e-5)
    with pytest.raises(InputError, match="2 tasks for 3 streams; give one for each, or none"):
        model.streams(3, tasks=["tea", None])


@pytest.mark.parametrize("task", [None, "tea"])
def test_a_state_carries_its_task_and_a_stream_of_another_task_refuses_it(task, tmp_path):
    model = make_task_model()
    before = model.stream(task=task)
    before.step(FEATURES[:20])
    before.save(tmp_path / "state")
    after = model.stream()
    after.load(tmp_path / "state")
    assert after.task == task
    expected = model.predict(FEATURES, task=task)
    np.testing.assert_allclose(after.step(FEATURES[20:]).probs, expected.probs[:, 20:], atol=1e-5)
    after.reset()
    assert after.task is None
    other = model.stream(task="cake")
    found = "of a stream whose task is inferred" if task is None else "of task 'tea'"
    with pytest.raises(InputError, match=f"this state is {found}, and the stream is of task 'cake'"):
        other.load(tmp_path / "state")
    assert other.num_frames == 0


def test_a_given_task_stays_given_after_reset_and_is_given_before_the_first_frame():
    stream = make_task_model().stream(task="tea")
    first = stream.step(FEATURES)
    with pytest.raises(InputError, match="the stream has had 40 frames; give the task before the first"):
        stream.give_task("cake")
    stream.reset()
    assert stream.task == "tea"
    assert_same(stream.step(FEATURES), first)


def test_a_task_that_a_model_does_not_know_is_refused():
    for use in (
        lambda model, task: model.predict(FEATURES, task=task),
        lambda model, task: model.stream(task=task),
        lambda model, task: next(model.follow("no file", task=task)),
    ):
        with pytest.raises(InputError, match="knows no task 'soup'; its tasks are cake, tea"):
            use(make_task_model(), "soup")
        with pytest.raises(InputError, match="does not know the tasks of its training videos"):
            use(make_model(), "tea")
    with pytest.raises(InputError, match="has no duration filter, which alone uses a task"):
        make_task_model(filtered=False).predict(FEATURES, task="tea")


def test_a_model_of_one_task_takes_its_name_and_no_other():
    model = make_model()
    named = TrainedModel(model.network, dataclasses.replace(model.facts, tasks=["tea"]))
    found, expected = named.predict(FEATURES, task="tea"), model.predict(FEATURES)
    assert found.task_probs is None
    np.testing.assert_array_equal(found.probs, expected.probs)
    assert named.stream(task="tea").step(FEATURES[:1]).labels == expected.labels[:1]
    with pytest.raises(InputError, match="knows no task 'cake'; its tasks are tea"):
        named.predict(FEATURES, task="cake")


def test_a_checkpoint_keeps_tasks(tmp_path):
    model = make_task_model()
    again = load(saved(model, tmp_path))
    assert again.tasks == TASKS
    assert_same(again.predict(FEATURES, task="tea"), model.predict(FEATURES, task="tea"))
    assert "tasks: 2: cake, tea" in repr(again)
    save_checkpoint(tmp_path / "few", model.network, dataclasses.replace(model.facts, tasks=["cake"]))
    with pytest.raises(InputError, match="its filter has 2 tasks, and the names of 1; train again"):
        load_checkpoint(tmp_path / "few")


def test_a_checkpoint_from_before_there_were_tasks_is_of_one_task(tmp_path):
    model, path = make_model(), tmp_path / "old.safetensors"
    with safe_open(saved(model, tmp_path), "pt") as file:
        texts = {name: text for name, text in file.metadata().items() if name not in ("tasks", "digest")}
        tensors = {name: file.get_tensor(name) for name in file.keys() if ".state_" not in name}  # noqa: SIM118
        assert len(tensors) == len(file.keys()) - 2
    save_file(tensors, path, texts)
    again = load(path)
    assert again.tasks == []
    found, expected = again.predict(FEATURES), model.predict(FEATURES)
    assert found.task_probs is None
    np.testing.assert_array_equal(found.probs, expected.probs)


def test_a_served_stream_has_its_clients_task_or_the_servers_and_goes_on_with_it(tmp_path):
    sessions = Sessions(make_task_model(), Limits(connections=2), tmp_path, "cake")
    anna, bob = sessions.begin("anna", task="tea"), sessions.begin("bob")
    assert [one.stream.task for one in (anna, bob)] == ["tea", "cake"]
    (line,) = json.loads(sessions.push(anna, FEATURES[:1].tobytes()))
    assert (line["task"], line["task_probability"], line["task_given"]) == ("tea", 1, True)
    sessions.end(anna)
    with pytest.raises(Refused, match="the task of the kept stream 'anna' is 'tea'; resume without task"):
        sessions.begin("anna", resume=True, task="cake")
    with pytest.raises(Refused, match="knows no task 'soup'"):
        sessions.begin("anna", task="soup")
    again = sessions.begin("anna", resume=True)
    assert (again.stream.task, again.stream.num_frames) == ("tea", 1)
    sessions.end(again)
    assert sessions.begin("anna").stream.task == "cake"
    with pytest.raises(InputError, match="knows no task 'soup'"):
        Sessions(make_task_model(), Limits(), task="soup")


def test_the_command_predicts_and_streams_with_a_given_task(tmp_path, capsys):
    checkpoint = saved(make_task_model(), tmp_path)
    np.save(tmp_path / "a.npy", FEATURES)
    for task in ("tea", None):
        given = [] if task is None else ["--task", task]
        expected = make_task_model().predict(FEATURES, task=task)
        out = tmp_path / f"{task}"
        assert exit_code("predict", checkpoint, tmp_path / "a.npy", "--out", out, "--no-pictures", *given) == 0
        assert_same(open_predictions(out / "predictions.h5").read("a"), expected)
        rows = (out / "a.csv").read_text().splitlines()
        last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
        assert last["task"] == TASKS[expected.task_probs[:, -1].argmax()]
        capsys.readouterr()
        assert exit_code("stream", checkpoint, tmp_path / "a.npy", *given) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [TASKS.index(line["task"]) for line in lines] == expected.task_probs.argmax(axis=0).tolist()
    for verb in ("predict", "stream", "serve"):
        rest = [] if verb == "serve" else [tmp_path / "a.npy"]
        assert exit_code(verb, checkpoint, *rest, "--task", "soup") == 1
        assert capsys.readouterr().err.strip().endswith("knows no task 'soup'; its tasks are cake, tea")


def test_task_accuracy_counts_frames_and_ends_of_videos():
    labels = np.repeat([0, 1], 5)
    tasks = np.array([[0.9] * 4 + [0.2] * 6, [0.1] * 4 + [0.8] * 6], dtype=np.float32)
    found = Prediction(labels, None, None, np.zeros(10, dtype=np.float32), task_probs=tasks)
    truth, info = {"a": "cake", "b": "tea", "c": "soup", "d": ""}, EvaluationInfo("x", "1", False)
    videos = [(name, labels, found) for name in truth]

    def score(info: EvaluationInfo) -> dict[str, object]:
        return evaluate_videos(videos, [labels], ["rest", "cut"], [0], info, 5.0, true_tasks=truth, tasks=TASKS).metrics

    assert score(info)["task"] == {"frame_accuracy": pytest.approx(1 / 3), "end_accuracy": pytest.approx(1 / 3)}
    assert "task" not in score(dataclasses.replace(info, task_given=True))


def cooking(name: str, seed: int) -> Video:
    """A tiny video of cake or tea in turn, in which one of the classes does not come."""
    made, number = tiny_video(name, seed), seed % 2
    kept = made.labels != (3, 1)[number]
    features = {key: values[kept] for key, values in made.features.items()}
    return dataclasses.replace(made, labels=made.labels[kept], features=features, task=TASKS[number])


@pytest.mark.slow
def test_a_run_is_scored_with_the_task_inferred_or_given(tmp_path, capsys):
    path = write_videos(tmp_path / "d.h5", [cooking(f"v{number}", number) for number in range(14)], 10, "cooking")
    run, out = RunDirectory(tmp_path / "run"), tmp_path / "given"
    train(tiny_config(path, "default", epochs=3, lr=0.01), Dataset(path), run)
    assert load(run.path).tasks == TASKS
    assert exit_code("evaluate", run.path, "--pictures", 0) == 0
    assert "Task inferred: right at " in capsys.readouterr().out
    inferred = json.loads(run.metrics.read_text())
    assert inferred["task_given"] is False
    assert 0 < inferred["task"]["frame_accuracy"] <= 1
    assert set(inferred["intervals"]["task"]) == {"frame_accuracy", "end_accuracy"}
    assert exit_code("evaluate", run.path, "--pictures", 0, "--task-given", "--out", out) == 0
    assert "The true task of each video was given (--task-given)." in capsys.readouterr().out
    given = json.loads((out / "metrics.json").read_text())
    assert given["task_given"] is True
    assert "task" not in given
    for name in open_predictions(out / "predictions.h5").video_names:
        absent = 3 if Dataset(path).attribute(name, "task") == "cake" else 1
        assert absent not in open_predictions(out / "predictions.h5").read(name).labels


@pytest.mark.slow
def test_a_task_that_cannot_be_given_is_refused_by_the_name_of_its_video(tiny_dataset, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    train(tiny_config(tiny_dataset, "default", epochs=1), Dataset(tiny_dataset), run)
    assert exit_code("evaluate", run.path, "--task-given") == 1
    assert "video video8 has no task that could be given; leave --task-given out" in capsys.readouterr().err
