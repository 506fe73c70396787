"""All people at a glance: one small row each, and of the rows only what has changed.

    rows now  - rows that this watcher has -->  {"people": {"anna": {"progress": 0.42}}, "gone": ["ben"]}  --> page

Another action or alarm is sent at the next of two moments a second, numbers that move all the time once a second.
Moments are the same for all watchers, so what has changed is found once for all who have had every message. The rows
are those of the moment in which they are sent, so nothing waits for a slow watcher, who gets all that has changed for
it. Where nothing has changed, `{}` says that the connection is alive.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import WebSocket

from protas_gtcc.procedure.result import DONE
from protas_gtcc.serve.watching import within

if TYPE_CHECKING:
    from protas_gtcc.serve.sessions import Person, Sessions

PERIOD_SECONDS = 0.5
"""From one message to a watcher to the next."""
PERIODS_OF_NUMBERS = 2
"""In one of so many messages are the numbers of rows in which nothing else has changed."""
NUMBERS = frozenset(("progress", "progress_low", "progress_high", "left", "silent"))
"""Fields that change all the time."""
SILENT_SECONDS = 3
"""From this time without a result on, or that of three frames if it is longer, a row says how long that is."""
Rows = dict[str, dict[str, Any]]
"""By the names of people."""


class Overview:
    """The rows of all people, and what has changed of them, made once for all watchers of one moment."""

    def __init__(self, sessions: Sessions):
        self._sessions = sessions
        self._before, self._rows, self._text, self._moment = Rows(), Rows(), "", -1
        model = sessions.model
        self._background, self._tasks, self._steps = set(model.facts.background), model.tasks, model.task_steps
        self._silent_from = max(SILENT_SECONDS, 3 / model.facts.fps if model.facts.fps else 0)

    def rows(self) -> Rows:
        """The rows now."""
        now = time.monotonic()
        return {person.name: self._row(person, now) for person in self._sessions.people.values()}

    def message(self, known: Rows, moment: int) -> tuple[str, Rows]:
        """The message, JSON, of a moment to a watcher that has the rows `known`, and the rows that it has then."""
        if moment != self._moment:
            self._renew(moment)
        return self._text if known is self._before else _text(known, self._rows), self._rows

    def _renew(self, moment: int) -> None:
        rows, before = self.rows(), self._rows
        if moment % PERIODS_OF_NUMBERS and moment == self._moment + 1:
            rows = {name: row if _is_news(before.get(name), row) else before[name] for name, row in rows.items()}
        self._before, self._rows, self._text, self._moment = before, rows, _text(before, rows), moment

    def _row(self, person: Person, now: float) -> dict[str, Any]:
        """All fields of a row, so that each has a value where another one had: None where there is nothing to show."""
        result, silence = person.last_result or {}, int(now - person.last_result_at)
        alarms = [event for event in person.events if event["kind"] != DONE]
        label = result.get("label")
        is_action = label is not None and label not in self._background
        row = {"label": label, "silent": silence if silence >= self._silent_from else 0, "alarms": len(alarms)}
        row["alarm"] = [alarms[-1]["kind"], alarms[-1]["label"]] if alarms else None
        ends = ("progress", "progress_low", "progress_high")
        row |= {name: _rounded(result.get(name), 2) if is_action else None for name in ends}
        if "procedure" in result:
            left = result["procedure"]["time_left_seconds"]
        else:
            left = result.get("remaining_seconds") if is_action else None
        return row | {"left": _rounded(left), **self._counted(result)}

    def _counted(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The task, if it is likelier than all others together, and how many of its steps are done, of how many."""
        task = result.get("task") if result.get("task_probability", 0) > 0.5 else None
        if "procedure" not in result or (task is None and self._tasks):
            return {"task": task, "steps": None}
        steps = self._steps[self._tasks.index(task) if task is not None else 0]
        return {"task": task, "steps": [len({*steps} & {*result["procedure"]["done"]}), len(steps)]}


def changes(before: Rows, now: Rows) -> dict[str, Any]:
    """What a watcher that has the rows `before` needs to have those of now."""
    changed = {name: _changed(before.get(name, {}), row) for name, row in now.items()}
    people = {name: row for name, row in changed.items() if row}
    gone = sorted(before.keys() - now.keys())
    return ({"people": people} if people else {}) | ({"gone": gone} if gone else {})


async def serve_overview(socket: WebSocket, sessions: Sessions) -> None:
    """Send a watcher the rows of all people, then what has changed of them, until it leaves.

    Raises `Refused` if there are too many watchers, and if it reads nothing for the idle time.
    """
    sessions.count_watcher()
    received: asyncio.Task[Any] | None = None
    try:
        await socket.accept()
        received, known = asyncio.create_task(socket.receive()), Rows()
        while not received.done():
            message, known = sessions.overview.message(known, int(time.monotonic() / PERIOD_SECONDS))
            await within(sessions.limits.idle_seconds, socket.send_text(message), "the watcher read no rows")
            if sessions.ends_with_stream and not known:
                return
            await asyncio.wait({received}, timeout=PERIOD_SECONDS - time.monotonic() % PERIOD_SECONDS)
    finally:
        if received is not None:
            received.cancel()
        sessions.watching -= 1


def _text(before: Rows, now: Rows) -> str:
    return json.dumps(changes(before, now), separators=(",", ":"), ensure_ascii=False)


def _is_news(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    """Whether anything but numbers has changed."""
    return before is None or any(before[name] != value for name, value in now.items() if name not in NUMBERS)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in now.items() if name not in before or before[name] != value}


def _rounded(value: float | None, digits: int | None = None) -> float | int | None:
    return None if value is None else round(value, digits)
