"""Senders of video on this machine, for tests: a web server, and a network camera that speaks RTSP."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

TS_PACKETS = 7 * 188
"""Bytes of MPEG-TS in a packet of RTP."""


@contextmanager
def sending(send: Callable[[Any], None]) -> Iterator[str]:
    """The address of a web server whose answer `send` writes."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(ConnectionError):  # who reads may leave
                send(self.wfile)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/live"
        finally:
            server.shutdown()


@contextmanager
def network_camera(transport_stream: bytes) -> Iterator[str]:
    """The address of a camera that sends MPEG-TS over RTSP, then breaks off."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client, suppress(ConnectionError):
                _play(client, transport_stream)

        threading.Thread(target=serve, daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/kitchen"


def _play(client: socket.socket, content: bytes) -> None:
    requests = client.makefile("rb")
    method = ""
    while method != "PLAY":
        method, _, _ = requests.readline().decode().partition(" ")
        headers = list(iter(lambda: requests.readline().decode().strip(), ""))
        [number] = [line.removeprefix("CSeq: ") for line in headers if line.startswith("CSeq: ")]
        client.sendall(_answer(method, number))
    for count, start in enumerate(range(0, len(content), TS_PACKETS)):
        packet = struct.pack("!BBHII", 0x80, 33, count % 65536, 90 * count, 7) + content[start : start + TS_PACKETS]
        client.sendall(b"$\0" + struct.pack("!H", len(packet)) + packet)


def _answer(method: str, number: str) -> bytes:
    description = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
    headers = {
        "OPTIONS": "Public: DESCRIBE, SETUP, PLAY\r\n",
        "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(description)}\r\n",
        "SETUP": "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
        "PLAY": "Session: 1\r\n",
    }[method]
    body = description if method == "DESCRIBE" else ""
    return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}\r\n{body}".encode()
