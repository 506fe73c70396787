"""Watchers of a stream: each gets its results and, if it shows them, the pictures that these are about.

    new results --> Watcher --> [picture of the last result] [results] --> page
                       ^                                                    |
                       +---------------- any message: it is shown ----------+

A watcher of pictures gets one picture at a time: while it has not shown that, newer ones replace each other here. So no
picture waits in a queue, and a picture never comes apart from its result. A brief watcher, as the page is, answers
every list, so it gets no more than it draws; of what waits meanwhile, the results within a segment are left out.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import WebSocket
from PIL import Image

from protas_gtcc.serve.gate import Refused

if TYPE_CHECKING:
    from protas_gtcc.serve.sessions import Sessions

WATCHER_BUFFER = 256
"""Results that may wait for a slow watcher."""
ENDED = '{"ended": true}'
"""The last result that a watcher gets."""
QUALITY = 85
"""Of the JPEGs of pictures that did not come as such."""


class Picture:
    """The picture of a frame; a JPEG is made of it when the first watcher gets it."""

    def __init__(self, content: bytes | np.ndarray):
        """`content` is a JPEG, or RGB uint8 `[H, W, 3]`."""
        self._content = content

    def jpeg(self) -> bytes:
        """The picture as a JPEG."""
        content = self._content
        if not isinstance(content, bytes):
            file = io.BytesIO()
            Image.fromarray(content).save(file, "JPEG", quality=QUALITY)
            self._content = content = file.getvalue()
        return content


class Watcher:
    """What waits for one watcher: results, of which a full buffer loses the oldest, and the newest one's picture."""

    def __init__(self, takes_pictures: bool, brief: bool = False):
        self.takes_pictures, self.brief = takes_pictures, brief
        self._results: deque[tuple[str, int | None]] = deque(maxlen=WATCHER_BUFFER)
        self._picture: Picture | None = None
        self._changed = asyncio.Event()

    def put(self, results: Iterable[tuple[str, int | None]], picture: Picture | None = None) -> None:
        """Add results and the picture of the last of them.

        A result is its JSON text and its class; None in place of the class of one that must not be left out.
        """
        for text, label in results:
            if self.brief and label is not None and [one for _, one in [*self._results][-2:]] == [label, label]:
                self._results.pop()
            self._results.append((text, label))
        self._picture = picture if self.takes_pictures else None
        self._changed.set()

    def end(self) -> None:
        """Add the last result; the picture of the one before stays."""
        self.put([(ENDED, None)], self._picture)

    async def take(self) -> tuple[list[str], Picture | None]:
        """All that waits, at least one result."""
        await self._changed.wait()
        self._changed.clear()
        results, picture = [text for text, _ in self._results], self._picture
        self._results.clear()
        self._picture = None
        return results, picture


async def serve_watcher(
    socket: WebSocket, sessions: Sessions, name: str, takes_pictures: bool, brief: bool = False
) -> None:
    """Send a watcher what it needs of a stream so far, then what is new, to the stream's end or until it leaves.

    Raises `Refused` as `Sessions.watch` does, and if the watcher reads or answers nothing for the idle time.
    """
    person, watcher = sessions.watch(name, takes_pictures, brief)
    idle, received = sessions.limits.idle_seconds, None
    try:
        before = person.history.text(person.events, brief)
        await socket.accept()
        await within(idle, socket.send_text(before), "the watcher read no result")
        # A task of its own notices that the watcher has left while there are no results.
        received = asyncio.create_task(socket.receive())
        while (news := await unless(received, watcher.take())) is not None:
            results, picture = news
            if picture is not None:
                jpeg = await asyncio.to_thread(picture.jpeg)
                await within(idle, socket.send_bytes(jpeg), "the watcher read no picture")
            await within(idle, socket.send_text(f"[{','.join(results)}]"), "the watcher read no result")
            if results[-1] == ENDED:
                return
            if picture is not None or brief:
                unanswered = "the watcher showed no picture" if picture is not None else "the watcher answered no list"
                if (await within(idle, received, unanswered))["type"] == "websocket.disconnect":
                    return
                received = asyncio.create_task(socket.receive())
    finally:
        if received is not None:
            received.cancel()
        sessions.unwatch(person, watcher)


async def unless(received: asyncio.Task[Any], action: Awaitable[Any]) -> Any:
    """The result of an action; None if a message comes before, which nothing asked for."""
    coming = asyncio.ensure_future(action)
    await asyncio.wait({received, coming}, return_when=asyncio.FIRST_COMPLETED)
    if coming.done() and not received.done():
        return coming.result()
    coming.cancel()
    return None


async def within(seconds: float, action: Awaitable[Any], refusal: str) -> Any:
    """The result of an action. Raises `Refused` if it takes longer."""
    try:
        return await asyncio.wait_for(action, seconds)
    except TimeoutError:
        raise Refused(f"{refusal} for {seconds:g} s") from None
