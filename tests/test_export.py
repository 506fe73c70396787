"""An exported model gives the same results without torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from protas_gtcc.cli.main import main
from protas_gtcc.errors import InputError
from protas_gtcc.export import export_onnx
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.predictions import Prediction
from tests.mstcn_folder import exit_code
from tests.tiny_models import BASE, CONFIGS, TASKS, make_model, make_task_model, video

# torch takes seconds to export any network.
pytestmark = pytest.mark.slow

ACAUSAL = dataclasses.replace(BASE, causal=False)


def run_stream(path: Path, features: np.ndarray, chunks: list[int]) -> dict[str, np.ndarray]:
    """The fields of the prediction for one video in chunks."""
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_outputs()]
    state = np.zeros((1, session.get_inputs()[1].shape[1]), dtype=np.float32)
    seen = np.zeros(1, dtype=np.int64)
    parts = []
    for chunk in np.split(features, np.cumsum(chunks)[:-1]):
        *results, state, seen = session.run(None, {"features": chunk[None], "state": state, "num_frames": seen})
        parts.append(results)
    return {name: np.concatenate(one, axis=-1)[0] for name, one in zip(names, zip(*parts, strict=True), strict=False)}


def run_whole(path: Path, features: np.ndarray) -> list[dict[str, np.ndarray]]:
    """The fields of the prediction for each of some videos of equal length, `[B, T, D]`, each as one chunk."""
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_outputs() if not one.name.startswith("next_")]
    inputs = {"features": features}
    for one in session.get_inputs()[1:]:
        kind = np.float32 if one.name == "state" else np.int64
        inputs[one.name] = np.zeros((len(features), *one.shape[1:]), dtype=kind)
    return [dict(zip(names, one, strict=True)) for one in zip(*session.run(names, inputs), strict=True)]


def assert_equals_prediction(
    output: dict[str, np.ndarray], model: TrainedModel, features: np.ndarray, task: str | None = None
) -> None:
    """Labels are those of `predict` at every frame, and so are all other fields, to rounding."""
    expected = model.predict(features, task=task)
    np.testing.assert_array_equal(output.pop("labels"), expected.labels)
    for name, values in output.items():
        np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph that `protas-gtcc export` made of a model with a filter."""
    folder, printed = tmp_path_factory.mktemp("export"), StringIO()
    model = make_model()
    save_checkpoint(folder / "checkpoint.safetensors", model.network, model.facts)
    with redirect_stdout(printed):
        main(["export", str(folder)])
    graph = folder / "export" / "stream.onnx"
    assert printed.getvalue() == f"{graph}\n"
    return graph


def test_a_graph_with_a_filter_gives_every_field_of_a_prediction_but_the_procedure(exported):
    output = run_stream(exported, video(5), [5])
    assert set(output) == {one.name for one in dataclasses.fields(Prediction)} - {"task_probs", "procedure"}


@pytest.mark.parametrize("name", ["no progress", "whole"])
def test_the_stream_graph_equals_predict_for_any_chunks(name, exported, tmp_path):
    model, chunks = make_model(CONFIGS[name]), [1, 1, 1, 17, 2, 40, 1]
    graph = exported if name == "whole" else export_onnx(model, tmp_path)
    features = video(sum(chunks))
    assert_equals_prediction(run_stream(graph, features, chunks), model, features)


@pytest.mark.parametrize("name", ["no progress", "parallel", "standardised"])
def test_a_model_without_a_filter_gives_its_own_labels_and_progress(name, tmp_path):
    model = make_model(CONFIGS[name], filtered=False)
    graph = export_onnx(model, tmp_path)
    assert_equals_prediction(run_stream(graph, video(30), [1, 1, 28]), model, video(30))


def assert_takes_videos_of_any_length(graph: Path, model: TrainedModel) -> None:
    for length in (1, 2, 63, 500):
        features = np.stack([video(length, seed=1), video(length, seed=2)])
        for one, output in enumerate(run_whole(graph, features)):
            assert_equals_prediction(output, model, features[one])


def test_a_whole_video_is_one_chunk_of_a_stream(exported):
    assert_takes_videos_of_any_length(exported, make_model())


