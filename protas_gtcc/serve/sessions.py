"""Sessions: one stream for each client, the limits of a client, and the watchers of a stream."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live.sinks import frame_results, result_line
from protas_gtcc.serve.limits import Limits
from protas_gtcc.streaming.streams import Stream

KEPT_RESULTS = 20_000
"""Most results that a new watcher gets; older ones are deleted."""
WATCHER_BUFFER = 256
CLOSING_SECONDS = 5
"""Time in which a client must acknowledge that its connection is closed."""


class Refused(Exception):
    """A client is disconnected; the message is the reason that it gets."""


@dataclass(eq=False)
class Person:
    """One client's stream."""

    name: str
    stream: Stream
    results: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_RESULTS))
    watchers: set[asyncio.Queue[dict[str, Any]]] = field(default_factory=set)
    allowance: float = 0.0
    """Frames that the client may send now."""
    last_message: float = field(default_factory=time.monotonic)
    """Time of the last message, in seconds."""


class Sessions:
    """The streams of all clients of one model. Used from one event loop."""

    def __init__(self, model: TrainedModel, limits: Limits):
        self.model, self.limits = model, limits
        streams = model.streams(limits.connections)
        self._free = [streams.stream(number) for number in reversed(range(limits.connections))]
        self.people: dict[str, Person] = {}
        self.watching = 0

    def begin(self, name: str) -> Person:
        """Start a stream. Raises `Refused` if its name is in use or all streams are taken."""
        if not 0 < len(name) <= 64 or not name.isprintable():
            raise Refused("a name has 1 to 64 printable characters")
        if name in self.people:
            raise Refused(f"the name {name!r} is in use")
        if not self._free:
            raise Refused(f"all {self.limits.connections} streams are taken; try again later")
        stream = self._free.pop()
        stream.reset()
        person = self.people[name] = Person(name, stream, allowance=2 * self.limits.frames_a_second)
        return person

    def end(self, person: Person) -> None:
        """End a stream, which frees it for the next client."""
        del self.people[person.name]
        self._free.append(person.stream)
        for queue in person.watchers:
            _put(queue, {"ended": True})

    def push(self, person: Person, message: bytes) -> list[dict[str, Any]]:
        """The results for a message of frames. Raises `Refused` for a broken limit or a bad frame."""
        dim = self.model.facts.feature_dim
        if not message or len(message) % (4 * dim):
            raise Refused(f"{len(message)} bytes are not a whole number of frames of {dim} float32")
        frames = np.frombuffer(message, dtype="<f4").reshape(-1, dim)
        if len(frames) > self.limits.frames_a_message:
            raise Refused(f"{len(frames)} frames in a message; at most {self.limits.frames_a_message} are allowed")
        self._charge(person, len(frames))
        first = person.stream.num_frames
        try:
            prediction = person.stream.step(frames)
        except InputError as error:
            raise Refused(str(error)) from error
        names = self.model.class_names
        results = [result_line(one, names[one.label]) for one in frame_results(prediction, first)]
        self.publish(person, results)
        return results

    def publish(self, person: Person, results: list[dict[str, Any]]) -> None:
        """Keep results and send them to the watchers."""
        person.results.extend(results)
        for queue in person.watchers:
            for result in results:
                _put(queue, result)

    def watch(self, name: str) -> tuple[Person, asyncio.Queue[dict[str, Any]]]:
        """Watch a stream's results. Raises `Refused` if no stream has that name or there are too many watchers."""
        if name not in self.people:
            raise Refused(f"no stream is called {name!r} now")
        if self.watching >= self.limits.watchers:
            raise Refused(f"there are {self.limits.watchers} watchers already; try again later")
        self.watching += 1
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WATCHER_BUFFER)
        self.people[name].watchers.add(queue)
        return self.people[name], queue

    def unwatch(self, person: Person, queue: asyncio.Queue[dict[str, Any]]) -> None:
        """Stop watching."""
        person.watchers.discard(queue)
        self.watching -= 1

    def _charge(self, person: Person, frames: int) -> None:
        now, rate = time.monotonic(), self.limits.frames_a_second
        person.allowance = min(2 * rate, person.allowance + rate * (now - person.last_message))
        person.last_message = now
        if frames > person.allowance:
            raise Refused(f"more than {rate:g} frames per second")
        person.allowance -= frames


def _put(queue: asyncio.Queue[dict[str, Any]], result: dict[str, Any]) -> None:
    """Add a result; a full queue loses its oldest one."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(result)
