"""What is done when and for how long: the labels of a simulated video.

A task is an ordered list of steps. A video has some of them, swaps neighbours, repeats some, and has background between
them. Durations are log-normal, with a mean for the class and a factor for the person. `operations` draws those of
operations.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.operations import simulate_phases
from protas_gtcc.simulate.profiles import SHARED_STEPS, OperationProfile, Profile, TaskProfile

BACKGROUND = "background"
# Shares of the variance of log duration in a task that class and person explain; the rest is chance. With these,
# look-up predictors have the same error here as on EgoProceL's annotations.
_CLASS_SHARE, _PERSON_SHARE = 0.5, 0.08
# Log durations are limited to this many standard deviations: people give up, or stop filming.
_LONGEST = 2.3
_GAP_SPREAD = 1.2
_BACKGROUND_SPREAD = 0.35


def steps_of(config: SimulationConfig, profile: Profile) -> list[str]:
    """Class names of a task's steps, in its usual order."""
    if isinstance(profile, OperationProfile):
        return [f"sim-{phase.name}" for phase in profile.phases]
    shared = [f"sim-shared-{number}" for number, tasks in enumerate(SHARED_STEPS, 1) if profile.name in tasks]
    own = [f"sim-{profile.name}-{number}" for number in range(1, profile.key_steps - len(shared) + 1)]
    order = config.generator("order", profile.name)
    places = set(order.choice(profile.key_steps, size=len(shared), replace=False).tolist())
    return [shared.pop(0) if place in places else own.pop(0) for place in range(profile.key_steps)]


def class_names_of(config: SimulationConfig) -> list[str]:
    """All classes of the tasks in use, each once; background first, unless all are operations."""
    names = [name for profile in config.profiles for name in steps_of(config, profile)]
    return list(dict.fromkeys(names if config.only_operations else [BACKGROUND, *names]))


def simulate_labels(config: SimulationConfig, profile: Profile, number: int, class_names: list[str]) -> np.ndarray:
    """Class ids of video `number` of a task, by person `number % people`: int64 `[T]`, at least one frame a segment."""
    names, person = steps_of(config, profile), number % config.people
    if isinstance(profile, OperationProfile):
        phases, seconds = simulate_phases(config, profile, number, person)
        classes = [names[phase] for phase in phases]
    else:
        classes, seconds = simulate_segments(config, profile, names, number, person)
    ids = np.array([class_names.index(name) for name in classes], dtype=np.int64)
    return np.repeat(ids, np.maximum(np.round(seconds * config.fps), 1).astype(np.int64))


def simulate_segments(
    config: SimulationConfig, profile: TaskProfile, names: list[str], number: int, person: int
) -> tuple[list[str], np.ndarray]:
    """Classes and seconds `[N]` of the segments of video `number` of a task, whose steps have these names."""
    rng = config.generator("procedure", profile.name, number)
    steps = _steps_taken(rng, profile)
    actions = _action_seconds(rng, config, profile, steps, person)
    gaps = _gap_seconds(rng, profile, steps, float(actions.sum()))
    classes, seconds = [BACKGROUND], [gaps[0]]
    for step, action, gap in zip(steps, actions, gaps[1:], strict=True):
        classes += [names[step]] + ([BACKGROUND] if gap else [])
        seconds += [action] + ([gap] if gap else [])
    return classes, np.array(seconds)


def _steps_taken(rng: np.random.Generator, profile: TaskProfile) -> list[int]:
    kept = rng.random(profile.key_steps) < profile.steps_per_video / profile.key_steps
    steps = [int(step) for step in np.flatnonzero(kept)] or [0]
    place = 0
    while place < len(steps) - 1:
        if rng.random() < profile.swapped:
            steps[place], steps[place + 1] = steps[place + 1], steps[place]
            place += 1
        place += 1
    return _with_repeats(rng, steps, profile.actions_per_video - profile.steps_per_video)


def _with_repeats(rng: np.random.Generator, steps: list[int], mean_repeats: float) -> list[int]:
    # A Poisson number with a gamma-distributed mean: some videos have many more repeats than others.
    for _ in range(rng.poisson(mean_repeats * rng.gamma(8, 1 / 8))):
        place = int(rng.integers(len(steps)))
        steps.insert(place + int(rng.geometric(0.4)), steps[place])
    return steps


def _action_seconds(
    rng: np.random.Generator, config: SimulationConfig, profile: TaskProfile, steps: list[int], person: int
) -> np.ndarray:
    low, high = profile.quartile_seconds
    spread = 0.9 * np.log(high / low) / (ndtri(0.75) - ndtri(0.25))
    by_class = spread * np.sqrt(_CLASS_SHARE) * _class_offsets(config, profile)
    by_person = spread * np.sqrt(_PERSON_SHARE) * config.generator("pace", person).standard_normal()
    by_chance = spread * np.sqrt(1 - _CLASS_SHARE - _PERSON_SHARE)
    chance = by_chance * np.clip(rng.standard_normal(len(steps)), -_LONGEST, _LONGEST)
    # Divided by the mean of every factor, so that the mean length is that of the profile.
    mean = profile.mean_seconds * (1 - profile.background_share) / profile.actions_per_video
    mean /= np.exp(by_class).mean() * np.exp(spread**2 * (1 - _CLASS_SHARE) / 2)
    return mean * np.exp(by_class[steps] + by_person + chance)


def _class_offsets(config: SimulationConfig, profile: TaskProfile) -> np.ndarray:
    # Evenly spaced quantiles in random order: with 4 steps, four independent draws might all be alike.
    quantiles = ndtri((np.arange(profile.key_steps) + 0.5) / profile.key_steps)
    return config.generator("duration", profile.name).permutation(quantiles / quantiles.std())


def _gap_seconds(rng: np.random.Generator, profile: TaskProfile, steps: list[int], action_seconds: float) -> np.ndarray:
    odds = np.log(profile.background_share / (1 - profile.background_share))
    odds += _BACKGROUND_SPREAD * rng.standard_normal() - _BACKGROUND_SPREAD**2 / 2
    weights = np.exp(_GAP_SPREAD * rng.standard_normal(len(steps) + 1))
    same = np.array(steps[1:]) == np.array(steps[:-1])
    weights[1:-1][(rng.random(len(steps) - 1) < profile.without_gap) & ~same] = 0
    return action_seconds * np.exp(odds) * weights / weights.sum()
