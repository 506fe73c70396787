"""`serve --state`: a server that was stopped or killed goes on with every stream, and loses a second at most."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protas_gtcc.errors import InputError
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.serve import kept_states
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.gate import Refused
from protas_gtcc.serve.kept_states import KeptStates
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.sessions import Sessions
from tests.test_serve import push, serving
from tests.tiny_models import DIM, make_model, video


async def answers(address: str, features: np.ndarray, resume: bool = True) -> tuple[int, list[dict[str, Any]]]:
    """The frame that a client goes on from, and the answers to the frames from there on."""
    async with connect(f"ws://{address}/stream?name=anna" + ("&resume=1" if resume else "")) as socket:
        first = json.loads(await socket.recv())["next_frame"] if resume else 0
        return first, await push(socket, features[first:])


def test_a_stream_goes_on_after_its_connection_and_after_its_server_have_ended(tmp_path):
    features, expected = video(40), make_model().predict(video(40))
    results: list[dict[str, Any]] = []
    for until, start in ((15, 0), (28, 15), (40, 28)):
        with serving(states=tmp_path / "states") as address:
            first, part = asyncio.run(answers(address, features[:until]))
            assert first == start
            results += part
    assert [one["frame"] for one in results] == list(range(40))
    assert [one["label"] for one in results] == expected.labels.tolist()
    np.testing.assert_allclose([one["progress"] for one in results], expected.reported, rtol=0, atol=2e-5)


def test_a_client_that_does_not_resume_starts_anew_and_without_a_folder_there_is_nothing_to_resume(tmp_path):
    with serving(states=tmp_path) as address:
        asyncio.run(answers(address, video(5)))
        _, results = asyncio.run(answers(address, video(3), resume=False))
        assert [one["frame"] for one in results] == [0, 1, 2]
        assert asyncio.run(answers(address, video(4)))[0] == 3, "the new stream has replaced the old one"
    with serving() as address:
        asyncio.run(answers(address, video(5)))
        assert asyncio.run(answers(address, video(5)))[0] == 0


def test_a_client_whose_frame_would_overflow_gets_the_reason_and_resumes_as_if_it_had_not_sent_it(tmp_path):
    features, expected = video(20), make_model().predict(video(20))
    huge = features[8:9].copy()
    huge[0, 2] = 3e38

    async def run(address: str) -> list[dict[str, Any]]:
        async with connect(f"ws://{address}/stream?name=anna") as socket:
            before = await push(socket, features[:8])
            with pytest.raises(
                ConnectionClosed, match="NaN, infinity or a value above 1e12 at frame 8 of stream 'anna'"
            ):
                await push(socket, huge)
        first, after = await answers(address, features)
        assert first == 8
        return before + after

    with serving(states=tmp_path) as address:
        results = asyncio.run(run(address))
    json.dumps(results, allow_nan=False)
    assert [one["label"] for one in results] == expected.labels.tolist()
    np.testing.assert_allclose([one["progress"] for one in results], expected.reported, rtol=0, atol=2e-5)


def test_states_of_another_model_or_damaged_ones_are_refused_at_the_start(tmp_path):
    with serving(states=tmp_path) as address:
        asyncio.run(answers(address, video(5)))
    [file] = tmp_path.glob("*.safetensors")
    with pytest.raises(InputError, match="belongs to a model with other weights"):
        make_app(make_model(seed=1), states=tmp_path)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match=f"{file.name} is not a whole safetensors file"):
        make_app(make_model(), states=tmp_path)


def test_the_folder_is_bounded_and_any_name_has_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_states, "MOST_STATES", 3)
    stream = make_model().stream()
    kept = KeptStates(tmp_path, stream)
    for number, name in enumerate(["../../up", "CON", "ä" * 64, "a/b", "last"]):
        stream.step(video(1)[0])
        kept.keep(name, stream)
        kept.write()
        for path in tmp_path.glob("*.safetensors"):
            if path.stat().st_mtime > 1e6:  # written just now
                os.utime(path, (number, number))
    assert KeptStates(tmp_path, make_model().stream()).frames == {"ä" * 64: 3, "a/b": 4, "last": 5}


def test_the_states_of_connected_streams_stay_and_connections_without_a_frame_leave_none(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_states, "MOST_STATES", 4)
    sessions = Sessions(make_model(), Limits(connections=4), tmp_path)

    def connect_briefly(name: str, frames: int) -> None:
        person = sessions.begin(name)
        if frames:
            sessions.push(person, video(frames).tobytes())
        sessions.end(person)

    connect_briefly("anna", 20)
    live = sessions.begin("live")
    sessions.push(live, video(7).tobytes())
    for number in range(9):
        connect_briefly(f"empty {number}", 0)
    asyncio.run(sessions.save())
    assert sessions.kept is not None
    assert sessions.kept.frames == {"anna": 20, "live": 7}
    for number in range(6):
        connect_briefly(f"other {number}", 1)
        asyncio.run(sessions.save())
    others = {f"other {number}": 1 for number in range(2, 6)}
    assert sessions.kept.frames == {"live": 7, **others}
    assert KeptStates(tmp_path, make_model().stream()).frames == {"live": 7, **others}
    connect_briefly("live 2", 0)
    assert sessions.begin("other 3", resume=True).stream.num_frames == 1


def test_a_bad_stream_neither_breaks_itself_nor_the_saving_of_others(tmp_path, caplog):
    model = make_model()
    network: Any = model.network
    network.stages[0].conv_in.weight.data *= 1e27
    sessions = Sessions(model, Limits(connections=2), tmp_path)
    bad, good = sessions.begin("bad"), sessions.begin("good")
    small, huge = video(3) * np.float32(1e-20), np.full((1, DIM), 1e12, np.float32)
    for person in (bad, good):
        sessions.push(person, small.tobytes())
    with pytest.raises(Refused, match="the network's output is not finite"):
        sessions.push(bad, huge.tobytes())
    sessions.push(bad, small.tobytes())
    sessions.end(bad)
    asyncio.run(sessions.save())
    assert KeptStates(tmp_path, model.stream()).frames == {"bad": 6, "good": 3}
    good.stream._state["carried"][0] = float("nan")  # it cannot come, and is dropped
    assert sessions.kept is not None
    sessions.kept.keep("good", good.stream)
    sessions.kept.keep("another", bad.stream)
    for _ in range(2):
        asyncio.run(sessions.save())
    assert not sessions.kept._waiting
    assert KeptStates(tmp_path, model.stream()).frames == {"bad": 6, "good": 3, "another": 6}
    assert ["carried has NaN" in record.getMessage() for record in caplog.records] == [True]


def test_a_refused_frame_is_of_the_stream_that_its_client_named():
    sessions = Sessions(make_model(), Limits(connections=3))
    sessions.begin("bob")
    with pytest.raises(Refused, match="above 1e12 at frame 0 of stream 'anna'; replace it"):
        sessions.push(sessions.begin("anna"), np.full((1, DIM), 1e13, np.float32).tobytes())


def test_a_disk_that_refuses_states_is_logged_once_and_does_not_stop_the_server(tmp_path, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise InputError("cannot write: No space left on device")

    monkeypatch.setattr(kept_states, "save_tensors", full)
    monkeypatch.setattr("protas_gtcc.serve.app.SAVE_SECONDS", 0.02)

    async def run(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=anna") as socket:
            for features in np.split(video(10), 10):
                assert await push(socket, features)
                await asyncio.sleep(0.03)

    with serving(states=tmp_path) as address:
        asyncio.run(run(address))
    assert [record.getMessage() for record in caplog.records] == [
        "states are not kept: cannot write: No space left on device"
    ]


@contextmanager
def server(checkpoint: Path, states: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`protas-gtcc serve` as a process, and its address."""
    words = ["serve", str(checkpoint), "--state", str(states), "--port", str(port)]
    environment = {**os.environ, "PROTAS_GTCC_TOKEN": "secret"}
    command = [sys.executable, "-m", "protas_gtcc", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = process.stdout.readline().strip()
            yield process, address.removeprefix("http://").removesuffix("/?token=…")
        finally:
            process.kill()


@pytest.mark.slow
def test_a_killed_server_loses_a_second_at_most_says_where_it_goes_on_and_the_client_reconnects(tmp_path):
    model, features = make_model(), video(400)
    checkpoint, states = tmp_path / "model.safetensors", tmp_path / "states"
    save_checkpoint(checkpoint, model.network, model.facts)
    answered: dict[int, Any] = {}
    resumed: list[tuple[int, int]] = []

    async def follow(address: str) -> None:
        async for socket in connect(f"ws://{address}/stream?name=anna&resume=1&token=secret"):
            try:
                number = json.loads(await socket.recv())["next_frame"]
                resumed.append((len(answered), number))
                while number < len(features):
                    [answered[number]] = await push(socket, features[number : number + 1])
                    number += 1
                    await asyncio.sleep(1 / 50)
                return
            except ConnectionClosed:
                continue

    async def run() -> str:
        with server(checkpoint, states, 0) as (process, address):
            client = asyncio.create_task(follow(address))
            while len(answered) < 150:
                await asyncio.sleep(0.01)
            assert "secret" not in Path(f"/proc/{process.pid}/cmdline").read_text()
            process.send_signal(signal.SIGKILL)
        with server(checkpoint, states, int(address.rpartition(":")[2])) as (process, _):
            await asyncio.wait_for(client, 60)
            process.send_signal(signal.SIGTERM)
            return str(process.communicate()[1])

    printed = asyncio.run(run())
    (_, first), (before, second) = resumed
    assert first == 0
    assert before - 60 <= second <= before, "frames of a second or less are sent again"
    assert f"kept states, for clients that resume: 'anna' from frame {second}" in printed
    assert "Traceback" not in printed
    assert [answered[number]["label"] for number in range(400)] == model.predict(features).labels.tolist()
