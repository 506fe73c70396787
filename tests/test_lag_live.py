"""Frames that are reported later, live: numbered and shown as the frames they are, none lost at the end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protas_gtcc.inference import TrainedModel
from protas_gtcc.live import pipeline
from protas_gtcc.live.row_sources import row_of_video
from protas_gtcc.live.sinks import FrameResult
from protas_gtcc.metrics.prediction_csv import read_csv
from protas_gtcc.metrics.prediction_files import open_predictions
from protas_gtcc.network.checkpoint import save_checkpoint, save_tensors
from protas_gtcc.predictions import Extractor
from protas_gtcc.serve import kept_states
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.storage.csv_tables import read_csv_table
from tests.mstcn_folder import exit_code
from tests.test_live import Collect, Frames, assert_equals_prediction
from tests.test_serve import push, running
from tests.tiny_models import DIM, make_model, video


def lagged_model(seconds: float = 1.0) -> TrainedModel:
    model = make_model()
    model.set_lag(seconds)
    return model


def test_a_source_gives_what_predict_gives():
    model, features, results = lagged_model(), video(50), list[FrameResult]()
    summary = pipeline.run(model.stream(), Frames(features), [Collect(results.append)])
    assert_equals_prediction(results, model.predict(features))
    assert summary.frames == 50


def test_a_video_that_is_shorter_than_the_lag_is_reported_at_its_end():
    model, features, results = lagged_model(1000.0), video(7), list[FrameResult]()
    pipeline.run(model.stream(), Frames(features), [Collect(results.append)])
    assert_equals_prediction(results, model.predict(features))


def test_frames_that_stand_for_dropped_ones_have_no_results_and_the_others_keep_their_numbers():
    model, features, results = lagged_model(), video(60), list[FrameResult]()
    slow = Collect(lambda result: results.append(result))
    source = Frames(features, pause=0.002)
    summary = pipeline.run(model.stream(), source, [slow], buffer=1, when_behind="drop")
    numbers = [one.frame for one in results]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 59
    assert len(numbers) + summary.dropped == 60


def test_a_stream_that_goes_on_reports_what_waited_with_its_numbers(tmp_path, capsys):
    model, features = lagged_model(2.0), video(45)
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    np.save(tmp_path / "first.npy", features[:20])
    np.save(tmp_path / "second.npy", features[20:])
    arguments = ("stream", tmp_path / "model.safetensors")
    lines: list[dict[str, Any]] = []
    for name in ("first.npy", "second.npy"):
        assert exit_code(*arguments, tmp_path / name, "--state", tmp_path / "state", "--json") == 0
        lines += [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected, waiting = model.predict(features), round(2 * model.facts.fps)
    assert [line["frame"] for line in lines] == list(range(45 - waiting))
    np.testing.assert_array_equal([line["label"] for line in lines], expected.labels[: 45 - waiting])
    assert exit_code(*arguments, tmp_path / "first.npy", "--lag-seconds", "0", "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 20


def test_a_server_answers_with_the_frames_that_are_known_enough_and_with_the_rest_at_the_end(tmp_path):
    model, features = lagged_model(), video(40)

    async def run(address: str) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
        async with connect(f"ws://{address}/stream?name=anna&resume=1") as socket:
            assert json.loads(await socket.recv()) == {"next_frame": 0}
            answers = [await push(socket, features[first : first + 8]) for first in range(0, 40, 8)]
            await socket.send("end")
            last = json.loads(await socket.recv())
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        async with connect(f"ws://{address}/stream?name=anna&resume=1") as socket:
            assert json.loads(await socket.recv()) == {"next_frame": 0}, "an ended video was kept"
        return answers, last

    app = make_app(model, Limits(), None, tmp_path / "states")
    with running(server_config(app, Limits(), DIM, port=0, log_config=None)) as address:
        answers, last = asyncio.run(asyncio.wait_for(run(address), 30))
    waiting, expected = round(model.facts.fps), model.predict(features)
    assert [len(answer) for answer in answers] == [max(0, min(8, 8 * n + 8 - waiting)) for n in range(5)]
    lines = [line for answer in (*answers, last) for line in answer]
    assert [line["frame"] for line in lines] == list(range(40))
    np.testing.assert_array_equal([line["label"] for line in lines], expected.labels)


@pytest.mark.parametrize("lag", [0.0, 1.0, 1000.0, math.inf])
def test_the_row_of_an_annotated_video_has_all_of_its_frames(lag):
    model, features = make_model(), video(50)
    extractor = Extractor("net", "1", fps=float(model.facts.fps or 0))
    model = TrainedModel(model.network, dataclasses.replace(model.facts, extractor=extractor))
    model.set_lag(lag)
    row = row_of_video("anna", model, np.split(features, [7, 30]))
    assert row.num_frames == 50
    np.testing.assert_array_equal(row.prediction.labels, model.predict(features).labels)


def test_the_commands_take_the_lag_and_refuse_what_cannot_be(tmp_path, capsys):
    model, features = make_model(), video(30)
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    np.save(tmp_path / "a.npy", features)
    predict = ("predict", tmp_path / "model.safetensors", tmp_path / "a.npy", "--no-pictures", "--overwrite")
    found = []
    for lag in ("0", "inf"):
        assert exit_code(*predict, "--out", tmp_path / f"out-{lag}", "--lag-seconds", lag) == 0
        written = open_predictions(tmp_path / f"out-{lag}" / "predictions.h5")
        assert written.info.lag_seconds == float(lag)
        found.append(read_csv_table(tmp_path / f"out-{lag}" / "a.csv"))
        read_csv(tmp_path / f"out-{lag}" / "a.csv", written.info.class_names)
    assert found[0]["progress"] != found[1]["progress"]
    assert "lag_seconds" not in found[0]
    assert set(found[1]["lag_seconds"]) == {"inf"}, "a table alone names its lag"
    capsys.readouterr()
    for arguments, message in (
        ((*predict, "--out", tmp_path / "x", "--lag-seconds", "-1"), "--lag-seconds is -1.0; it must be from 0 to inf"),
        (("stream", *predict[1:3], "--lag-seconds", "inf"), "a stream does not know when its video ends"),
    ):
        assert exit_code(*arguments) != 0
        assert message in capsys.readouterr().err


def test_the_lag_of_the_training_is_that_of_the_model(tmp_path):
    model = lagged_model(2.0)
    save_checkpoint(tmp_path / "model.safetensors", model.network, model.facts)
    code = f"import protas_gtcc; print(protas_gtcc.load({str(tmp_path / 'model.safetensors')!r}).lag_seconds)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2.0\n"


def test_a_video_that_ends_while_its_state_is_written_leaves_none(tmp_path, monkeypatch):
    stream = lagged_model().stream()
    kept = kept_states.KeptStates(tmp_path, stream)
    stream.step(video(20))
    kept.keep("anna", stream)

    def save_and_end(*arguments: Any) -> None:
        kept.forget("anna")
        save_tensors(*arguments)

    monkeypatch.setattr(kept_states, "save_tensors", save_and_end)
    kept.write()
    assert not list(tmp_path.iterdir())
