"""`ProcedureFollower`: from the filter's belief to a `Procedure`, for n streams."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.decoding.duration_filter import FilterCall
from protas_gtcc.decoding.filter_output import MOST
from protas_gtcc.errors import InputError
from protas_gtcc.procedure.alarms import NEVER
from protas_gtcc.procedure.evidence import compiled_tables
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.readings import find_events, log_normal
from protas_gtcc.procedure.result import IS_DONE, KINDS, REASONS, Event, Procedure, Reason
from protas_gtcc.procedure.tracker import Tracked, TrackingRules, Weights, follow_frames, new_state

LEVEL = 0.8
"""Share of frames at which intervals hold, on held-out people."""
QUANTILES = ndtri([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
NO_ROWS = np.empty((0, 4), dtype=np.int64)


class ProcedureFollower:
    """Follows n streams; `follow` steps them, and `report` what it finds."""

    def __init__(
        self,
        model: ProcedureModel,
        states: TranscriptTables,
        order_memory: float,
        fps: float,
        thresholds: np.ndarray,
    ):
        """`states` are the filter's tables, `order_memory` is as in `DecodingConfig`; `thresholds` are those of alarms.

        They are as `thresholds_of` gives them.
        """
        self._model, self._num_classes, self._limits = model, len(states.share), _limits(thresholds)
        weights = Weights(model.models.next_weights, model.models.later_weights)
        tables, of_task = compiled_tables(model.tables), model.tables.state_task
        self._rules = TrackingRules(tables, of_task, weights, states.following, order_memory, 1 / fps)
        self._begin_streams(1)

    @property
    def width(self) -> int:
        """W, the most states of a task."""
        return self._model.tables.after.shape[1]

    def fresh(self, num_streams: int = 1) -> ProcedureFollower:
        """The same for other streams, before their first frame."""
        other = copy.copy(self)
        other._begin_streams(num_streams)
        return other

    def follow(self, tracked: Tracked, call: FilterCall) -> None:
        """Run the filter on all frames of a call, and fill in what the tracker finds, before it is calibrated."""
        follow_frames(call, self._rules, self._state, tracked)

    def report(self, streams: np.ndarray, tracked: Tracked, is_given: np.ndarray) -> Procedure:
        """The procedure at T frames, of which frame t is the next one of stream `streams[t]`, int64.

        `is_given` `[n]` is whether the task of each stream is given.
        """
        given = is_given.astype(np.int64)
        events = _new_events(tracked, self._limits[given], streams, self._happened_at, self._confidence, self._frames)
        return report(tracked, self._model, given[streams], events)

    def arrays(self) -> list[np.ndarray]:
        """All numbers that the results depend on, but thresholds: a stream may go on with another budget."""
        return [*self._model.arrays().values()]

    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream, not a copy; all 0 before the first frame."""
        found = {name: torch.from_numpy(values[stream : stream + 1]) for name, values in self._state._asdict().items()}
        return found | {
            "happened": torch.from_numpy(self._happened_at[stream]),
            "confidence": torch.from_numpy(self._confidence[stream]),
            "frame": torch.from_numpy(self._frames[stream : stream + 1]),
        }

    def events(self, stream: int) -> tuple[Event, ...]:
        """All that has happened in a stream so far, numbered as in one result for all of its frames."""
        happened_at, confidence = self._happened_at[stream], self._confidence[stream]
        places = sorted(np.argwhere(happened_at).tolist(), key=lambda place: (happened_at[tuple(place)], place))
        frames = [int(happened_at[kind, label]) - 1 for kind, label in places]
        return tuple(
            Event(KINDS[kind], label, frame, frame, float(confidence[kind, label]))
            for (kind, label), frame in zip(places, frames, strict=True)
        )

    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless what is remembered are probabilities and times, and of few enough states."""
        what, way_out = "this is no state of such a stream", "start a new stream without it"
        for name in ("done", "last", "next", "surprise", "known", "confidence", "task_done", "task_last"):
            if state[name].min() < -1e-9 or state[name].max() > 1 + 1e-6:
                raise InputError(f"{what}: {name} is not a probability; {way_out}")
        if min(float(state[name].min()) for name in ("seconds", "elapsed", "frame", "happened")) < 0:
            raise InputError(f"{what}: a time is below 0; {way_out}")
        if (state["known"] > 0).sum() > MOST:
            raise InputError(f"{what}: more than {MOST} states are up to date; {way_out}")
        if state["happened"].max() > state["frame"].max():
            raise InputError(f"{what}: it has an event of a frame that is still to come; {way_out}")

    def _begin_streams(self, count: int) -> None:
        tables = self._model.tables
        num_states, width = tables.after.shape
        self._state = new_state(count, num_states, width, tables.num_tasks)
        self._happened_at, self._confidence, self._frames = _no_events(count, self._num_classes)


def events_of(tracked: Tracked, thresholds: np.ndarray) -> tuple[Event, ...]:
    """Steps done in a recording, and alarms above the thresholds `[A]`, each at its first frame."""
    num_frames, _, num_classes = tracked.alarms.shape
    happened_at, confidence, frames = _no_events(1, num_classes)
    streams = np.zeros(num_frames, dtype=np.int64)
    return _new_events(tracked, _limits(thresholds[None]), streams, happened_at, confidence, frames)


def _no_events(num_streams: int, num_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each event 1 + its frame, or 0, and its confidence, `[n, 1 + A, C]`; and the frames of each stream so far."""
    shape = num_streams, 1 + len(REASONS), num_classes
    return np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32), np.zeros(num_streams, dtype=np.int64)


