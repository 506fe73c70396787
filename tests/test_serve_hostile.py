"""Whatever is sent to the server: others are served, its log has one short line, and its memory does not grow."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from websockets.asyncio.client import connect

from protas_gtcc.serve import connections
from protas_gtcc.serve.connections import MOST_REQUESTS
from protas_gtcc.serve.history import EARLIER_RESULTS, RECENT_FRAMES, History
from tests.test_serve import _get, push, serving, why_closed
from tests.tiny_models import DIM, video

UPGRADE = (
    "GET /stream?name=x{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


UNFINISHED = b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"


def exchanged(address: str, *parts: bytes) -> bytes:
    """What the server answers to these bytes, until it closes or for a moment."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=0.5) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while piece := connection.recv(4096):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
        return answer


def upgrade(address: str, host: str = "", more: str = "", query: str = "") -> bytes:
    return UPGRADE.format(host=host or address, more=more, query=query).encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split()[1])


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the server logs; at the end, every record must be one short line without a traceback."""
    yield caplog
    for record in caplog.get_records("call"):
        assert record.exc_info is None, record
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 400


FRAMES = {
    "reserved bits": b"\xff\x80\x00\x00\x00\x00",
    "unknown opcode": b"\x8b\x80\x00\x00\x00\x00",
    "no UTF-8": b"\x81\x82\x00\x00\x00\x00\xff\xfe",
    "no UTF-8 in two parts": b"\x01\x81\x00\x00\x00\x00\xc3\x80\x81\x00\x00\x00\x00\xff",
    "huge": b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
    "not masked": b"\x82\x02ab",
    "continues nothing": b"\x80\x80\x00\x00\x00\x00",
    "close with a bad code": b"\x88\x82\x00\x00\x00\x00\x00\x01",
    "a message and a bad frame at once": b"\x82\x94" + bytes(4 + 4 * DIM) + b"\xff\x80" * 8,
}


@pytest.mark.parametrize("frame", FRAMES)
def test_bad_websocket_frames_are_one_line_of_log_at_most(frame, log):
    with serving() as address:
        assert status(exchanged(address, upgrade(address), FRAMES[frame])) == 101
        assert _get(f"http://{address}/people") == (200, "[]"), "the stream is free again"
    assert len(log.records) <= 1


@pytest.mark.parametrize("host", ["[::1", "a b", "//[", "]", "localhost:x:y"])
def test_a_malformed_host_is_a_bad_request(host, log):
    with serving() as address:
        page = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
        assert status(exchanged(address, page)) in (400, 403)
        assert status(exchanged(address, upgrade(address, host=host))) in (400, 403)
        malformed = status(exchanged(address, page.replace(host.encode("latin-1"), b"[::1")))
        assert malformed == 400


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null"])
def test_a_malformed_origin_is_refused(origin, log):
    with serving() as address:
        answer = exchanged(address, upgrade(address, more=f"Origin: {origin}\r\n"))
        assert status(answer) == (400 if "[" in origin else 403)


def test_random_bytes_never_stop_the_server_or_fill_its_log(log):
    rng = np.random.default_rng(0)
    with serving() as address:
        good = upgrade(address)
        for number in range(60):
            noise = rng.bytes(int(rng.integers(1, 400)))
            cut = int(rng.integers(0, len(good)))
            broken = bytearray(good)
            broken[int(rng.integers(len(good)))] = int(rng.integers(256))
            sent = [noise], [good, noise], [good[:cut], noise], [bytes(broken)], [b"GET / HTTP/1.1\r\n" + noise]
            connection = socket.create_connection(("127.0.0.1", int(address.split(":")[1])), timeout=5)
            with connection:
                for part in sent[number % 5]:
                    connection.sendall(part)
        assert _get(f"http://{address}/facts")[0] == 200
    assert len(log.records) <= 120


def test_a_wrong_token_is_refused_before_a_websocket_opens_and_logged_in_one_line(log):
    with serving(token="secret") as address:
        for _ in range(20):
            assert why_closed(address).startswith("401 a token is required")
    assert [record.getMessage() for record in log.records] == [
        "refused 127.0.0.1: a token is required: ?token=… or a bearer header"
    ] * 20


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_bearer_may_be_written_in_any_case(scheme):
    with serving(token="secret") as address:
        assert _get(f"http://{address}/facts", Authorization=f"{scheme} secret")[0] == 200
        assert _get(f"http://{address}/facts", Authorization="Basic secret")[0] == 401


def test_half_open_requests_never_keep_a_page_from_being_answered():
    with serving() as address, ExitStack() as open_ones:
        for number in range(4 * MOST_REQUESTS):
            connection = socket.create_connection(("127.0.0.1", int(address.split(":")[1])), timeout=5)
            open_ones.enter_context(connection)
            connection.sendall(
                (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")[number % 3]
            )
        started = time.monotonic()
        assert _get(f"http://{address}/facts")[0] == 200
        assert time.monotonic() - started < 3


def test_a_request_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with serving() as address:
        for beginning in UNFINISHED:
            with socket.create_connection(("127.0.0.1", int(address.split(":")[1])), timeout=5) as connection:
                connection.sendall(beginning)
                try:
                    while connection.recv(65536):
                        pass
                except ConnectionResetError:
                    pass


# What a watcher gets


def test_the_first_message_to_a_watcher_and_the_memory_of_a_person_do_not_grow_with_the_stream():
    history = History()
    for frame in range(50_000):
        result = {"frame": frame, "label": frame // 7 % 5, "progress": 0.5}
        history.add(result, json.dumps(result | {"padding": "x" * 150}))
    text = history.text()
    assert len(text) < 100_000
    assert len(json.loads(text)) <= RECENT_FRAMES + EARLIER_RESULTS + 1


def test_a_history_has_the_recent_frames_and_the_ends_of_all_segments():
    history, labels = History(), [0] * 300 + [1] * 50 + [2] + [0] * 200
    for frame, label in enumerate(labels):
        result = {"frame": frame, "label": label, "progress": 0.5}
        history.add(result, json.dumps(result))
    frames = [one["frame"] for one in json.loads(history.text())]
    recent = list(range(len(labels) - RECENT_FRAMES, len(labels)))
    assert frames == [0, 299, 300, 349, 350, 351, recent[0] - 1, *recent]


@pytest.mark.slow
def test_a_client_is_answered_while_others_break_every_rule(log):
    async def good(address: str) -> None:
        async with connect(f"ws://{address}/stream?name=good") as stream:
            for features in np.split(video(60), 60):
                await push(stream, features)
                await asyncio.sleep(0.01)

    async def bad(address: str) -> None:
        for frame in FRAMES.values():
            await asyncio.to_thread(exchanged, address, upgrade(address, query="&x=1"), frame)

    async def run(address: str) -> None:
        await asyncio.gather(good(address), *(bad(address) for _ in range(4)))

    with serving() as address:
        asyncio.run(run(address))
