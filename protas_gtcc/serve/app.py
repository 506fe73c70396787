"""The web application: its pages, its WebSockets, and who may use them."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable
from dataclasses import asdict
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.websockets import WebSocketDisconnect

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.sessions import CLOSING_SECONDS, Refused, Sessions

BROKEN_RULE = 1008
"""The WebSocket's close code for a client that broke a rule."""


def make_app(model: TrainedModel, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """The application for a model; with a token, every request must carry it (`?token=` or a bearer header).

    Without a token, only requests to this machine's own names are answered: another site's name could be made to point
    to this machine. Raises `InputError` for an empty token.
    """
    if token == "":
        raise InputError("an empty token admits every client; give None, or a token that is hard to guess")
    app = FastAPI(title="protas_gtcc", docs_url=None, redoc_url=None, openapi_url=None)
    sessions = Sessions(model, limits or Limits())
    app.state.sessions = sessions
    page = resources.files("protas_gtcc.serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.middleware("http")
    async def only_with_token(request: Request, call_next: Any) -> Response:
        refusal = _refusal(request, token)
        if refusal is None:
            return await call_next(request)
        return JSONResponse({"error": refusal}, status_code=403 if token is None else 401)

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/facts")
    async def facts() -> dict[str, Any]:
        names = ("class_names", "background", "feature_dim", "fps", "look_ahead_frames", "simulated")
        return {**{name: getattr(model.facts, name) for name in names}, "limits": asdict(sessions.limits)}

    @app.get("/people")
    async def people() -> list[str]:
        return sorted(sessions.people)

    @app.websocket("/stream")
    async def stream(socket: WebSocket, name: str = "") -> None:
        async with _admitted(socket, token):
            await _serve_stream(socket, sessions, name)

    @app.websocket("/watch")
    async def watch(socket: WebSocket, name: str = "") -> None:
        async with _admitted(socket, token):
            await _serve_watcher(socket, sessions, name)

    return app


async def _serve_stream(socket: WebSocket, sessions: Sessions, name: str) -> None:
    person = sessions.begin(name)
    idle = sessions.limits.idle_seconds
    try:
        while True:
            message = await _within(idle, socket.receive(), "no message")
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is None:
                raise Refused("a text message is not a frame; send raw little-endian float32")
            results = sessions.push(person, message["bytes"])
            await _within(idle, socket.send_json(results), "the client read no answer")
            # Clients take turns, even if this one's next message has arrived already.
            await asyncio.sleep(0)
    finally:
        sessions.end(person)


async def _serve_watcher(socket: WebSocket, sessions: Sessions, name: str) -> None:
    person, queue = sessions.watch(name)
    idle = sessions.limits.idle_seconds
    try:
        await _within(idle, socket.send_json(list(person.results)), "the watcher read no result")
        # A task of its own notices that the watcher has left while there are no results.
        gone = asyncio.create_task(socket.receive())
        while not gone.done():
            coming = asyncio.create_task(queue.get())
            await asyncio.wait({gone, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return
            result = coming.result()
            await _within(idle, socket.send_json([result]), "the watcher read no result")
            if "ended" in result:
                gone.cancel()
                return
    finally:
        sessions.unwatch(person, queue)


async def _within(seconds: float, action: Awaitable[Any], refusal: str) -> Any:
    try:
        return await asyncio.wait_for(action, seconds)
    except TimeoutError:
        raise Refused(f"{refusal} for {seconds:g} s") from None


@contextlib.asynccontextmanager
async def _admitted(socket: WebSocket, token: str | None) -> Any:
    """Accept a client; a refused client gets the reason, and a client that leaves is not an error."""
    await socket.accept()
    try:
        refusal = _refusal(socket, token)
        if refusal is not None:
            raise Refused(refusal)
        # Browsers send the site that a script comes from; programs send none.
        origin = socket.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
            raise Refused("pages of other sites may not use this server")
        yield
        await _close(socket)
    except Refused as refused:
        # A WebSocket's reason has at most 123 bytes.
        await _close(socket, BROKEN_RULE, str(refused).encode()[:120].decode(errors="ignore"))
    except WebSocketDisconnect:
        pass


async def _close(socket: WebSocket, code: int = 1000, reason: str = "") -> None:
    # If the client has left, or reads nothing any more, closing fails too.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        await asyncio.wait_for(socket.close(code, reason), CLOSING_SECONDS)


def _refusal(connection: Request | WebSocket, token: str | None) -> str | None:
    """Why a connection is refused; None: it is accepted."""
    if token is None:
        host = urlsplit("//" + connection.headers.get("host", "")).hostname
        here = host in ("localhost", "127.0.0.1", "::1")
        return None if here else "without a token, this server answers to localhost only"
    given = connection.query_params.get("token") or connection.headers.get("authorization", "").removeprefix("Bearer ")
    known = hmac.compare_digest(given.encode(), token.encode())
    return None if known else "a token is required: ?token=… or a bearer header"
