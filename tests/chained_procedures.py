"""A procedure of four steps that nearly always come in the same order, with pauses; its recordings and their model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables, count_transcripts
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.filter_output import MOST, StateBeliefs
from protas_gtcc.procedure.calibration import TrainingVideo, learn_procedure
from protas_gtcc.procedure.evidence import compiled_tables
from protas_gtcc.procedure.memory import find_order
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.procedure.tracker import (
    Tracked,
    TrackerState,
    TrackingRules,
    Weights,
    empty_tracked,
    find_known,
    new_state,
    track_frame,
)
from protas_gtcc.procedure.truth import truth_of
from protas_gtcc.runs.procedures import exact_settings

FPS = 2.0
CLASSES = 5
SETTINGS = exact_settings()


def labels_of(order: Sequence[int], seed: int = 0, frames: tuple[int, int] = (10, 20)) -> np.ndarray:
    """Labels `[T]` of steps in this order, each after a pause, class 0; and a pause at the end."""
    random = np.random.default_rng(seed)
    parts = [np.repeat([0, step], [random.integers(2, 5), random.integers(*frames)]) for step in order]
    return np.concatenate([*parts, np.zeros(3, dtype=np.int64)])


def training_video(labels: np.ndarray, person: str, task: int = 0, num_classes: int = CLASSES) -> TrainingVideo:
    """A video that was seen as it is."""
    return TrainingVideo(truth_of(steps_of(labels, [0])), task, person, np.eye(num_classes, dtype=np.float32)[labels])


def learn_from(
    videos: Sequence[np.ndarray], people: Sequence[str], settings: DecodingConfig = SETTINGS
) -> tuple[ProcedureModel, TranscriptTables]:
    """A model of videos of one task, by their labels and people."""
    states = count_transcripts(videos, CLASSES, settings, FPS)
    lessons = [training_video(labels, person) for labels, person in zip(videos, people, strict=True)]
    return learn_procedure(lessons, states, settings, [0], FPS), states


@cache
def chain_model() -> tuple[ProcedureModel, TranscriptTables]:
    """Learnt from 24 people, of whom two swap the last steps, and four leave one out."""
    orders = [[1, 2, 3, 4]] * 18 + [[1, 2, 4, 3]] * 2 + [[2, 3, 4], [1, 3, 4], [1, 2, 4], [1, 2, 3]]
    videos = [labels_of(order, number) for number, order in enumerate(orders)]
    return learn_from(videos, [f"person {number}" for number in range(24)])


def certain(labels: np.ndarray, states: TranscriptTables) -> StateBeliefs:
    """What a filter believes that makes no mistake; the rest of a segment is one second."""
    now = np.eye(len(states.state_class))[labels]
    entered, ended = np.zeros((2, *now.shape))
    begins = np.flatnonzero(np.diff(labels)) + 1
    entered[np.append(0, begins)] = 1.0
    ended[begins] = now[begins - 1]
    return StateBeliefs(now, entered, ended, np.ones((*now.shape, 2)) * now[..., None])


def track_frames(rules: TrackingRules, beliefs: StateBeliefs, state: TrackerState | None = None) -> Tracked:
    """What the tracker finds in one recording from these beliefs, with the learnt order."""
    num_frames, (num_states, width) = len(beliefs.now), rules.tables.after.shape
    found = empty_tracked(num_frames, int(rules.tables.state_class.max()) + 1)
    state = state or new_state(1, num_states, width, len(rules.tables.begin) - 1)
    order, before = np.empty((num_states, width)), np.empty(MOST, dtype=np.int64)
    for t in range(num_frames):
        known = before[: find_known(state.known[0], before)]
        for k in known:
            find_order(rules, k, state.next[0, k], order[k])
        track_frame(rules, state, 0, beliefs, t, order, known, found)
    return found


def rules_of(model: ProcedureModel, states: TranscriptTables, order_memory: float = 0.0) -> TrackingRules:
    """Those of a model that is trained on frames of `FPS`."""
    weights = Weights(model.models.next_weights, model.models.later_weights)
    tables = compiled_tables(model.tables)
    return TrackingRules(tables, model.tables.state_task, weights, states.following, order_memory, 1 / FPS)


def follow(model: ProcedureModel, states: TranscriptTables, beliefs: StateBeliefs) -> Tracked:
    """What the tracker finds in one recording."""
    return track_frames(rules_of(model, states), beliefs)


def follow_labels(labels: np.ndarray) -> Tracked:
    """What is found in a recording of the chain that is seen as it is."""
    model, states = chain_model()
    return follow(model, states, certain(labels, states))
