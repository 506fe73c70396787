"""The web server below the application: connections that never end a request cannot fill it."""

from __future__ import annotations

import logging
from asyncio import TimerHandle, Transport
from dataclasses import replace
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from protas_gtcc.serve.limits import Limits

REQUEST_SECONDS = 10.0
"""Time for a request and its answer."""
MOST_REQUESTS = 64
"""Connections that are no WebSockets: one more ends the oldest. So however many are half-open, a new one is answered.
"""
CLOSING_SECONDS = 5
"""Time in which a client must acknowledge that its connection is closed."""
_LOG = logging.getLogger(__name__)


def server_config(app: Any, limits: Limits, feature_dim: int, largest: int = 0, **options: Any) -> uvicorn.Config:
    """uvicorn's configuration for `make_app`'s application; `largest` is the size of other messages than features."""
    return uvicorn.Config(
        app,
        http=_request_protocol(),
        ws=_WebSocket,
        ws_max_size=max(4 * feature_dim * limits.frames_a_message, largest) + 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
        limit_concurrency=2 * (limits.connections + limits.watchers) + 2 * MOST_REQUESTS,
        **options,
    )


def _request_protocol() -> type[H11Protocol]:
    """The protocol class of one server."""
    requests: dict[H11Protocol, TimerHandle] = {}

    class Request(H11Protocol):
        """HTTP within limits of time and number; an error in it is one line of log."""

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            while len(requests) >= MOST_REQUESTS:
                oldest = next(iter(requests))
                requests.pop(oldest).cancel()
                oldest.transport.abort()
            self._await_request()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except Exception as error:  # whatever a client sends
                _drop(self.transport, error)

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._forget()
            super().handle_websocket_upgrade(event)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing():
                self._await_request()

        def _await_request(self) -> None:
            self._forget()
            requests[self] = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

        def _forget(self) -> None:
            timer = requests.pop(self, None)
            if timer is not None:
                timer.cancel()

    return Request


class _WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose bytes may be anything: an error in them is one line of log."""

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:
            _drop(self.transport, error)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # it was refused; uvicorn would log that no handshake was completed

    # Text is refused in any case; if it were not UTF-8, uvicorn would log a traceback.

    def handle_text(self, event: Frame) -> None:
        super().handle_text(_utf8(event))

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(_utf8(event) if self.curr_msg_data_type == "text" else event)


def _utf8(frame: Frame) -> Frame:
    return replace(frame, data=bytes(frame.data).decode(errors="replace").encode())


def _drop(transport: Transport, error: Exception) -> None:
    peer = transport.get_extra_info("peername")
    what = " ".join(f"{type(error).__name__} {error}".split())[:200]
    _LOG.warning("disconnected %s, which sent what is no request: %s", peer[0] if peer else "a client", what)
    transport.abort()
