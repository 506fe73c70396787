"""What a simulated dataset is made from: a frozen config, and one random generator for each thing."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.simulate.profiles import TASKS, TaskProfile


@dataclass(frozen=True)
class SimulationConfig:
    """Simulated procedures of EgoProceL's size, unless told otherwise.

    Strengths are Euclidean lengths in feature space; the unit is the standard deviation of the frame noise
    along any one direction. Two classes that lie 2 apart are told apart from one frame 84 % of the time.
    """

    tasks: int = len(TASKS)
    """How many of EgoProceL's 16 tasks, from the first."""
    only: tuple[str, ...] = ()
    """Names of the tasks to make, instead of the first so many."""
    share_of_videos: float = 1.0
    """Videos of every task, as a share of EgoProceL's (325 in all)."""
    fewest_videos: int = 4
    """Videos of a task at least; 4 is the fewest that leave one for the test part."""
    people: int = 32
    """Different people; each makes a video of every task in turn, every fourth is in the test part."""
    feature_dim: int = 64
    """Numbers a frame."""
    fps: float = 1.0
    """Frames a second."""
    seed: int = 0
    """The same seed gives the same numbers, bit for bit."""
    class_strength: float = 4.5
    """How far the appearance of an action is from that of doing nothing."""
    phase_strength: float = 8.0
    """How far the appearance travels over an action whose phase shows most."""
    phase_blind_share: float = 0.3
    """Share of classes whose phase does not show at all."""
    look_alike_share: float = 0.4
    """Of the steps that share their object with the step before, the share that look nearly like it."""
    scene_strength: float = 3.0
    """How far tasks' surroundings are from each other."""
    person_strength: float = 3.0
    """How far one person's videos are from another's."""
    drift_strength: float = 1.5
    """How far a video drifts from where it began, over about `drift_seconds`."""
    drift_seconds: float = 120.0
    """Time in which the drift forgets where it was."""
    noise_seconds: float = 1.5
    """Time in which the frame noise forgets where it was."""
    blur_seconds: float = 0.6
    """Time by which the appearance trails behind what happens."""
    distractor_strength: float = 3.0
    """How much of an action, at most, background shows: hands on objects with no step going on."""
    pause_share: float = 0.25
    """Share of an action's time in which nothing moves, though its progress by frame count goes on."""
    pause_seconds: float = 4.0
    """Mean length of such a pause."""

    def __post_init__(self) -> None:
        if not 1 <= self.tasks <= len(TASKS):
            raise InputError(f"tasks is {self.tasks}; the simulator knows 1 to {len(TASKS)}")
        unknown = set(self.only) - {profile.name for profile in TASKS}
        if unknown:
            raise InputError(f"no task {min(unknown)!r}; the simulator knows {', '.join(one.name for one in TASKS)}")
        for name in ("share_of_videos", "fewest_videos", "people", "feature_dim", "fps"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("phase_blind_share", "look_alike_share", "pause_share"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; a share is at least 0 and below 1")
        negative = [one.name for one in fields(self) if one.name != "only" and getattr(self, one.name) < 0]
        if negative:
            raise InputError(f"{negative[0]} is {getattr(self, negative[0])}; it must not be negative")

    @property
    def profiles(self) -> tuple[TaskProfile, ...]:
        """The tasks in use."""
        if self.only:
            return tuple(profile for profile in TASKS if profile.name in self.only)
        return TASKS[: self.tasks]

    def num_videos(self, profile: TaskProfile) -> int:
        """Number of videos of one task."""
        return max(self.fewest_videos, round(self.share_of_videos * profile.videos))

    def generator(self, *key: str | int) -> np.random.Generator:
        """The generator of one thing (a video, a person, a class), the same whatever else is simulated."""
        words = [int.from_bytes(str(part).encode(), "big") for part in key]
        return np.random.default_rng([self.seed, *(word for part in words for word in _digits(part))])


SMALL = SimulationConfig(share_of_videos=0.2)
"""All 16 tasks, about a fifth of EgoProceL's videos: every kind of task in a small file."""

STAND_IN = SimulationConfig(only=("Pizza.cmu", "pc_assembly", "pc_disassembly", "tent"), share_of_videos=0.8)
"""Four tasks with most of their videos: enough of every step for a run of a few minutes to learn it."""


def _digits(word: int, base: int = 2**32) -> list[int]:
    # 0 parts two keys, so that ("a", "b") and ("ab",) differ; SeedSequence takes 32 bits at a time anyway.
    digits = []
    while word:
        word, digit = divmod(word, base)
        digits.append(digit)
    return [*digits, 0]
