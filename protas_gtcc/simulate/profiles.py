"""Facts about EgoProceL's 16 tasks in numbers, which the simulator imitates.

They were counted on the annotations of EgoProceL as the GTCC authors published them, with times read at 10 fps. (Bansal
et al., "My View is the Best View: Procedure Learning from Egocentric Videos", ECCV 2022.) Nothing else uses them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskProfile:
    """One task: the number of its videos and steps, their durations, and the order of its steps."""

    name: str
    videos: int
    key_steps: int
    steps_per_video: float
    """Mean number of different steps in a video."""
    actions_per_video: float
    """Mean number of action segments in a video; a repeated step counts each time."""
    background_share: float
    """Share of a video's time outside all steps."""
    mean_seconds: float
    """About the mean length of a video."""
    quartile_seconds: tuple[float, float]
    """First and third quartile of the length of an action segment."""
    without_gap: float
    """Share of actions that follow the one before without background between them."""
    swapped: float
    """Share of neighbouring steps in the reverse of the task's usual order."""

    @property
    def place(self) -> str:
        """Where it was filmed; tasks of one place look alike."""
        return self.name.partition(".")[2] or self.name


TASKS = (
    TaskProfile("BaconAndEggs.egtea", 16, 11, 8.4, 16.6, 0.869, 1589.6, (4.0, 14.9), 0.03, 0.24),
    TaskProfile("Brownie.cmu", 34, 8, 7.4, 9.9, 0.575, 410.4, (4.6, 23.1), 0.05, 0.22),
    TaskProfile("Cheeseburger.egtea", 10, 8, 7.0, 21.6, 0.800, 918.2, (3.0, 10.2), 0.03, 0.22),
    TaskProfile("ContinentalBreakfast.egtea", 12, 9, 8.0, 12.5, 0.812, 823.8, (5.1, 16.0), 0.08, 0.25),
    TaskProfile("Eggs.cmu", 33, 8, 7.2, 10.4, 0.741, 291.3, (3.4, 9.2), 0.07, 0.21),
    TaskProfile("GreekSalad.egtea", 10, 4, 3.3, 13.9, 0.796, 972.2, (5.1, 20.1), 0.15, 0.13),
    TaskProfile("PastaSalad.egtea", 19, 7, 5.7, 42.2, 0.760, 1833.2, (3.4, 12.5), 0.03, 0.28),
    TaskProfile("Pizza.cmu", 32, 5, 5.0, 6.7, 0.525, 374.0, (12.6, 32.9), 0.00, 0.04),
    TaskProfile("Pizza.egtea", 6, 8, 7.0, 18.2, 0.654, 727.2, (3.9, 20.0), 0.04, 0.31),
    TaskProfile("Salad.cmu", 34, 6, 4.4, 6.4, 0.753, 295.6, (4.5, 16.9), 0.08, 0.29),
    TaskProfile("Sandwich.cmu", 31, 4, 4.0, 7.6, 0.751, 178.2, (1.8, 9.9), 0.03, 0.00),
    TaskProfile("TurkeySandwich.egtea", 13, 6, 5.8, 11.9, 0.787, 622.0, (3.9, 13.9), 0.04, 0.11),
    TaskProfile("meccano", 17, 17, 16.1, 23.4, 0.510, 1241.7, (7.5, 37.3), 0.05, 0.06),
    TaskProfile("pc_assembly", 14, 9, 8.9, 24.9, 0.212, 634.8, (10.2, 21.4), 0.07, 0.03),
    TaskProfile("pc_disassembly", 15, 9, 9.0, 21.9, 0.271, 319.6, (4.9, 10.5), 0.06, 0.00),
    TaskProfile("tent", 29, 11, 10.3, 35.9, 0.364, 872.4, (4.5, 18.8), 0.28, 0.22),
)

SHARED_STEPS = (
    ("BaconAndEggs.egtea", "Brownie.cmu", "Eggs.cmu"),
    ("BaconAndEggs.egtea", "Brownie.cmu"),
    ("BaconAndEggs.egtea", "Eggs.cmu"),
    ("BaconAndEggs.egtea", "Brownie.cmu"),
    ("ContinentalBreakfast.egtea", "Sandwich.cmu"),
    ("Cheeseburger.egtea", "GreekSalad.egtea", "PastaSalad.egtea", "Pizza.egtea", "Salad.cmu", "TurkeySandwich.egtea"),
    ("GreekSalad.egtea", "Salad.cmu"),
    ("Eggs.cmu", "Salad.cmu"),
    ("Eggs.cmu", "Pizza.egtea"),
    ("Pizza.cmu", "Pizza.egtea"),
)
"""The tasks of every step that belongs to more than one."""