def _limits(thresholds: np.ndarray) -> np.ndarray:
    """What a probability must be above for an event, `[..., 1 + A]`: that a step is done, then each alarm."""
    return np.insert(thresholds, 0, IS_DONE, axis=-1)


def _new_events(
    tracked: Tracked,
    limits: np.ndarray,
    streams: np.ndarray,
    happened_at: np.ndarray,
    confidence: np.ndarray,
    frames: np.ndarray,
) -> tuple[Event, ...]:
    """Events above the limits `[n, 1 + A]` that have not happened before; the other arrays are updated."""
    state = happened_at, confidence, frames
    number = find_events(tracked, limits, streams, *state, NO_ROWS)
    if number == 0:
        return ()
    found = np.empty((number, 4), dtype=np.int64)
    find_events(tracked, limits, streams, *state, found)
    return tuple(
        Event(KINDS[kind], label, frame, at, float(confidence[streams[at], kind, label]))
        for at, kind, label, frame in found.tolist()
    )


def report(tracked: Tracked, model: ProcedureModel, is_given: np.ndarray, events: tuple[Event, ...] = ()) -> Procedure:
    """The calibrated report of what the tracker found; `is_given` `[T]` is 1 where the task is given, else 0."""
    widths = np.array([(one.left_width, one.next_width) for one in model.calibrations])[is_given].T
    left, upcoming = log_normal(tracked.left, widths[0], QUANTILES), log_normal(tracked.upcoming, widths[1], QUANTILES)
    elapsed = tracked.elapsed.astype(np.float32)
    return Procedure(
        left_seconds=left[1],
        left_interval=left[::2],
        progress=elapsed / np.maximum(elapsed + left[1], 1e-6),
        next_probs=tracked.next.T,
        next_seconds=upcoming[1],
        next_interval=upcoming[::2],
        done=tracked.done.T,
        events=events,
    )


def thresholds_of(model: ProcedureModel, budget: float | None, reasons: Collection[Reason] = REASONS) -> np.ndarray:
    """The thresholds of a budget in false alarms an hour, `[2, A]`: where the task is inferred, and where it is given.

    Without a budget, nothing reaches them. Raises `InputError` as `FalseAlarms.thresholds` does.
    """
    if budget is None:
        return np.full((2, len(REASONS)), NEVER)
    return np.stack([one.false_alarms.thresholds(budget, reasons) for one in model.calibrations])
