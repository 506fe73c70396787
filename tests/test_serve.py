"""The server: one stream for each client, limits that affect no other client, and a page that shows the results."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from protas_gtcc.cli.main import main
from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live import pipeline
from protas_gtcc.network.checkpoint import save_checkpoint
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.live_page import LivePage
from tests.mstcn_folder import exit_code
from tests.test_live import Frames
from tests.tiny_models import DIM, make_model, video


@contextmanager
def serving(
    limits: Limits | None = None, token: str | None = None, states: Path | None = None, port: int = 0
) -> Iterator[str]:
    """A server on this or a free port, whose log pytest has; its address without a scheme."""
    limits = limits or Limits()
    app = make_app(make_model(), limits, token, states)
    with running(server_config(app, limits, DIM, port=port, log_config=None)) as address:
        yield address


@contextmanager
def running(config: uvicorn.Config) -> Iterator[str]:
    """A server in a thread; its address without a scheme."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it was there"
        time.sleep(0.01)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


async def push(socket: ClientConnection, features: np.ndarray) -> list[dict[str, Any]]:
    await socket.send(features.astype("<f4").tobytes())
    return json.loads(await socket.recv())


def why_closed(address: str, *messages: bytes | str, path: str = "/stream?name=a", **options: Any) -> str:
    """The reason that a client who sends this is given."""

    async def run() -> str:
        try:
            async with connect(f"ws://{address}{path}", **options) as socket:
                for message in messages:
                    await socket.send(message)
                while True:
                    await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.reason if closed.rcvd else "no reason"
        except InvalidStatus as refused:
            return f"{refused.response.status_code} {json.loads(refused.response.body)['error']}"

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.slow
def test_each_of_many_clients_gets_what_predict_gives():
    videos = [video(20, seed) for seed in range(50)]

    async def one(address: str, number: int) -> list[dict[str, Any]]:
        chunks = np.split(videos[number], [1, 2, 2 + number % 18])
        async with connect(f"ws://{address}/stream?name=p{number}") as socket:
            return [result for chunk in chunks if len(chunk) for result in await push(socket, chunk)]

    async def run(address: str) -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(one(address, number) for number in range(len(videos))))

    with serving() as address:
        results = asyncio.run(run(address))
    for lines, features in zip(results, videos, strict=True):
        expected = make_model().predict(features)
        assert [line["frame"] for line in lines] == list(range(20))
        assert [line["label"] for line in lines] == expected.labels.tolist()
        np.testing.assert_allclose([line["progress"] for line in lines], expected.reported, rtol=0, atol=2e-5)


