"""Facts about EgoProceL's 16 tasks and about Cholec80's operation in numbers, which the simulator imitates.

Those of EgoProceL were counted on its annotations as the GTCC authors published them, with times read at 10 fps (Bansal
et al., "My View is the Best View: Procedure Learning from Egocentric Videos", ECCV 2022). Mean and standard deviation
of the phases' lengths are those that Cholec80's paper has (Twinanda et al., "EndoNet: A Deep Architecture for
Recognition Tasks on Laparoscopic Videos", IEEE TMI 2017). The shares of phases and tools were chosen, not counted.
Nothing else uses them.
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

TOOLS = ("Grasper", "Bipolar", "Hook", "Scissors", "Clipper", "Irrigator", "SpecimenBag")
"""Of operations."""


@dataclass(frozen=True)
class PhaseProfile:
    """One phase of an operation."""

    name: str
    mean_seconds: float
    """Mean of its length in an operation that has it."""
    spread_seconds: float
    """Standard deviation of that."""
    tools: tuple[float, ...]
    """Share of its time in which each of `TOOLS` is seen."""
    share: float = 1.0
    """Share of operations that have it."""
    early: float = 0.0
    """Share of these in which it comes before the phase that usually comes before it."""
    returns: float = 0.0
    """Share of operations in which it comes again, after the phase that follows it."""


@dataclass(frozen=True)
class OperationProfile:
    """One kind of operation: phases one after the other, with nothing between them."""

    name: str
    videos: int
    phases: tuple[PhaseProfile, ...]
    """In their usual order."""

    @property
    def place(self) -> str:
        """Where it was filmed."""
        return self.name


OPERATIONS = (
    OperationProfile(
        "cholecystectomy",
        80,
        (
            PhaseProfile("Preparation", 125, 95, (0.55, 0.02, 0.15, 0, 0, 0.02, 0), share=0.95),
            PhaseProfile("CalotTriangleDissection", 954, 538, (0.6, 0.06, 0.8, 0.01, 0.01, 0.02, 0)),
            PhaseProfile("ClippingCutting", 168, 152, (0.55, 0.03, 0.1, 0.2, 0.35, 0.02, 0)),
            PhaseProfile("GallbladderDissection", 857, 551, (0.55, 0.05, 0.8, 0.01, 0, 0.03, 0)),
            PhaseProfile("GallbladderPackaging", 98, 53, (0.7, 0.02, 0.01, 0, 0, 0.05, 0.85)),
            PhaseProfile(
                "CleaningCoagulation", 178, 166, (0.4, 0.25, 0.05, 0, 0, 0.45, 0.2), share=0.85, early=0.2, returns=0.15
            ),
            PhaseProfile("GallbladderRetraction", 83, 56, (0.45, 0.01, 0, 0, 0, 0.03, 0.8), share=0.95, early=0.25),
        ),
    ),
)

Profile = TaskProfile | OperationProfile
PROFILES: tuple[Profile, ...] = (*TASKS, *OPERATIONS)
