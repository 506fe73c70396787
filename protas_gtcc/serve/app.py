"""The web application: its pages, its WebSockets, and who may use them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.report.colours import class_looks
from protas_gtcc.serve.connections import CLOSING_SECONDS
from protas_gtcc.serve.gate import Gate, Refused, deny
from protas_gtcc.serve.kept_states import SAVE_SECONDS
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.overview import serve_overview
from protas_gtcc.serve.page import page_text
from protas_gtcc.serve.pictures import ClientPictures
from protas_gtcc.serve.sessions import Person, Sessions
from protas_gtcc.serve.watching import serve_watcher, within
from protas_gtcc.video.backbones.base import Backbone

BROKEN_RULE = 1008
"""The WebSocket's close code for a client that broke a rule."""
END = "end"
"""Text message of a client whose video has ended."""


def make_app(
    model: TrainedModel,
    limits: Limits | None = None,
    token: str | None = None,
    states: Path | None = None,
    backbone: Backbone | None = None,
    task: str | None = None,
) -> FastAPI:
    """The application for a model; with a token, every request must carry it (`?token=` or a bearer header).

    The states of streams are kept in the folder `states`, if given. With the model's backbone, clients may send
    pictures. `task` is that of clients that give none; None infers it. Raises `InputError` for an empty token, for a
    task that the model does not know, and as `KeptStates` does.
    """
    if token == "":
        raise InputError("an empty token admits every client; give None, or a token that is hard to guess")
    sessions = Sessions(model, limits or Limits(), states, task)
    app = FastAPI(
        title="protas_gtcc", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lambda _: _saving(sessions)
    )
    app.add_middleware(Gate, token=token)
    app.state.sessions = sessions
    _add_pages(app, sessions, backbone is not None)
    _add_sockets(app, sessions, backbone)
    return app


def _add_pages(app: FastAPI, sessions: Sessions, takes_pictures: bool) -> None:
    page = page_text()
    looks = [astuple(look) for look in class_looks(sessions.model.facts)]

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/facts")
    async def facts() -> dict[str, Any]:
        names = ("class_names", "background", "feature_dim", "fps", "look_ahead_frames", "simulated", "tasks")
        facts = {name: getattr(sessions.model.facts, name) for name in names}
        facts |= {"looks": looks, "pictures": takes_pictures, "limits": asdict(sessions.limits)}
        alarms = sessions.model.alarms
        facts["lag_seconds"] = sessions.model.lag_seconds
        facts["alarms"] = alarms and asdict(alarms) | {"promise": alarms.promise}
        return facts | {"task_steps": sessions.model.task_steps, "ends_with_stream": sessions.ends_with_stream}

    @app.get("/people")
    async def people() -> list[str]:
        return sorted(sessions.people)


def _add_sockets(app: FastAPI, sessions: Sessions, backbone: Backbone | None) -> None:
    @app.websocket("/stream")
    async def stream(socket: WebSocket, name: str = "", resume: str = "", pictures: str = "", task: str = "") -> None:
        async with _refusals_answered(socket):
            if pictures and backbone is None:
                raise Refused("this server takes features only; it was started without --pictures")
            sent = ClientPictures(backbone, name) if pictures and backbone else None
            person = sessions.begin(name, bool(resume), task or None)
            await _serve_stream(socket, sessions, person, bool(resume), sent)

    @app.websocket("/watch")
    async def watch(socket: WebSocket, name: str = "", pictures: str = "", brief: str = "") -> None:
        async with _refusals_answered(socket):
            await serve_watcher(socket, sessions, name, bool(pictures), bool(brief))

    @app.websocket("/overview")
    async def overview(socket: WebSocket) -> None:
        async with _refusals_answered(socket):
            await serve_overview(socket, sessions)


@contextlib.asynccontextmanager
async def _saving(sessions: Sessions) -> AsyncIterator[None]:
    """Save the states of streams while the server runs, and when it ends."""

    async def save_regularly() -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await sessions.save()

    saving = asyncio.create_task(save_regularly()) if sessions.kept is not None else None
    yield
    if saving is not None:
        saving.cancel()
        await sessions.save()


async def _serve_stream(
    socket: WebSocket, sessions: Sessions, person: Person, resume: bool, pictures: ClientPictures | None
) -> None:
    idle = sessions.limits.idle_seconds
    try:
        if pictures is not None:
            pictures.resume(person.stream)
        await socket.accept()
        if resume:
            await socket.send_text(json.dumps({"next_frame": person.stream.num_frames}))
        while True:
            message = await within(idle, socket.receive(), "no message")
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == END:
                await within(idle, socket.send_text(sessions.finish(person)), "the client read no answer")
                return
            if message.get("bytes") is None:
                raise Refused(f"a text message is not a frame; send raw little-endian float32, or {END!r}")
            if pictures is None:
                results = sessions.push(person, message["bytes"])
            else:
                results = await sessions.push_picture(person, pictures, message["bytes"])
            await within(idle, socket.send_text(results), "the client read no answer")
            # Clients take turns, even if this one's next message has arrived already.
            await asyncio.sleep(0)
    finally:
        sessions.end(person)


@contextlib.asynccontextmanager
async def _refusals_answered(socket: WebSocket) -> AsyncIterator[None]:
    """Tell a refused client the reason; a client that leaves is not an error."""
    try:
        yield
        await _close(socket)
    except Refused as refused:
        if socket.application_state == WebSocketState.CONNECTING:
            await deny(socket, refused)
        else:
            # A WebSocket's reason has at most 123 bytes.
            await _close(socket, BROKEN_RULE, str(refused).encode()[:120].decode(errors="ignore"))
    except WebSocketDisconnect:
        pass


async def _close(socket: WebSocket, code: int = 1000, reason: str = "") -> None:
    # If the client has left, or reads nothing any more, closing fails too.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        await asyncio.wait_for(socket.close(code, reason), CLOSING_SECONDS)