NAN = np.full(DIM, np.nan, dtype="<f4").tobytes()
BAD: dict[str, tuple[bytes | str, str]] = {
    "malformed": ("hello", "a text message is not a frame"),
    "wrong shape": (bytes(4 * DIM + 1), "are not a whole number of frames"),
    "empty": (b"", "0 bytes are not a whole number of frames"),
    "NaN": (NAN, "NaN, infinity or a value above 1e12"),
    "too many frames": (bytes(4 * DIM * 65), "65 frames in a message; at most 64 are allowed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_client_that_breaks_a_rule_gets_the_reason_and_harms_no_other(name):
    message, reason = BAD[name]
    features = video(10)

    async def good(address: str, refused: threading.Event) -> list[int]:
        async with connect(f"ws://{address}/stream?name=good") as socket:
            before = await push(socket, features[:5])
            await asyncio.to_thread(refused.wait, 20)
            return [one["label"] for one in before + await push(socket, features[5:])]

    with serving() as address:
        refused, result = threading.Event(), []
        thread = threading.Thread(target=lambda: result.append(asyncio.run(good(address, refused))))
        thread.start()
        try:
            assert reason in why_closed(address, message)
        finally:
            refused.set()
            thread.join(20)
    assert result == [make_model().predict(features).labels.tolist()]


def test_a_silent_client_and_one_that_is_too_fast_are_closed():
    with serving(Limits(idle_seconds=0.2)) as address:
        assert why_closed(address) == "no message for 0.2 s"
    with serving(Limits(frames_a_second=4.0)) as address:
        assert why_closed(address, *[bytes(4 * DIM)] * 9) == "more than 4 frames per second"


@pytest.mark.slow
def test_a_client_that_reads_no_answer_is_closed_and_slows_no_other():
    message = np.zeros((64, DIM), dtype="<f4").tobytes()

    async def run(address: str) -> float:
        # A small buffer, which unread answers fill soon.
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        async with connect(f"ws://{address}/stream?name=silent", sock=connection, max_queue=1) as silent:
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                for _ in range(1500):
                    await asyncio.wait_for(silent.send(message), 1)
            longest = 0.0
            async with connect(f"ws://{address}/stream?name=good") as good:
                deadline = time.monotonic() + 20
                while "silent" in json.loads((await asyncio.to_thread(_get, f"http://{address}/people"))[1]):
                    assert time.monotonic() < deadline, "the silent reader still has its stream"
                    sent = time.monotonic()
                    await push(good, video(1))
                    longest = max(longest, time.monotonic() - sent)
            silent.transport.abort()
            return longest

    with serving(Limits(idle_seconds=1.0, frames_a_second=1e9)) as address:
        assert asyncio.run(run(address)) < 1.0


def test_a_name_is_used_once_and_streams_are_limited_and_freed():
    async def run(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=a") as first:
            await push(first, video(1))
            reason = await asyncio.to_thread(why_closed, address)
            assert "the name 'a' is in use" in reason
            reason = await asyncio.to_thread(why_closed, address, path="/stream?name=b")
            assert "all 1 streams are taken" in reason
        async with connect(f"ws://{address}/stream?name=b") as second:
            assert (await push(second, video(1)))[0]["frame"] == 0, "the place starts anew"

    with serving(Limits(connections=1)) as address:
        asyncio.run(run(address))
        assert "1 to 64 printable characters" in why_closed(address, path="/stream")


def test_watchers_get_earlier_and_new_results():
    features = video(12)

    async def run(address: str) -> list[dict[str, Any]]:
        async with connect(f"ws://{address}/stream?name=a") as pushing:
            first = await push(pushing, features[:7])
            async with connect(f"ws://{address}/watch?name=a") as watching:
                assert json.loads(await watching.recv()) == first
                rest = await push(pushing, features[7:])
                assert json.loads(await watching.recv()) == rest
                await pushing.close()
                assert json.loads(await watching.recv()) == [{"ended": True}]
        return first + rest

    with serving() as address:
        assert len(asyncio.run(run(address))) == 12
        assert "no stream is called 'a'" in why_closed(address, path="/watch?name=a")


def _get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_and_the_facts():
    with serving() as address:
        status, page = _get(f"http://{address}/")
        assert status == 200
        assert "<canvas" in page
        assert "http://" not in page.replace("http://www.w3.org", ""), "nothing is fetched from elsewhere"
        facts = json.loads(_get(f"http://{address}/facts")[1])
    assert facts["feature_dim"] == DIM
    assert facts["class_names"] == ["rest", "cut", "mix", "serve"]


def test_without_the_token_no_client_is_accepted():
    with serving(token="secret") as address:
        assert _get(f"http://{address}/")[0] == 401
        assert _get(f"http://{address}/?token=wrong")[0] == 401
        assert _get(f"http://{address}/facts?token=secret")[0] == 200
        assert _get(f"http://{address}/facts", Authorization="Bearer secret")[0] == 200
        assert "a token is required" in why_closed(address)


def test_pages_of_other_sites_are_refused():
    with serving() as address:
        assert "pages of other sites" in why_closed(address, origin="http://elsewhere.example")


def test_without_a_token_only_this_machines_own_names_are_answered():
    with serving() as address:
        port = address.rpartition(":")[2]
        assert _get(f"http://{address}/facts", Host=f"evil.example:{port}")[0] == 403
        reason = why_closed(
            f"evil.example:{port}", host="127.0.0.1", port=int(port), origin=f"http://evil.example:{port}"
        )
        assert "answers to localhost only" in reason


@pytest.mark.parametrize("variable", [None, ""])
def test_an_address_that_others_can_reach_needs_a_token(capsys, monkeypatch, variable):
    monkeypatch.delenv("PROTAS_GTCC_TOKEN", raising=False)
    if variable is not None:
        monkeypatch.setenv("PROTAS_GTCC_TOKEN", variable)
    for options, message in (([], "give --token"), (["--token", ""], "--token is empty")):
        with pytest.raises(SystemExit) as stopped:
            main(["serve", "none", "--host", "0.0.0.0", *options])
        assert stopped.value.code == 1
        assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="an empty token admits every client"):
        make_app(make_model(), token="")


def test_the_live_page_shows_a_pipeline():
    features, model = video(30), make_model()
    page = LivePage(model)
    address = page.address.removeprefix("http://").rstrip("/")

    async def watched() -> list[dict[str, Any]]:
        async with connect(f"ws://{address}/watch?name=live") as socket:
            seen = json.loads(await socket.recv())
            while len(seen) < len(features):
                seen += json.loads(await socket.recv())
            await asyncio.to_thread(page.close)
            assert json.loads(await socket.recv()) == [{"ended": True}]
            return seen

    try:
        pipeline.run(model.stream(), Frames(features), [page])
        assert "all 1 streams are taken" in why_closed(address)
        with pytest.raises(
            InputError, match=r"cannot listen on 127.0.0.1:\d+: Address already in use; give another port"
        ):
            LivePage(model, int(address.rpartition(":")[2]))
        seen = asyncio.run(asyncio.wait_for(watched(), 20))
        assert [one["label"] for one in seen] == model.predict(features).labels.tolist()
    finally:
        page.close()


@pytest.mark.parametrize("verb", ["serve model.safetensors --port 0", "stream model.safetensors cake.npy --web 0"])
def test_streams_are_compiled_before_the_address_is_printed(tmp_path, monkeypatch, capfd, verb):
    monkeypatch.chdir(tmp_path)
    model, printed = make_model(), list[str]()
    save_checkpoint(Path("model.safetensors"), model.network, model.facts)
    np.save("cake.npy", video(3))
    monkeypatch.setattr(TrainedModel, "compile_streams", lambda _: printed.append("".join(capfd.readouterr())))
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    assert exit_code(*verb.split()) == 0
    assert len(printed) == 1
    assert "http://" not in printed[0]
    assert "http://127.0.0.1:" in "".join(capfd.readouterr())
