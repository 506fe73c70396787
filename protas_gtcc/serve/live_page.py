"""A sink that shows the results of a live pipeline on a web page."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable

import uvicorn

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live.procedure_lines import event_line
from protas_gtcc.live.sinks import FrameResult, Sink, stream_line
from protas_gtcc.procedure.result import Event
from protas_gtcc.serve.app import make_app
from protas_gtcc.serve.connections import CLOSING_SECONDS, server_config
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.listening import listening
from protas_gtcc.serve.watching import Picture

_START_SECONDS = 30


class LivePage(Sink):
    """Serves the page at `address` from a thread of its own, and shows every result there.

    Raises `InputError` if the port is not free. The page is served until `close`, or until the program ends.
    """

    def __init__(self, model: TrainedModel, port: int = 0, name: str = "live", events: Iterable[Event] = ()):
        """`events` are those before the first result."""
        self._listener = listening("127.0.0.1", port)
        # The only stream is taken, so that no client can push frames.
        limits = Limits(connections=1)
        app = make_app(model, limits)
        self._sessions, self._loop = app.state.sessions, asyncio.new_event_loop()
        self._sessions.ends_with_stream = True
        self._person = self._sessions.begin(name)
        self._person.events = [event_line(event, model.class_names) for event in events]
        self._names, self._tasks = model.class_names, model.tasks
        config = server_config(app, limits, model.facts.feature_dim, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._thread.start()
        started = time.monotonic()
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > started + _START_SECONDS:
                raise InputError(f"the page on port {port} does not start; give another port, or 0 for a free one")
            time.sleep(0.01)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def on_result(self, result: FrameResult) -> None:
        """Show the result and its picture; a page that is slow to draw loses the oldest, and nothing waits for it."""
        line = stream_line(result, self._names, self._tasks)
        picture = None if result.picture is None else Picture(result.picture)
        self._loop.call_soon_threadsafe(self._sessions.publish, self._person, [line], picture)

    def close(self) -> None:
        """Stop serving, when the watchers have the last result and know that the stream has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._sessions.end, self._person)
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._sessions.watching and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._server.should_exit = True
        self._thread.join(2 * CLOSING_SECONDS)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve([self._listener]))
        finally:
            self._loop.close()
