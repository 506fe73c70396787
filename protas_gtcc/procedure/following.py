"""`ProcedureFollower`: from the filter's belief to a `Procedure`, for n streams."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from protas_gtcc.decoding.duration_filter import StateBeliefs
from protas_gtcc.errors import InputError
from protas_gtcc.procedure.alarms import NEVER
from protas_gtcc.procedure.evidence import compiled_tables
from protas_gtcc.procedure.model import ProcedureModel
from protas_gtcc.procedure.result import IS_DONE, KINDS, REASONS, Event, Procedure, Reason
from protas_gtcc.procedure.tracker import Tracked, Weights, empty_tracked, new_state, track_frames

LEVEL = 0.8
"""Share of frames at which intervals hold, on held-out people."""


class ProcedureFollower:
    """Follows n streams; `follow` steps them."""

    def __init__(
        self, model: ProcedureModel, following: np.ndarray, fps: float, num_classes: int, thresholds: np.ndarray
    ):
        """`following` is that of the filter's tables, `thresholds` `[A]` those of alarms."""
        self._model, self._following, self._seconds = model, following, 1 / fps
        self._tables, self._num_classes, self._thresholds = compiled_tables(model.tables), num_classes, thresholds
        self._weights = Weights(model.models.next_weights, model.models.later_weights)
        self._begin_streams(1)

    def fresh(self, num_streams: int = 1) -> ProcedureFollower:
        """The same for other streams, before their first frame."""
        other = copy.copy(self)
        other._begin_streams(num_streams)
        return other

    def follow(self, streams: np.ndarray, beliefs: StateBeliefs) -> Procedure:
        """The procedure at T frames, of which frame t is the next one of stream `streams[t]`, int64."""
        tracked = self.track(streams, beliefs)
        return report(tracked, self._model, self._happened(streams, tracked))

    def track(self, streams: np.ndarray, beliefs: StateBeliefs) -> Tracked:
        """What the tracker finds, before it is calibrated."""
        tracked = empty_tracked(len(streams), self._num_classes)
        track_frames(
            self._tables, self._weights, self._following, self._state, streams, beliefs, self._seconds, tracked
        )
        return tracked

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
        return _in_order(
            Event(KINDS[kind], label, frame, frame, float(self._confidence[stream, kind, label]))
            for kind, label in np.argwhere(self._happened_at[stream]).tolist()
            for frame in [int(self._happened_at[stream, kind, label]) - 1]
        )

    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless what is remembered are probabilities and times."""
        what, way_out = "this is no state of such a stream", "start a new stream without it"
        for name in ("done", "last", "next", "surprise", "confidence"):
            if state[name].min() < -1e-9 or state[name].max() > 1 + 1e-6:
                raise InputError(f"{what}: {name} is not a probability; {way_out}")
        if min(float(state[name].min()) for name in ("seconds", "elapsed", "frame", "happened")) < 0:
            raise InputError(f"{what}: a time is below 0; {way_out}")
        if state["happened"].max() > state["frame"].max():
            raise InputError(f"{what}: it has an event of a frame that is still to come; {way_out}")

    def _begin_streams(self, count: int) -> None:
        self._state = new_state(count, *self._model.tables.after.shape)
        shape = count, 1 + len(REASONS), self._num_classes
        self._happened_at = np.zeros(shape, dtype=np.int64)  # 1 + the frame of each event, 0 if there was none
        self._confidence = np.zeros(shape, dtype=np.float32)
        self._frames = np.zeros(count, dtype=np.int64)

    def _happened(self, streams: np.ndarray, tracked: Tracked) -> tuple[Event, ...]:
        """What happened for the first time in these frames."""
        values = np.concatenate([tracked.done[:, None], tracked.alarms], axis=1)  # [T, 1 + A, C]
        limits = np.array([IS_DONE, *self._thresholds])[:, None]
        events = []
        for stream in np.unique(streams):
            frames = np.flatnonzero(streams == stream)
            above = (values[frames] > limits) & (self._happened_at[stream] == 0)
            firsts = above.argmax(axis=0)
            for kind, label in np.argwhere(above.any(axis=0)).tolist():
                at = int(firsts[kind, label])
                frame, value = int(self._frames[stream]) + at, float(values[frames[at], kind, label])
                events.append(Event(KINDS[kind], label, frame, int(frames[at]), value))
                self._happened_at[stream, kind, label], self._confidence[stream, kind, label] = frame + 1, value
            self._frames[stream] += len(frames)
        return _in_order(events)


def _in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda one: (one.at, one.kind, one.label)))


def report(tracked: Tracked, model: ProcedureModel, events: tuple[Event, ...] = ()) -> Procedure:
    """The calibrated report of what the tracker found."""
    left_low, left, left_high = log_normal(tracked.left, model.calibration.left)
    next_low, upcoming, next_high = log_normal(tracked.upcoming, model.calibration.upcoming)
    elapsed = tracked.elapsed.astype(np.float32)
    return Procedure(
        left_seconds=left,
        left_interval=np.stack([left_low, left_high]),
        progress=elapsed / np.maximum(elapsed + left, 1e-6),
        next_probs=tracked.next.T,
        next_seconds=upcoming,
        next_interval=np.stack([next_low, next_high]),
        done=tracked.done.T,
        events=events,
    )


def log_normal(moments: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Lower end, median and upper end, float32 `[3, T]`, of log-normal times with mean and variance `[T, 2]`.

    `factors` multiply the median and the width of the interval.
    """
    mean, variance = moments.T
    relative = variance / np.maximum(mean, 1e-9) ** 2
    median, reach = factors[0] * mean / np.sqrt(1 + relative), factors[1] * np.sqrt(np.log1p(relative))
    quantiles = ndtri([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    return (median * np.exp(quantiles[:, None] * reach)).astype(np.float32)


def thresholds_of(model: ProcedureModel, budget: float | None, reasons: Collection[Reason] = REASONS) -> np.ndarray:
    """The thresholds of a budget in false alarms an hour; without one, nothing reaches them."""
    if budget is None:
        return np.full(len(REASONS), NEVER)
    return model.calibration.false_alarms.thresholds(budget, reasons)
