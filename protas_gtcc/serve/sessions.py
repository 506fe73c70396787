"""Sessions: one stream for each client, the limits of a client, and the watchers of a stream."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.inference import TrainedModel
from protas_gtcc.live.procedure_lines import event_line
from protas_gtcc.live.sinks import frame_results, result_line
from protas_gtcc.predictions import Prediction
from protas_gtcc.serve.gate import Refused
from protas_gtcc.serve.history import History
from protas_gtcc.serve.kept_states import KeptStates
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.overview import Overview
from protas_gtcc.serve.pictures import ClientPictures
from protas_gtcc.serve.watching import Picture, Watcher
from protas_gtcc.streaming.streams import Stream

_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class Person:
    """One client's stream."""

    name: str
    stream: Stream
    history: History = field(default_factory=History)
    events: list[dict[str, Any]] = field(default_factory=list)
    """Steps done and alarms so far, each once."""
    last_result: dict[str, Any] | None = None
    """None before there is one."""
    last_result_at: float = field(default_factory=time.monotonic)
    """Time of the last result, or of the first possible one, in seconds."""
    watchers: set[Watcher] = field(default_factory=set)
    allowance: float = 0.0
    """Frames that the client may send now."""
    last_message: float = field(default_factory=time.monotonic)
    """Time of the last message, in seconds."""
    saved_frames: int = 0
    """Frames of the state that was kept last."""
    pictures: deque[Picture | None] = field(default_factory=deque)
    """Of the frames that wait for their result; None for one that came without."""


