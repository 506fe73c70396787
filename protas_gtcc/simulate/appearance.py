"""What a simulated camera sees: features `[T, D]` of a procedure.

    features = gain * blur(scene of the task + evidence * (class + phase)) + person + drift + noise

A class is an object and a verb, what is done with the object. Neighbouring steps share objects, and some look nearly
alike. The phase of an action moves its appearance along a line and over a hump. Both are mostly the verb's, so pouring
looks alike for all objects; their strength is the class's. In a pause the phase stands still and less of the action
shows. The background shows objects too. Frame t depends on no later frame, except that its phase is the share of the
action that is done, as in real video.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.simulate.config import SimulationConfig
from protas_gtcc.simulate.procedures import class_names_of, steps_of
from protas_gtcc.simulate.profiles import Profile
from protas_gtcc.simulate.time_courses import correlated, recursive

_NUM_VERBS = 10
_OWN_PHASE_SHARE = 0.2
_EVIDENCE_IN_PAUSE = 0.6
_DISTRACTOR_SECONDS = 8.0
_GAIN_SPREAD = 0.1


@dataclass(frozen=True, eq=False)
class World:
    """The appearance of classes and tasks, the same in every video: C classes, D features; that of background is 0."""

    class_look: np.ndarray
    """`[C, D]`: mean appearance."""
    phase_line: np.ndarray
    """`[C, D]`: the movement from phase 0 to 1."""
    phase_hump: np.ndarray
    """`[C, D]`: the distance from that line at phase 0.5."""
    scenes: dict[str, np.ndarray] = field(default_factory=dict)
    """Task name -> `[D]`."""
    classes_of_task: dict[str, list[int]] = field(default_factory=dict)
    """Task name -> ids of its steps."""


def build_world(config: SimulationConfig) -> World:
    """Draw the appearance of every class and task."""
    names = class_names_of(config)
    empty = np.zeros((len(names), config.feature_dim))
    world = World(empty.copy(), empty.copy(), empty.copy())
    for profile in config.profiles:
        steps = steps_of(config, profile)
        place_look = _direction(config, "place", profile.place)
        task_look = _direction(config, "task", profile.name)
        world.scenes[profile.name] = config.scene_strength * (0.8 * place_look + 0.6 * task_look)
        world.classes_of_task[profile.name] = [names.index(step) for step in steps]
        for place, step in enumerate(steps):
            if not world.class_look[names.index(step)].any():
                _draw_class(config, world, names.index(step), step, f"{profile.name} {place // 2}")
    return world


def simulate_features(
    config: SimulationConfig, world: World, profile: Profile, number: int, labels: np.ndarray
) -> np.ndarray:
    """Features float16 `[T, D]` of video `number` of a task, whose labels are `[T]`."""
    rng = config.generator("appearance", profile.name, number)
    action_rng, noise_rng, drift_rng = rng.spawn(3)
    gain = np.exp(_GAIN_SPREAD * rng.standard_normal())
    seen = world.scenes[profile.name] + _action_look(config, world, profile, labels, action_rng)
    person = config.person_strength * _direction(config, "person", number % config.people)
    features = gain * _blurred(seen, config.blur_seconds * config.fps) + person
    features += correlated(noise_rng, seen.shape, config.noise_seconds * config.fps)
    drift = correlated(drift_rng, (len(labels), 2), config.drift_seconds * config.fps)
    features += config.drift_strength / np.sqrt(2) * drift @ _directions(rng, 2, config.feature_dim)
    return features.astype(np.float16)


def _draw_class(config: SimulationConfig, world: World, label: int, step: str, object_name: str) -> None:
    rng = config.generator("class", step)
    verb = int(rng.integers(_NUM_VERBS))
    thing = _direction(config, "object", object_name)
    look = np.sqrt(0.6) * thing + np.sqrt(0.4) * _direction(config, "verb", verb)
    before = world.class_look[label - 1] / max(config.class_strength, 1e-9)
    if rng.random() < config.look_alike_share and before @ thing > 0.5:
        look = np.sqrt(0.9) * before + np.sqrt(0.1) * _directions(rng, 1, config.feature_dim)[0]
    world.class_look[label] = config.class_strength * look
    strength = config.phase_strength * rng.uniform(0.4, 1) * (rng.random() >= config.phase_blind_share)
    own = _directions(rng, 2, config.feature_dim)
    of_verb = _directions(config.generator("phase", verb), 2, config.feature_dim)
    line, hump = np.sqrt(1 - _OWN_PHASE_SHARE) * of_verb + np.sqrt(_OWN_PHASE_SHARE) * own
    world.phase_line[label], world.phase_hump[label] = strength * line, strength * rng.uniform(0, 0.5) * hump


def _action_look(
    config: SimulationConfig, world: World, profile: Profile, labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    look = np.zeros((len(labels), config.feature_dim))
    for start, end, label in segment_array(labels):
        if label not in world.classes_of_task[profile.name]:
            look[start:end] = _distractors(config, world, profile, int(end - start), rng)
            continue
        paused = _pauses(config, int(end - start), rng)
        phase = _phase(paused, rng)[:, None]
        curve = (phase - 0.5) * world.phase_line[label] + np.sin(np.pi * phase) * world.phase_hump[label]
        evidence = np.where(paused, _EVIDENCE_IN_PAUSE, 1.0)[:, None]
        look[start:end] = evidence * (world.class_look[label] + curve)
    return look


def _phase(paused: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The share of an action that is done at each frame, in (0, 1]: at an uneven pace, and none in a pause."""
    pace = rng.gamma(4, 0.25, size=len(paused)) * ~paused
    done = np.cumsum(pace)
    return done / done[-1]


def _pauses(config: SimulationConfig, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """The paused frames of an action, bool `[T]`; never the first, so that some of the action is done."""
    ends = 1 / max(1.0, config.pause_seconds * config.fps)
    begins = ends * config.pause_share / (1 - config.pause_share)
    draws = rng.random(num_frames)
    paused = np.zeros(num_frames, dtype=bool)
    for frame in range(1, num_frames):
        paused[frame] = draws[frame] >= ends if paused[frame - 1] else draws[frame] < begins
    return paused


def _distractors(
    config: SimulationConfig, world: World, profile: Profile, num_frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Background `[T, D]`: periods of a few seconds, each showing some step of the task weakly."""
    bout_frames = max(1, round(_DISTRACTOR_SECONDS * config.fps))
    num_bouts = -(-num_frames // bout_frames)
    labels = rng.choice(world.classes_of_task[profile.name], size=num_bouts)
    weights = config.distractor_strength / max(config.class_strength, 1e-9) * rng.random(num_bouts)
    bouts = weights[:, None] * world.class_look[labels]
    return np.repeat(bouts, bout_frames, axis=0)[:num_frames]


def _blurred(values: np.ndarray, frames: float) -> np.ndarray:
    """An exponential average over about the last `frames` frames of `values` `[T, D]`."""
    keep = np.exp(-1 / frames) if frames > 0 else 0.0
    blurred, _ = recursive(1 - keep, keep, values, zi=keep * values[:1])
    return blurred


def _direction(config: SimulationConfig, *key: str | int) -> np.ndarray:
    """A random direction `[D]` of length 1; the same key gives the same direction."""
    return _directions(config.generator(*key), 1, config.feature_dim)[0]


def _directions(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    values = rng.standard_normal((count, dim))
    return values / np.linalg.norm(values, axis=1, keepdims=True)
