"""The things on the table over a video: where they lie, how far each is done, and when it is replaced by a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from protas_gtcc.simulate.manipulations import MANIPULATIONS
from protas_gtcc.simulate.procedures import BACKGROUND
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.things import THINGS
from protas_gtcc.simulate.video_plan import VideoPlan

PLACES: dict[str, dict[str, complex]] = {
    "soup": {
        "basin": -0.4 - 0.25j,
        "bowl": 0.0 - 0.22j,
        "cucumber": 0.38 - 0.22j,
        "carrot": -0.3 + 0.1j,
        "stain": 0.25 + 0.15j,
    },
    "cookies": {
        "paper": -0.42 - 0.22j,
        "bowl": -0.05 - 0.22j,
        "tray": 0.4 - 0.18j,
        "dough": -0.3 + 0.13j,
        "stain": 0.25 + 0.15j,
    },
    "toy": {
        "paper": -0.42 - 0.22j,
        "bottle": -0.05 - 0.28j,
        "wood": 0.36 - 0.22j,
        "car": -0.2 + 0.08j,
        "stain": 0.25 + 0.15j,
    },
    "sandwich": {
        "basin": -0.4 - 0.25j,
        "bottle": -0.02 - 0.28j,
        "cucumber": 0.38 - 0.22j,
        "bread": -0.24 + 0.1j,
        "stain": 0.25 + 0.15j,
    },
}
"""Task -> thing -> the middle of its usual place."""
_SLIDE = 1.1
"""Table units to beyond the edge of any picture."""


@dataclass(frozen=True, eq=False)
class ThingState:
    """A thing at one frame."""

    place: complex
    level: float
    """How far it is done, from 0 to 1."""
    look: np.ndarray
    """`[32]` numbers from 0 to 1: its colours and the places of its parts."""


class _Kept(NamedTuple):
    level: float
    instance: int


class Table:
    """The things of one video. `done` is the share of the action that is done, `[T]`; nothing else here is progress."""

    def __init__(self, config: RenderingConfig, plan: VideoPlan, done: np.ndarray) -> None:
        self._config, self._plan, self._done = config, plan, done
        random = config.generator("places", plan.number)
        self.places = {
            thing: place + 0.015 * complex(*random.standard_normal(2)) for thing, place in PLACES[plan.task].items()
        }
        self._looks: dict[tuple[str, int], np.ndarray] = {}
        self._history = self._keep_history()

    def things(self, segment: int, frame: int) -> dict[str, ThingState]:
        """Every thing by name, at a frame of the segment of that number."""
        kept = self._history[segment]
        states = {
            name: ThingState(self.places[name], kept[name].level, self._look(name, kept[name].instance))
            for name in kept
        }
        start, end, action = self._plan.segments[segment]
        if action == BACKGROUND:
            if segment + 1 < len(self._history):
                self._replace(states, segment, (frame - start) / (end - start))
        elif MANIPULATIONS[action].shows_progress:
            thing = MANIPULATIONS[action].thing
            level = float(self._done[frame]) * self._full(thing, kept[thing].instance)
            states[thing] = replace(states[thing], level=level)
        return states

    def _keep_history(self) -> list[dict[str, _Kept]]:
        """Levels and instances at the start of each segment."""
        actions = [MANIPULATIONS[segment.name] for segment in self._plan.segments if segment.name != BACKGROUND]
        now = {thing: _Kept(0.0, 0) for thing in THINGS if thing in self.places}
        for first in reversed(actions):
            if first.needs != "anything":
                filled = 0.4 + 0.6 * float(self._look(first.thing, 0)[30])
                now[first.thing] = _Kept(filled if first.needs == "filled" else 0.0, 0)
        history = []
        for _, _, name in self._plan.segments:
            action = MANIPULATIONS.get(name)
            if action and action.needs == "untouched" and now[action.thing].level > 0:
                now = {**now, action.thing: _Kept(0.0, now[action.thing].instance + 1)}
            history.append(now)
            if action and action.shows_progress:
                instance = now[action.thing].instance
                now = {**now, action.thing: _Kept(self._full(action.thing, instance), instance)}
        return history

    def _replace(self, states: dict[str, ThingState], segment: int, share: float) -> None:
        """In the background before an action: take away what is done already, and bring a new one."""
        for name, after in self._history[segment + 1].items():
            if after.instance == self._history[segment][name].instance:
                continue
            away = np.clip((share - 0.25) / 0.25, 0, 1)
            coming = np.clip((share - 0.5) / 0.25, 0, 1)
            new = ThingState(self.places[name], after.level, self._look(name, after.instance))
            if name == "stain":  # somebody spills again
                states[name] = replace(new, level=1 - float(coming))
                continue
            out = self.places[name]
            out = _SLIDE * (np.sign(out.real) if abs(out.real) > 0.15 else -1j)
            old_place, new_place = self.places[name] + away**2 * out, self.places[name] + (1 - coming) ** 2 * out
            is_old = share < 0.5
            states[name] = replace(states[name] if is_old else new, place=complex(old_place if is_old else new_place))

    def _full(self, thing: str, instance: int) -> float:
        """The level at which an action ends: people fill bowls differently."""
        return 0.8 + 0.2 * float(self._look(thing, instance)[31]) if thing == "bowl" else 1.0

    def _look(self, thing: str, instance: int) -> np.ndarray:
        key = (thing, instance)
        if key not in self._looks:
            self._looks[key] = self._config.generator("look", self._plan.number, thing, instance).random(32)
        return self._looks[key]