class Sessions:
    """The streams of all clients of one model. Used from one event loop."""

    def __init__(self, model: TrainedModel, limits: Limits, folder: Path | None = None, task: str | None = None):
        """With a folder, states of streams are kept there. `task` is that of clients that give none.

        Raises `InputError` as `KeptStates` does, and for a task that the model does not know.
        """
        model.task_number(task)
        self.model, self.limits, self._task = model, limits, task
        streams = model.streams(limits.connections)
        self._free = [streams.stream(number) for number in reversed(range(limits.connections))]
        self.kept = None if folder is None else KeptStates(folder, self._free[-1])
        self.people: dict[str, Person] = {}
        self.ends_with_stream = False
        """Whether the server ends when its only stream does; then, that it cannot be reached is no failure."""
        self.overview = Overview(self)
        self.watching = 0
        self._backbone = asyncio.Lock()

    def begin(self, name: str, resume: bool = False, task: str | None = None) -> Person:
        """Start a stream of a task, or with `resume` go on from its kept state, if there is one.

        Raises `Refused` if its name is in use or all streams are taken, for a task that the model does not know, and
        for one that is not that of the kept state.
        """
        _require_name(name)
        if name in self.people:
            raise Refused(f"the name {name!r} is in use", 503)
        if not self._free:
            raise Refused(f"all {self.limits.connections} streams are taken; try again later", 503)
        stream = self._free[-1]
        stream.reset()
        self._give_task(stream, task or self._task)
        person = Person(name, stream, allowance=2 * self.limits.frames_a_second)
        stream.name = repr(name)
        person.last_result_at += self.model.lag_seconds  # no result can come before
        if resume and self.kept is not None:
            self._restore(person, task)
        person.events = [event_line(event, self.model.class_names) for event in stream.events]
        person.pictures += [None] * stream.num_waiting
        self.people[name] = person
        self._free.pop()
        return person

    def end(self, person: Person) -> None:
        """End a stream, which frees it for the next client."""
        if self.kept is not None:
            self._keep(person)
        del self.people[person.name]
        self._free.append(person.stream)
        for watcher in person.watchers:
            watcher.end()

    async def save(self) -> None:
        """Write the states of the streams that have moved since the last time, in a thread."""
        if self.kept is not None:
            for person in list(self.people.values()):
                if person.stream.num_frames != person.saved_frames:
                    self._keep(person)
            await asyncio.to_thread(self.kept.write, frozenset(self.people))

    def push(self, person: Person, message: bytes) -> str:
        """The results for a message of frames, a JSON list. Raises `Refused` for a broken limit or a bad frame."""
        dim = self.model.facts.feature_dim
        if not message or len(message) % (4 * dim):
            way_out = f"; {self.model.facts.joining}" if self.model.facts.joined_sets else ""
            raise Refused(f"{len(message)} bytes are not a whole number of frames of {dim} float32{way_out}")
        frames = np.frombuffer(message, dtype="<f4").reshape(-1, dim)
        if len(frames) > self.limits.frames_a_message:
            raise Refused(f"{len(frames)} frames in a message; at most {self.limits.frames_a_message} are allowed")
        self._charge(person, len(frames))
        return self._step(person, frames)

    async def push_picture(self, person: Person, pictures: ClientPictures, message: bytes) -> str:
        """The results for a message of one picture, as `push`; clients take turns at the backbone, in a thread."""
        self._charge(person, 1)
        async with self._backbone:
            features = await asyncio.to_thread(pictures.features, message)
        return self._step(person, features, Picture(message), pictures.before)

    def _step(
        self, person: Person, frames: np.ndarray, picture: Picture | None = None, before: np.ndarray | None = None
    ) -> str:
        first = person.stream.num_frames - person.stream.num_waiting
        try:
            prediction = person.stream.step(frames)
        except InputError as error:
            raise Refused(str(error)) from error
        person.stream.pictures = before
        person.pictures += [picture] * len(frames)
        return self._answer(person, prediction, first)

    def finish(self, person: Person) -> str:
        """The video has ended: the results that wait for later frames, a JSON list. Nothing of it is kept."""
        first = person.stream.num_frames - person.stream.num_waiting
        prediction = person.stream.flush()
        answer = "[]" if prediction is None else self._answer(person, prediction, first)
        person.stream.reset()
        if self.kept is not None:
            self.kept.forget(person.name)
        return answer

    def _answer(self, person: Person, prediction: Prediction, first: int) -> str:
        names, given = (self.model.class_names, self.model.tasks), person.stream.task is not None
        results = [result_line(one, *names) for one in frame_results(prediction, first, task_given=given)]
        shown = [person.pictures.popleft() for _ in results]
        return f"[{','.join(self.publish(person, results, shown[-1] if shown else None))}]"

    def publish(self, person: Person, results: list[dict[str, Any]], picture: Picture | None = None) -> list[str]:
        """Keep results and send them to the watchers, with the picture of the last one; returns them as JSON texts."""
        texts = [json.dumps(result) for result in results]
        for result, text in zip(results, texts, strict=True):
            person.history.add(result, text)
            person.events += events_of(result)
        if results:
            person.last_result, person.last_result_at = results[-1], time.monotonic()
        labels = [None if events_of(result) else result["label"] for result in results]
        for watcher in person.watchers:
            watcher.put(zip(texts, labels, strict=True), picture)
        return texts

    def count_watcher(self) -> None:
        """There is one watcher more. Raises `Refused` if there are too many."""
        if self.watching >= self.limits.watchers:
            raise Refused(f"there are {self.limits.watchers} watchers already; try again later", 503)
        self.watching += 1

    def watch(self, name: str, takes_pictures: bool = False, brief: bool = False) -> tuple[Person, Watcher]:
        """Watch a stream's results, and with them its pictures, if it has any; a brief watcher gets fewer.

        Raises `Refused` if no stream has that name or there are too many watchers.
        """
        _require_name(name)
        if name not in self.people:
            raise Refused(f"no stream is called {name!r} now", 404)
        self.count_watcher()
        watcher = Watcher(takes_pictures, brief)
        self.people[name].watchers.add(watcher)
        return self.people[name], watcher

    def unwatch(self, person: Person, watcher: Watcher) -> None:
        """Stop watching."""
        person.watchers.discard(watcher)
        self.watching -= 1

    def _keep(self, person: Person) -> None:
        assert self.kept is not None
        self.kept.keep(person.name, person.stream)
        person.saved_frames = person.stream.num_frames

    def _restore(self, person: Person, task: str | None) -> None:
        """Let a stream go on from its kept state, with the task of that; it stays as it is if there is none."""
        assert self.kept is not None
        given, stream = person.stream.task, person.stream
        self._give_task(stream, None)
        try:
            self.kept.restore(person.name, stream)
        except InputError as error:  # it was whole when the server started
            _LOG.error("%s starts anew: %s", person.name, error)
        if not stream.num_frames:
            self._give_task(stream, given)
        elif task is not None and stream.task != given:
            kept = "is inferred" if stream.task is None else f"is {stream.task!r}"
            raise Refused(f"the task of the kept stream {person.name!r} {kept}; resume without task")

    @staticmethod
    def _give_task(stream: Stream, task: str | None) -> None:
        try:
            stream.give_task(task)
        except InputError as error:
            raise Refused(str(error)) from error

    def _charge(self, person: Person, frames: int) -> None:
        now, rate = time.monotonic(), self.limits.frames_a_second
        person.allowance = min(2 * rate, person.allowance + rate * (now - person.last_message))
        person.last_message = now
        if frames > person.allowance:
            raise Refused(f"more than {rate:g} frames per second")
        person.allowance -= frames


def events_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened in the procedure at the frame of a result."""
    return result["procedure"]["events"] if "procedure" in result else []


def _require_name(name: str) -> None:
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise Refused("a name has 1 to 64 printable characters")
