"""The state of the table at every frame: the things and their levels, both hands, what is held.

Only the levels of things follow the share of an action that is done, and only in actions whose progress shows.
Everything else comes from noise and from the phase of periodic motion, which are drawn without regard to how far the
action is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from protas_gtcc.simulate.hand_paths import RESTING, GapPath, Grasp, Held, lying_tools
from protas_gtcc.simulate.hands import Grip, Hand
from protas_gtcc.simulate.manipulations import MANIPULATIONS, Pose
from protas_gtcc.simulate.procedures import BACKGROUND
from protas_gtcc.simulate.recipes import RECIPES
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.table import Table, ThingState
from protas_gtcc.simulate.time_courses import correlated, pauses, share_done
from protas_gtcc.simulate.video_plan import VideoPlan

_TREMBLE = 0.004
"""Standard deviation of a hand's place, in table units."""
_TREMBLE_SECONDS = 0.4
_OUT_OF_SIGHT = 1.4
"""How far from the middle arms begin, in table units."""
_PACE_SECONDS = 1.5
"""Time over which the pace of an action is correlated."""


@dataclass(frozen=True, eq=False)
class SceneState:
    """All that a frame shows of the table and of the person."""

    things: dict[str, ThingState]
    moving: str | None
    """The thing that takes part in the periodic motion."""
    phase: float
    """Turns of that motion."""
    working: Hand
    helping: Hand
    held: Held | None
    lying: list[Held]
    """Tools that nobody uses."""


@dataclass(frozen=True, eq=False)
class Courses:
    """What changes over a video of T frames."""

    done: np.ndarray
    """`[T]`: the share of the action that is done, in (0, 1], where progress shows; 0 elsewhere."""
    phase: np.ndarray
    """`[T]`: turns of periodic motion at one turn a second; its start is random in every segment."""
    tremble: np.ndarray
    """`[T, 2]`, complex: the movement of the working and the helping hand around where they should be."""


def draw_courses(config: RenderingConfig, plan: VideoPlan) -> Courses:
    """Draw the courses of a video."""
    random, done_random = config.generator("courses", plan.number), config.generator("pace", plan.number)
    fps = float(plan.rate)
    paused = pauses(random, plan.num_frames, config.still_share, config.still_seconds * fps)
    speed = plan.person.speed * np.exp(0.15 * correlated(random, paused.shape, 4 * fps))
    phase = np.cumsum(np.where(paused, 0.0, speed / fps))
    done = np.zeros(plan.num_frames)
    for start, end, name in plan.segments:
        phase[start:end] += random.uniform(0, 1000)
        if name != BACKGROUND and MANIPULATIONS[name].shows_progress:
            done[start:end] = share_done(done_random, paused[start:end], _PACE_SECONDS * fps)
    tremble = _TREMBLE * correlated(random, (plan.num_frames, 4), _TREMBLE_SECONDS * fps)
    return Courses(done, phase, tremble[:, :2] + 1j * tremble[:, 2:])


class Scene:
    """The states of one video."""

    def __init__(self, config: RenderingConfig, plan: VideoPlan, courses: Courses | None = None) -> None:
        self.plan = plan
        self.courses = draw_courses(config, plan) if courses is None else courses
        self.table = Table(config, plan, self.courses.done)
        self._starts = np.array([segment.start for segment in plan.segments])
        self._paths = self._plan_paths(config)

    def state(self, frame: int) -> SceneState:
        """The state at a frame."""
        number = int(np.searchsorted(self._starts, frame, side="right")) - 1
        name = self.plan.segments[number].name
        if name == BACKGROUND:
            grasp, in_use = self._paths[number].at(frame)
            grips: tuple[Grip, Grip] = ("closed" if grasp.held else "open", "open")
            return self._state(number, frame, None, 0.0, grasp, grips, in_use)
        manipulation = MANIPULATIONS[name]
        pose = self._pose(name, frame)
        moving = None if manipulation.shows_progress else manipulation.thing
        return self._state(
            number, frame, moving, self._phase(name, frame), self._grasp(name, pose, pose.held), pose.grips, name
        )

    def _state(
        self,
        number: int,
        frame: int,
        moving: str | None,
        phase: float,
        grasp: Grasp,
        grips: tuple[Grip, Grip],
        in_use: str | None,
    ) -> SceneState:
        working, helping = (complex(one) for one in self.courses.tremble[frame])
        return SceneState(
            things=self.table.things(number, frame),
            moving=moving,
            phase=phase,
            working=_hand(grasp.working + working, grips[0], 1),
            helping=_hand(grasp.helping + helping, grips[1], -1),
            held=grasp.held and replace(grasp.held, tip=grasp.held.tip + working),
            lying=lying_tools(RECIPES[self.plan.task], self.table.places, in_use),
        )

    def _plan_paths(self, config: RenderingConfig) -> dict[int, GapPath]:
        """The path of the hands in every segment of background, by its number."""
        random, segments = config.generator("paths", self.plan.number), self.plan.segments
        fps, places = float(self.plan.rate), list(self.table.places.values())
        paths = {}
        for number in range(0, len(segments), 2):
            start, end, _ = segments[number]
            before = self._end_of(segments[number - 1].name, start - 1) if number else (None, RESTING)
            is_last = number + 1 == len(segments)
            after = (None, RESTING) if is_last else self._end_of(segments[number + 1].name, end)
            paths[number] = GapPath((start, end), fps, before, after, places, random)
        return paths

    def _end_of(self, name: str, frame: int) -> tuple[str, Grasp]:
        """An action, and the hands at its first or last frame, with the tool that is put down or taken."""
        return name, self._grasp(name, self._pose(name, frame), MANIPULATIONS[name].tool)

    def _phase(self, name: str, frame: int) -> float:
        return float(self.courses.phase[frame]) * MANIPULATIONS[name].turns_per_second

    def _pose(self, name: str, frame: int) -> Pose:
        level = float(self.courses.done[frame])
        return MANIPULATIONS[name].pose(level, self._phase(name, frame), self.plan.person.reach)

    def _grasp(self, name: str, pose: Pose, tool: str | None) -> Grasp:
        """A pose in table units."""
        manipulation = MANIPULATIONS[name]
        place = self.table.places[manipulation.thing]
        held = Held(tool, place + pose.tip, pose.turn) if tool else None
        helping = RESTING.helping if pose.helping is None else place + pose.helping
        return Grasp(place + pose.tip + pose.hand_offset, helping, held, place + manipulation.tool_rest)


def _hand(at: complex, grip: Grip, side: int) -> Hand:
    """A hand whose elbow is beyond the near edge of every picture, on its side."""
    shoulder = side * 0.2 + 0.55 * (at.real - side * 0.15) + 1j * max(0.8, at.imag + 0.3)
    along = shoulder - at
    elbow = at + along * max(1.0, (_OUT_OF_SIGHT - at.imag) / along.imag)
    return Hand(at, grip, elbow, side)
