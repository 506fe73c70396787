"""An exported model gives the same results without torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from protas_gtcc.cli.main import main
from protas_gtcc.config import ModelConfig
from protas_gtcc.export import export_onnx
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import save_checkpoint
from tests import tiny_models
from tests.tiny_models import BASE, CONFIGS, video

# torch takes seconds to export any network.
pytestmark = pytest.mark.slow

ACAUSAL = dataclasses.replace(BASE, causal=False)


def make_model(config: ModelConfig = BASE) -> TrainedModel:
    """A model without a filter, which ONNX does not hold."""
    return tiny_models.make_model(config, filtered=False)


def run_stream(path: Path, features: np.ndarray, chunks: list[int]) -> list[np.ndarray]:
    """Probabilities, and progress if there is any, of one video in chunks."""
    session = onnxruntime.InferenceSession(path)
    state = np.zeros((1, session.get_inputs()[1].shape[1]), dtype=np.float32)
    seen = np.zeros(1, dtype=np.int64)
    parts = []
    for chunk in np.split(features, np.cumsum(chunks)[:-1]):
        *results, state, seen = session.run(None, {"features": chunk[None], "state": state, "num_frames": seen})
        parts.append(results)
    return [np.concatenate(one, axis=2)[0] for one in zip(*parts, strict=True)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Folder of the graphs that `protas-gtcc export` made of a model with a filter, and what it printed."""
    folder, printed, notes = tmp_path_factory.mktemp("export"), StringIO(), StringIO()
    model = tiny_models.make_model()
    save_checkpoint(folder / "checkpoint.safetensors", model.network, model.facts)
    with redirect_stdout(printed), redirect_stderr(notes):
        main(["export", str(folder)])
    return folder / "export", printed.getvalue(), notes.getvalue()


def test_a_note_names_the_filter_that_is_left_out(exported):
    folder, printed, notes = exported
    assert str(folder / "stream.onnx") in printed
    assert "the network without the duration filter" in notes


@pytest.mark.parametrize("name", ["whole", "no progress", "parallel", "standardised"])
def test_the_stream_graph_equals_predict_for_any_chunks(name, exported, tmp_path):
    model, chunks = make_model(CONFIGS[name]), [1, 1, 1, 17, 2, 40, 1]
    folder = exported[0] if name == "whole" else export_onnx(model, tmp_path)[0].parent
    features = video(sum(chunks))
    expected = model.predict(features)
    wanted = [one for one in (expected.probs, expected.progress) if one is not None]
    output = run_stream(folder / "stream.onnx", features, chunks)
    assert len(output) == len(wanted)
    for one, other in zip(output, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_the_offline_graph_takes_videos_of_any_length(exported):
    model = make_model()
    session = onnxruntime.InferenceSession(exported[0] / "offline.onnx")
    for length in (1, 2, 63, 500):
        features = np.stack([video(length, seed=1), video(length, seed=2)])
        probs, progress = session.run(None, {"features": features})
        for one in range(2):
            expected = model.predict(features[one])
            np.testing.assert_allclose(probs[one], expected.probs, rtol=0, atol=1e-4)
            np.testing.assert_allclose(progress[one], expected.progress, rtol=0, atol=1e-4)


def test_an_acausal_model_has_only_an_offline_graph(tmp_path):
    model = make_model(ACAUSAL)
    assert export_onnx(model, tmp_path) == [tmp_path / "offline.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "offline.onnx")
    probs, progress = session.run(None, {"features": video(30)[None]})
    np.testing.assert_allclose(probs[0], model.predict(video(30)).probs, rtol=0, atol=1e-4)
    np.testing.assert_allclose(progress[0], model.predict(video(30)).progress, rtol=0, atol=1e-4)


def test_the_imported_protas_checkpoint_exports_to_the_authors_numbers(shared_folder, tmp_path):
    golden = np.load(shared_folder / "parity" / "protas_causal.npz")
    export_onnx(load(shared_folder / "parity" / "protas_causal.model"), tmp_path)
    _, progress = run_stream(tmp_path / "stream.onnx", golden["features"].T, [1, 199, 200])
    np.testing.assert_allclose(progress, golden["stage_progress"][-1].clip(0, 1), rtol=0, atol=1e-4)


def test_a_graph_holds_its_class_names_and_runs_without_torch(exported, tmp_path):
    np.save(tmp_path / "features.npy", video(9))
    code = (
        "import sys, json, numpy, onnxruntime; graph, features = sys.argv[1:];"
        "session = onnxruntime.InferenceSession(graph);"
        "probs, _ = session.run(None, {'features': numpy.load(features)[None]});"
        "names = json.loads(session.get_modelmeta().custom_metadata_map['class_names']);"
        "assert 'torch' not in sys.modules;"
        "print(json.dumps([names[label] for label in probs[0].argmax(0)]))"
    )
    command = [sys.executable, "-c", code, exported[0] / "offline.onnx", tmp_path / "features.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    model = make_model()
    assert json.loads(done.stdout) == [model.class_names[label] for label in model.predict(video(9)).labels]
