"""Starts and stops of states -> segments, as BORIS pairs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from protas_gtcc.annotations.files.timed import OpenEvent, TimedSegment

POINT, START, STOP = "POINT", "START", "STOP"


@dataclass(frozen=True)
class Event:
    """One event, at a time in seconds."""

    time: Fraction
    name: str
    tier: str
    detail: str
    row: int
    where: str
    status: str = ""
    """POINT, START or STOP; "" where events of one name start and stop in turn."""


def paired(events: Sequence[Event], points: Collection[str]) -> tuple[list[TimedSegment], list[OpenEvent], int]:
    """Segments, starts without a stop, and the number of stops without a start, which are left out.

    `points` are names of events without a duration. States are paired by name and detail, in order of time.
    """
    started: dict[tuple[str, str], list[Event]] = {}
    segments, lost = [], 0
    for event in sorted(events, key=lambda one: one.time):
        key = (event.name, event.detail)
        waiting = started.setdefault(key, [])
        if event.status == POINT or (not event.status and event.name in points):
            segments.append(TimedSegment(event.time, event.time, event.name, event.row, event.detail))
        elif event.status == START or (not event.status and not waiting):
            waiting.append(event)
        elif waiting:
            first = waiting.pop()
            segments.append(TimedSegment(first.time, event.time, event.name, first.row, event.detail))
        else:
            lost += 1
    opened = [OpenEvent(one.time, one.name, one.row, one.detail) for waiting in started.values() for one in waiting]
    return segments, opened, lost
