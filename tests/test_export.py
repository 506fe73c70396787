"""An exported model gives the same results without torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from protas_gtcc.cli.main import main
from protas_gtcc.config import ModelConfig
from protas_gtcc.export import export_onnx
from protas_gtcc.inference import TrainedModel, load
from protas_gtcc.network.checkpoint import save_checkpoint
from tests import test_streaming
from tests.test_streaming import BASE, CONFIGS, video


def make_model(config: ModelConfig = BASE) -> TrainedModel:
    """A model without a filter, which ONNX does not hold."""
    return test_streaming.make_model(config, filtered=False)


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


@pytest.mark.parametrize("name", ["whole", "no progress", "parallel", "standardised"])
def test_the_stream_graph_equals_predict_for_any_chunks(name, tmp_path):
    model, chunks = make_model(CONFIGS[name]), [1, 1, 1, 17, 2, 40, 1]
    export_onnx(model, tmp_path)
    features = video(sum(chunks))
    expected = model.predict(features)
    wanted = [one for one in (expected.probs, expected.progress) if one is not None]
    found = run_stream(tmp_path / "stream.onnx", features, chunks)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_the_offline_graph_takes_videos_of_any_length(causal, tmp_path):
    model = make_model(dataclasses.replace(BASE, causal=causal))
    names = ["offline.onnx", "stream.onnx"] if causal else ["offline.onnx"]
    assert [path.name for path in export_onnx(model, tmp_path)] == names
    session = onnxruntime.InferenceSession(tmp_path / "offline.onnx")
    for length in (1, 2, 63, 500):
        features = np.stack([video(length, seed=1), video(length, seed=2)])
        probs, progress = session.run(None, {"features": features})
        for one in range(2):
            expected = model.predict(features[one])
            np.testing.assert_allclose(probs[one], expected.probs, rtol=0, atol=1e-4)
            np.testing.assert_allclose(progress[one], expected.progress, rtol=0, atol=1e-4)


def test_the_imported_protas_checkpoint_exports_to_the_authors_numbers(shared_folder, tmp_path):
    golden = np.load(shared_folder / "parity" / "protas_causal.npz")
    export_onnx(load(shared_folder / "parity" / "protas_causal.model"), tmp_path)
    _, progress = run_stream(tmp_path / "stream.onnx", golden["features"].T, [1, 199, 200])
    np.testing.assert_allclose(progress, golden["stage_progress"][-1].clip(0, 1), rtol=0, atol=1e-4)


def test_a_graph_holds_its_class_names_and_runs_without_torch(tmp_path):
    export_onnx(make_model(), tmp_path)
    np.save(tmp_path / "features.npy", video(9))
    code = (
        "import sys, json, numpy, onnxruntime; folder = sys.argv[1];"
        "session = onnxruntime.InferenceSession(folder + '/offline.onnx');"
        "probs, _ = session.run(None, {'features': numpy.load(folder + '/features.npy')[None]});"
        "names = json.loads(session.get_modelmeta().custom_metadata_map['class_names']);"
        "assert 'torch' not in sys.modules;"
        "print(json.dumps([names[label] for label in probs[0].argmax(0)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    model = make_model()
    assert json.loads(done.stdout) == [model.class_names[label] for label in model.predict(video(9)).labels]


def test_a_note_names_the_filter_that_is_left_out(tmp_path, capsys):
    model = test_streaming.make_model()
    save_checkpoint(tmp_path / "checkpoint.safetensors", model.network, model.facts)
    main(["export", str(tmp_path)])
    printed = capsys.readouterr()
    assert str(tmp_path / "export" / "stream.onnx") in printed.out
    assert "the network without the duration filter" in printed.err
    expected = make_model().predict(video(20)).probs
    np.testing.assert_allclose(run_stream(tmp_path / "export" / "stream.onnx", video(20), [20])[0], expected, atol=1e-4)
