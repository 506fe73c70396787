"""Simulated operations: which phases when and for how long, and which tools are seen.

The length of a phase is log-normal. Surgeon and patient make all phases of an operation shorter or longer together; the
rest is chance. Without them, lengths of operations would vary less than Cholec80's do.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.profiles import OperationProfile, PhaseProfile
from protas_gtcc.simulate.time_courses import correlated

_PERSON_SHARE, _PATIENT_SHARE = 0.1, 0.1
"""Shares of the variance of a phase's log length."""
_LONGEST = 2.3
"""Chance is limited to this many standard deviations."""
_TOOL_SECONDS = 10.0
"""Time over which the presence of a tool is correlated."""


def simulate_phases(
    config: SimulationConfig, profile: OperationProfile, number: int, person: int
) -> tuple[list[int], np.ndarray]:
    """Numbers of the phases of operation `number`, in order, and their seconds `[N]`."""
    rng = config.generator("operation", profile.name, number)
    phases = _phases_taken(rng, profile.phases)
    # A phase that comes twice takes half its time each time.
    mean = np.array([phase.mean_seconds for phase in profile.phases])[phases] / np.bincount(phases)[phases]
    relative = np.array([phase.spread_seconds / phase.mean_seconds for phase in profile.phases])[phases]
    spread = np.sqrt(np.log1p(relative**2))
    surgeon, patient = config.generator("pace", person).standard_normal(), rng.standard_normal()
    chance = np.clip(rng.standard_normal(len(phases)), -_LONGEST, _LONGEST)
    drawn = np.sqrt(_PERSON_SHARE) * surgeon + np.sqrt(_PATIENT_SHARE) * patient
    drawn = drawn + np.sqrt(1 - _PERSON_SHARE - _PATIENT_SHARE) * chance
    return phases, mean * np.exp(spread * drawn - spread**2 / 2)


def simulate_tools(config: SimulationConfig, profile: OperationProfile, number: int, phases: np.ndarray) -> np.ndarray:
    """Which tools each frame shows, 0 or 1, float16 `[T, number of tools]`; `phases` `[T]` are the frames' phases."""
    shares = np.array([phase.tools for phase in profile.phases])[phases]
    rng = config.generator("tools", profile.name, number)
    return (correlated(rng, shares.shape, _TOOL_SECONDS * config.fps) < ndtri(shares)).astype(np.float16)


def _phases_taken(rng: np.random.Generator, phases: tuple[PhaseProfile, ...]) -> list[int]:
    has, is_early, returns = rng.random((3, len(phases))) < [
        [phase.share for phase in phases],
        [phase.early for phase in phases],
        [phase.returns for phase in phases],
    ]
    taken = [int(phase) for phase in np.flatnonzero(has)] or [0]
    for place in range(1, len(taken)):
        if is_early[taken[place]]:
            taken[place - 1], taken[place] = taken[place], taken[place - 1]
    for phase in np.flatnonzero(returns & has).tolist():
        place = taken.index(phase) + 2
        if place <= len(taken):
            taken.insert(place, phase)
    return taken
