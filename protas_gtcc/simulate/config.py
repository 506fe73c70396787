"""The settings of a simulated dataset, and one random generator for each video, person and class."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from protas_gtcc.config import require_range
from protas_gtcc.errors import InputError
from protas_gtcc.simulate.profiles import PROFILES, TASKS, OperationProfile, Profile


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of simulated procedures; the defaults give EgoProceL's size.

    Strengths are Euclidean lengths in feature space, in units of the standard deviation of the frame noise along any
    direction. Two classes at a distance of 2 are distinguished from one frame 84 % of the time.
    """

    tasks: int = len(TASKS)
    """Number of tasks: the first of EgoProceL's 16."""
    only: tuple[str, ...] = ()
    """Names of the tasks to make, in place of a number of tasks. 'cholecystectomy' alone makes 80 operations."""
    share_of_videos: float = 1.0
    """Videos of every task, as a share of EgoProceL's (325 in all), or of Cholec80's 80."""
    fewest_videos: int = 4
    """Least number of videos of a task; with 4 or more, one of them is in the test part."""
    people: int = 32
    """Number of people. They take turns in the videos of a task; every fourth is in the test part,
    of operations every second."""
    feature_dim: int = 64
    """Size of a frame's features."""
    fps: float = 1.0
    """Frames per second."""
    seed: int = 0
    """The same seed gives the same numbers, bit for bit."""
    annotate_missing: bool = False
    """Annotate the steps of a task that a video lacks as missing: the person left them out."""
    class_strength: float = 4.5
    """Distance between the appearance of an action and that of doing nothing."""
    phase_strength: float = 8.0
    """Distance that the appearance moves during an action, for the class with the most visible phase."""
    phase_blind_share: float = 0.3
    """Share of classes whose phase is not visible at all."""
    look_alike_share: float = 0.4
    """Among the steps with the same object as the step before, the share that looks nearly like that step."""
    scene_strength: float = 3.0
    """Distance between the surroundings of different tasks."""
    person_strength: float = 3.0
    """Distance between the videos of different people."""
    drift_strength: float = 1.5
    """Distance that a video drifts in about --drift-seconds."""
    drift_seconds: float = 120.0
    """Time over which the drift is correlated."""
    noise_seconds: float = 1.5
    """Time over which the frame noise is correlated."""
    blur_seconds: float = 0.6
    """Time by which the appearance follows the action."""
    distractor_strength: float = 3.0
    """Highest strength with which an action shows in the background: hands on objects, but no step."""
    pause_share: float = 0.25
    """Share of an action's time in which nothing moves, while its progress by frame count goes on."""
    pause_seconds: float = 4.0
    """Mean length of a pause in an action."""

    def __post_init__(self) -> None:
        unknown = set(self.only) - {profile.name for profile in PROFILES}
        if unknown:
            raise InputError(f"no task {min(unknown)!r}; choose among {', '.join(one.name for one in PROFILES)}")
        require_range(self, tasks=(1, len(TASKS)), fewest_videos=(1, 10**4), people=(1, 10**6), seed=(0, 2**32 - 1))
        require_range(self, share_of_videos=(1e-4, 100), feature_dim=(1, 10**5), fps=(1e-3, 1e3))
        require_range(self, phase_blind_share=(0, 0.999), look_alike_share=(0, 0.999), pause_share=(0, 0.999))
        names = [one.name for one in fields(self)]
        require_range(self, **{name: (0, 1e6) for name in names if name.endswith(("_strength", "_seconds"))})

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The tasks in use."""
        if self.only:
            return tuple(profile for profile in PROFILES if profile.name in self.only)
        return TASKS[: self.tasks]

    @property
    def only_operations(self) -> bool:
        """Whether all tasks in use are operations; then there is no background."""
        return all(isinstance(profile, OperationProfile) for profile in self.profiles)

    def num_videos(self, profile: Profile) -> int:
        """Number of videos of one task."""
        return max(self.fewest_videos, round(self.share_of_videos * profile.videos))

    def generator(self, *key: str | int) -> np.random.Generator:
        """The random generator of one video, person or class; it does not depend on what else is simulated."""
        words = [int.from_bytes(str(part).encode(), "big") for part in key]
        # A 0 ends each part, so that ("a", "b") and ("ab",) differ.
        return np.random.default_rng([self.seed, *(number for word in words for number in (word, 0))])


SMALL = SimulationConfig(share_of_videos=0.2)
"""All 16 tasks, about a fifth of EgoProceL's videos: every kind of task in a small file."""

STAND_IN = SimulationConfig(only=("Pizza.cmu", "pc_assembly", "pc_disassembly", "tent"), share_of_videos=0.8)
"""Four tasks with most of their videos: enough of every step for a run of a few minutes to learn it."""