def test_an_acausal_model_has_a_graph_of_whole_videos(tmp_path):
    started: list[Path] = []
    graph = export_onnx(make_model(ACAUSAL), tmp_path, started.append)
    assert started == [graph] == [tmp_path / "offline.onnx"]
    assert_takes_videos_of_any_length(graph, make_model(ACAUSAL))


def test_a_new_graph_of_another_kind_takes_the_place_of_the_old_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("protas_gtcc.export._write", lambda model, graph, inputs, path: path.touch())
    (tmp_path / "offline.onnx").touch()
    save_checkpoint(tmp_path / "checkpoint.safetensors", make_model().network, make_model().facts)
    main(["export", str(tmp_path), "--out", str(tmp_path), "--overwrite", "--json"])
    assert json.loads(capsys.readouterr().out)["written"] == str(tmp_path / "stream.onnx")
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["stream.onnx"]


def test_the_old_graph_of_another_kind_stays_if_the_new_one_fails(tmp_path, monkeypatch):
    def fail(*arguments: object) -> None:
        raise InputError("no space left; free some")

    monkeypatch.setattr("protas_gtcc.export._write", fail)
    (tmp_path / "offline.onnx").touch()
    save_checkpoint(tmp_path / "checkpoint.safetensors", make_model().network, make_model().facts)
    assert exit_code("export", tmp_path, "--out", tmp_path, "--overwrite") == 1
    assert (tmp_path / "offline.onnx").exists()


def test_the_imported_protas_checkpoint_exports_to_the_authors_numbers(shared_folder, tmp_path):
    golden = np.load(shared_folder / "parity" / "protas_causal.npz")
    graph = export_onnx(load(shared_folder / "parity" / "protas_causal.model"), tmp_path)
    progress = run_stream(graph, golden["features"].T, [1, 199, 200])["progress"]
    np.testing.assert_allclose(progress, golden["stage_progress"][-1].clip(0, 1), rtol=0, atol=1e-4)


def test_a_graph_infers_the_task_as_predict_does(tmp_path):
    model, features = make_task_model(), video(40)
    graph = export_onnx(model, tmp_path)
    output = run_stream(graph, features, [1, 20, 19])
    assert set(output) == {one.name for one in dataclasses.fields(Prediction)} - {"procedure"}
    assert_equals_prediction(output, model, features)
    metadata = onnxruntime.InferenceSession(graph).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["tasks"]) == TASKS


def test_a_graph_for_one_task_gives_what_predict_gives_for_that_task(tmp_path):
    model, features = make_task_model(), video(40)
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    with redirect_stdout(StringIO()):
        main(["export", str(tmp_path), "--task", "tea"])
    output = run_stream(tmp_path / "export" / "stream.onnx", features, [1, 20, 19])
    assert "task_probs" not in output
    expected = model.predict(features, task="tea")
    # Remaining times are interpolated between points that reach to the longest segment of this task alone.
    for name in [name for name in output if name.startswith("remaining")]:
        np.testing.assert_allclose(output.pop(name), getattr(expected, name), rtol=1e-2, atol=1e-2)
    assert_equals_prediction(output, model, features, "tea")


def test_a_graph_holds_its_class_names_and_runs_without_torch(exported, tmp_path):
    np.save(tmp_path / "features.npy", video(9))
    code = (
        "import sys, json, numpy, onnxruntime; graph, features = sys.argv[1:];"
        "session = onnxruntime.InferenceSession(graph);"
        "state = numpy.zeros((1, session.get_inputs()[1].shape[1]), numpy.float32);"
        "inputs = {'state': state, 'num_frames': numpy.zeros(1, int), 'features': numpy.load(features)[None]};"
        "labels = session.run(['labels'], inputs)[0][0];"
        "names = json.loads(session.get_modelmeta().custom_metadata_map['class_names']);"
        "assert 'torch' not in sys.modules;"
        "print(json.dumps([names[label] for label in labels]))"
    )
    command = [sys.executable, "-c", code, exported, tmp_path / "features.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    model = make_model()
    assert json.loads(done.stdout) == [model.class_names[label] for label in model.predict(video(9)).labels]
