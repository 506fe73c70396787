"""How the hands get from one action to the next: put the tool down, rest or touch something, take the next tool."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from protas_gtcc.simulate.manipulations import MANIPULATIONS

REST = 0.27 + 0.42j
"""Where the working hand rests; the helping one on the other side."""
OUTSIDE = 0.33 + 0.8j
_LEG_SECONDS = 0.45
_WANDER_SECONDS = 1.4


@dataclass(frozen=True)
class Held:
    """A tool, in the working hand or on the table."""

    tool: str
    tip: complex
    turn: float


@dataclass(frozen=True)
class Grasp:
    """Both hands at the end or the start of an action, in table units, and the tool in the working one."""

    working: complex
    helping: complex
    held: Held | None = None
    tool_rest: complex = 0j
    """Where the tip of the tool lies when nobody uses it."""


RESTING = Grasp(REST, -REST.conjugate())


class GapPath:
    """The hands in the background between two actions, `[start, end)` in frames.

    `before` and `after` are these actions, each with the hands there: None and `RESTING` at the ends of the video.
    """

    def __init__(
        self,
        span: tuple[int, int],
        fps: float,
        before: tuple[str | None, Grasp],
        after: tuple[str | None, Grasp],
        places: list[complex],
        random: np.random.Generator,
    ) -> None:
        start, end = span
        self._before, self._after = before, after
        leg = min(_LEG_SECONDS * fps, (end - start) / 6)
        self._put_down, self._taken = start + leg, end - leg
        first, last = start + 2 * leg, end - 2 * leg
        num_stops = 1 + int((last - first) / (_WANDER_SECONDS * fps))
        self._times = np.concatenate(
            [[start, self._put_down], np.linspace(first, last, num_stops + 1), [self._taken, end]]
        )
        stops = [_stop(random, places) for _ in range(num_stops + 1)]
        ends = before[1], after[1]
        self._working = np.array([ends[0].working, _tool_down(ends[0]), *stops, _tool_down(ends[1]), ends[1].working])
        others = [-_stop(random, []).conjugate() for _ in stops]
        self._helping = np.array([ends[0].helping, others[0], *others, others[-1], ends[1].helping])

    def at(self, frame: int) -> tuple[Grasp, str | None]:
        """The hands at a frame, and the action whose tool is carried to or from its place."""
        leg = int(np.clip(np.searchsorted(self._times, frame, side="right") - 1, 0, len(self._times) - 2))
        share = (frame - self._times[leg]) / max(self._times[leg + 1] - self._times[leg], 1e-9)
        share = share * share * (3 - 2 * share)
        working, helping = (path[leg] + share * (path[leg + 1] - path[leg]) for path in (self._working, self._helping))
        here = Grasp(complex(working), complex(helping))
        action, carried = (
            self._before if frame < self._put_down else self._after if frame >= self._taken else (None, here)
        )
        if carried.held is None:
            return here, None
        tip = here.working - carried.working + carried.held.tip
        return replace(here, held=replace(carried.held, tip=tip)), action


def _tool_down(grasp: Grasp) -> complex:
    """Where the working hand puts its tool down; without one, where it is."""
    return grasp.working if grasp.held is None else grasp.working - grasp.held.tip + grasp.tool_rest


def _stop(random: np.random.Generator, places: list[complex]) -> complex:
    """Where a hand goes that does nothing: to its resting place, out of the picture, or over some thing."""
    choice = random.random()
    if choice < 0.35 and places:
        return places[int(random.integers(len(places)))] + 0.04 * complex(*random.standard_normal(2))
    base = OUTSIDE if choice > 0.8 else REST
    return base + 0.03 * complex(*random.standard_normal(2))


def lying_tools(steps: tuple[str, ...], places: dict[str, complex], in_use: str | None) -> list[Held]:
    """The tools of a task's steps that nobody holds; `in_use` is the step whose tool is held."""
    return [
        Held(MANIPULATIONS[step].tool or "", places[MANIPULATIONS[step].thing] + MANIPULATIONS[step].tool_rest, 0.0)
        for step in steps
        if step != in_use and MANIPULATIONS[step].tool
    ]
