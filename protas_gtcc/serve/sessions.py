"""Who is followed: one stream for each, the limits they keep to, and who watches them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live.sinks import make_moments, result_line
from protas_gtcc.serve.limits import Limits

KEPT_RESULTS = 20_000
"""Results that a new watcher is shown; older ones are forgotten."""
WATCHER_BUFFER = 256
CLOSING_SECONDS = 5
"""How long a client may take to hear that it is closed."""


class Refused(Exception):
    """A client is closed, and told why."""


@dataclass(eq=False)
class Person:
    """One client's stream."""

    name: str
    slot: int
    results: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_RESULTS))
    watchers: set[asyncio.Queue[dict[str, Any]]] = field(default_factory=set)
    allowance: float = 0.0
    """Frames that may come now."""
    asked: float = field(default_factory=time.monotonic)


class Sessions:
    """All people of one model. Used from one event loop."""

    def __init__(self, model: TrainedModel, limits: Limits):
        self.model, self.limits = model, limits
        self._streams = model.streams(limits.connections)
        self._free = list(range(limits.connections))[::-1]
        self.people: dict[str, Person] = {}
        self.watching = 0

    def begin(self, name: str) -> Person:
        """Start following somebody. Raises `Refused` if the name is taken or there is no room."""
        if not 0 < len(name) <= 64 or not name.isprintable():
            raise Refused("a name has 1 to 64 printable characters")
        if name in self.people:
            raise Refused(f"somebody called {name!r} is followed already")
        if not self._free:
            raise Refused(f"all {self.limits.connections} streams are taken; come again later")
        slot = self._free.pop()
        self._streams.reset(slot)
        person = Person(name, slot, allowance=2 * self.limits.frames_a_second)
        self.people[name] = person
        return person

    def end(self, person: Person) -> None:
        """Stop following; the place is free for the next."""
        del self.people[person.name]
        self._free.append(person.slot)
        for queue in person.watchers:
            _put(queue, {"ended": True})

    def push(self, person: Person, message: bytes) -> list[dict[str, Any]]:
        """Results of a message of frames. Raises `Refused` for what breaks a limit or is no frame."""
        dim = self.model.facts.feature_dim
        if not message or len(message) % (4 * dim):
            raise Refused(f"{len(message)} bytes are no whole number of frames of {dim} float32")
        frames = np.frombuffer(message, dtype="<f4").reshape(-1, dim)
        if len(frames) > self.limits.frames_a_message:
            raise Refused(f"{len(frames)} frames in a message; {self.limits.frames_a_message} are allowed")
        self._charge(person, len(frames))
        first = self._streams.num_frames(person.slot)
        try:
            said = self._streams.follow(person.slot, frames)
        except InputError as error:
            raise Refused(str(error)) from error
        names = self.model.class_names
        results = [result_line(moment, names[moment.label]) for moment in make_moments(said, first)]
        self.publish(person, results)
        return results

    def publish(self, person: Person, results: list[dict[str, Any]]) -> None:
        """Keep results, and show them to whoever watches."""
        person.results.extend(results)
        for queue in person.watchers:
            for result in results:
                _put(queue, result)

    def watch(self, name: str) -> tuple[Person, asyncio.Queue[dict[str, Any]]]:
        """See somebody's results as they come. Raises `Refused` if nobody has that name or too many watch."""
        if name not in self.people:
            raise Refused(f"nobody called {name!r} is followed now")
        if self.watching >= self.limits.watchers:
            raise Refused(f"{self.limits.watchers} watch already; come again later")
        self.watching += 1
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WATCHER_BUFFER)
        self.people[name].watchers.add(queue)
        return self.people[name], queue

    def unwatch(self, person: Person, queue: asyncio.Queue[dict[str, Any]]) -> None:
        """Look away."""
        person.watchers.discard(queue)
        self.watching -= 1

    def _charge(self, person: Person, frames: int) -> None:
        now, rate = time.monotonic(), self.limits.frames_a_second
        person.allowance = min(2 * rate, person.allowance + rate * (now - person.asked))
        person.asked = now
        if frames > person.allowance:
            raise Refused(f"more than {rate:g} frames a second")
        person.allowance -= frames


def _put(queue: asyncio.Queue[dict[str, Any]], result: dict[str, Any]) -> None:
    """The newest result goes in, the oldest goes out if there is no room."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(result)
