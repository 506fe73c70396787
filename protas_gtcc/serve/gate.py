"""Who may use the server: refusals come before any work, as HTTP answers with one line of log each."""

from __future__ import annotations

import hmac
import logging
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

_LOG = logging.getLogger(__name__)


class Refused(Exception):
    """A client is refused or disconnected; the message is the reason that it gets."""

    def __init__(self, reason: str, status: int = 400):
        super().__init__(reason)
        self.status = status
        """The HTTP status, if its WebSocket is not open yet: 503 means that trying again later can help."""


class Gate:
    """Lets requests with the token through; without a token, only requests to this machine's own names.

    Another site's name could be made to point to this machine, and another site's page could open a WebSocket.
    """

    def __init__(self, app: ASGIApp, token: str | None):
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_while_open(message: Message) -> None:
            try:
                await send(message)
            except RuntimeError as error:  # so uvicorn says that the connection broke meanwhile
                raise WebSocketDisconnect(1006) from error

        connection = HTTPConnection(scope)
        try:
            _admit(connection, self._token)
        except Refused as refused:
            if scope["type"] == "websocket":
                await deny(WebSocket(scope, receive, send), refused)
            else:
                _log(connection, refused)
                await _answer(refused)(scope, receive, send)
            return
        with suppress(WebSocketDisconnect):
            await self._app(scope, receive, send_while_open if scope["type"] == "websocket" else send)


async def deny(socket: WebSocket, refused: Refused) -> None:
    """Refuse a WebSocket before it opens, by an HTTP answer: nothing of it remains here."""
    _log(socket, refused)
    with suppress(WebSocketDisconnect, RuntimeError):  # it has left
        answer = _answer(refused)
        answer.raw_headers = []  # the web server adds them; older ones would send them twice
        await socket.send_denial_response(answer)


def _answer(refused: Refused) -> JSONResponse:
    return JSONResponse({"error": str(refused)}, refused.status)


def _log(connection: HTTPConnection, refused: Refused) -> None:
    _LOG.warning("refused %s: %s", connection.client.host if connection.client else "a client", refused)


def _admit(connection: HTTPConnection, token: str | None) -> None:
    """Raise `Refused` unless the client may use the server."""
    host = connection.headers.get("host", "")
    if token is None:
        if _split("//" + host, "Host").hostname not in ("localhost", "127.0.0.1", "::1"):
            raise Refused("without a token, this server answers to localhost only", 403)
    elif not hmac.compare_digest(_given_token(connection).encode(errors="replace"), token.encode()):
        raise Refused("a token is required: ?token=… or a bearer header", 401)
    # Browsers send the site that a script comes from; programs send none.
    origin = connection.headers.get("origin")
    if connection.scope["type"] == "websocket" and origin is not None and _split(origin, "Origin").netloc != host:
        raise Refused("pages of other sites may not use this server", 403)


def _given_token(connection: HTTPConnection) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return connection.query_params.get("token") or (token.strip() if scheme.lower() == "bearer" else "")


def _split(address: str, header: str) -> SplitResult:
    try:
        split = urlsplit(address)
        split.hostname, split.port  # noqa: B018 (some malformed addresses fail only here)
    except ValueError as error:
        raise Refused(f"the header {header} is malformed") from error
    return split
