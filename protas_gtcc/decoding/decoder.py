"""From the network's output to a `Prediction`: label, progress with an interval, remaining time."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig
from protas_gtcc.decoding.base import Decoder
from protas_gtcc.decoding.filter_output import FilterOutput, Trace, empty_output, empty_trace
from protas_gtcc.decoding.hypotheses import make_hypotheses
from protas_gtcc.errors import InputError, listed
from protas_gtcc.network.model import Outputs
from protas_gtcc.predictions import Prediction

if TYPE_CHECKING:
    from protas_gtcc.decoding.duration_filter import FilterCall
    from protas_gtcc.decoding.rule import Rule


TINY = 1e-30
"""Least sum that is divided by."""


class NetworkResult(NamedTuple):
    """The network's result for T frames, of one video or of many streams."""

    logits: np.ndarray
    """After the task graph, float32 `[T, C]`."""
    probs: np.ndarray
    """float32 `[T, C]`."""
    progress: np.ndarray | None
    """In [0, 1], float32 `[T, C]`; None for a network without progress."""


def network_result(outputs: Outputs) -> NetworkResult:
    """The result for a batch, frame after frame; the frames at the same time are in the order of the batch."""

    def rows(values: Tensor) -> np.ndarray:
        return values.permute(2, 0, 1).flatten(0, 1).float().cpu().numpy()

    logits = outputs.final_logits
    progress = None if outputs.final_progress is None else rows(outputs.final_progress.clamp(0, 1))
    return NetworkResult(rows(logits), rows(torch.softmax(logits, dim=1)), progress)


def require_finite(*values: np.ndarray | None) -> None:
    """Raise `InputError` if the network has overflown, for which its weights must be absurd."""
    if not all(one is None or np.isfinite(one).all() for one in values):
        raise InputError("the network's output is not finite: its weights are too large; train again with a lower --lr")


def likeliest_class(result: NetworkResult, is_action: np.ndarray) -> Prediction:
    """The prediction without a filter: the network's likeliest class, and its progress; `is_action` is bool `[C]`."""
    labels, progress = result.logits.argmax(axis=1), result.progress
    if progress is None:
        return Prediction(labels, result.probs.T, None, np.zeros(len(labels), dtype=np.float32))
    reported = progress[np.arange(len(labels)), labels] * is_action[labels]
    return Prediction(labels, result.probs.T, progress.T, reported)


def task_number(task: str | None, tasks: Sequence[str], has_filter: bool) -> int:
    """1 + the number of a given task among those that a model knows; 0 for None, and where there is only one.

    Raises `InputError` for a task that the model does not know, and for a model of several without a filter.
    """
    if task is None:
        return 0
    if not tasks:
        raise InputError(f"task {task!r}: the model does not know the tasks of its training videos; give no task")
    if task not in tasks:
        raise InputError(f"the model knows no task {task!r}; its tasks are {listed(tasks, most=40)}")
    if len(tasks) > 1 and not has_filter:
        raise InputError(f"task {task!r}: the model has no duration filter, which alone uses a task; give no task")
    return tasks.index(task) + 1 if len(tasks) > 1 else 0


def reported(result: NetworkResult, is_action: np.ndarray, decoder: Decoder | None, streams: np.ndarray) -> Prediction:
    """The prediction for T frames; `streams` as in `Decoder.decode`, `is_action` as in `likeliest_class`."""
    if decoder is None:
        return likeliest_class(result, is_action)
    filtered = decoder.decode(streams, result.probs, result.progress)
    if decoder.settings[0].filter == "durations":
        return filtered
    # A network that is not filtered: the filter's belief shows the procedure alone.
    assert isinstance(decoder, DurationDecoder)  # without a filter there is no lag
    own = likeliest_class(decoder.within_task(result, streams), is_action)
    return dataclasses.replace(own, procedure=filtered.procedure, task_probs=filtered.task_probs)


class DurationDecoder(Decoder):
    """Runs the duration filter after a network, for n streams; see `duration_filter.py` for what is reported."""

    def __init__(
        self,
        tables: TranscriptTables,
        settings: DecodingConfig,
        background: list[int],
        fps: float,
        num_streams: int = 1,
    ):
        # Here, because importing numba takes half a second.
        from protas_gtcc.decoding import duration_filter
        from protas_gtcc.decoding.compilation import report_compilation
        from protas_gtcc.decoding.rule import make_rule

        self._filter, self.tables, self.settings = duration_filter, tables, (settings, background, fps)
        self._hypotheses = make_hypotheses(tables, settings, fps)
        is_action = ~np.isin(np.arange(len(tables.share)), background)
        self._rule = make_rule(settings, tables.share, float(tables.typical[0]), is_action, fps)
        self._begin_streams(1)
        # The first call compiles the code, or loads it from numba's cache: now, not at the first frame of a stream.
        with report_compilation("the duration filter"):
            self.decode(np.zeros(1, dtype=np.int64), np.ones((1, len(is_action)), dtype=np.float32), None)
        self._begin_streams(num_streams)

    def fresh(self, num_streams: int = 1, task: int = 0) -> DurationDecoder:
        """The same filter for other streams before their first frame, all of one task; as in `give_task`."""
        other = copy.copy(self)
        other._begin_streams(num_streams, task)
        return other

    def _begin_streams(self, count: int, task: int = 0) -> None:
        self._beliefs = np.zeros((count, self.settings[0].phases, len(self._hypotheses.weight)))
        self._labels, self._tasks = np.zeros(count, dtype=np.int64), np.full(count, task)

    def decode(
        self, streams: np.ndarray, probs: np.ndarray, progress: np.ndarray | None, trace: Trace | None = None
    ) -> Prediction:
        """The prediction for T frames, of which frame t is the next one of stream `streams[t]`, int64.

        `probs` and `progress` are the network's, `[T, C]` in [0, 1]; `progress` is None for a network without progress.
        A `trace` of T frames is filled in.
        """
        return self._decode(streams, probs, progress, trace, self._filter.filter_frames)

    def _decode(
        self,
        streams: np.ndarray,
        probs: np.ndarray,
        progress: np.ndarray | None,
        trace: Trace | None,
        run: Callable[[FilterCall], None],
        num_states: int = 0,
    ) -> Prediction:
        """The prediction, by `run`, which also finds the belief in each state, if their number is given."""
        rule = self._own_rule(progress is not None)
        probs = np.ascontiguousarray(probs, dtype=np.float32)
        given = probs if progress is None else np.ascontiguousarray(progress, dtype=np.float32)
        output = empty_output(len(probs), probs.shape[1], self.tables.num_tasks, num_states, trace)
        state = self._beliefs, self._labels, self._tasks
        run(self._filter.FilterCall(self._hypotheses, rule, *state, streams, probs, given, output))
        return self.prediction(output)

    def _own_rule(self, has_progress: bool) -> Rule:
        """The rule for a network with progress, or without it."""
        return self._rule if has_progress else self._rule._replace(network_progress_share=0.0)

    def prediction(self, output: FilterOutput) -> Prediction:
        """The filter's output for some frames as a prediction."""
        low, reported, high = output.reported.T
        soonest, remaining, latest = output.remaining.T
        interval, remaining_interval = np.stack([low, high]), np.stack([soonest, latest])
        channels = output.probs.T, output.progress.T
        tasks = output.tasks.T if self.tables.num_tasks > 1 else None
        return Prediction(output.labels, *channels, reported, interval, remaining, remaining_interval, tasks)

    def empty_trace(self, num_frames: int) -> Trace:
        """Arrays for the `trace` of `decode`."""
        size = *self._beliefs.shape[1:], self.num_states, len(self.tables.share), self._order_width
        return empty_trace(num_frames, *size)

    def smooth(self, stream: int, trace: Trace, count: int, lag: int, before: int, has_progress: bool) -> Prediction:
        """The prediction for the first `count` frames of a trace of a stream, as in `smooth_frames`.

        `has_progress` is whether the network has.
        """
        from protas_gtcc.decoding.compilation import report_compilation
        from protas_gtcc.decoding.rule import with_lag
        from protas_gtcc.decoding.smoothing import smooth_frames  # compiled where there is a lag only

        output = empty_output(count, len(self.tables.share), self.tables.num_tasks)
        rule, given = self._own_rule(has_progress), self._tasks[stream]
        rule = with_lag(rule) if lag else rule
        with report_compilation("the smoothing of a lag"):
            smooth_frames(self._hypotheses, rule, given, trace, count, lag, before, output)
        return self.prediction(output)

    @property
    def num_states(self) -> int:
        """S, the number of states."""
        return len(self.tables.state_class)

    @property
    def packed_size(self) -> int:
        """Numbers of the procedure at a frame, 0 without one."""
        return 0

    @property
    def _order_width(self) -> int:
        """W of the orders of its own that a state may have."""
        return 1

    def arrays(self) -> list[np.ndarray]:
        """All tables that the results depend on."""
        return list(vars(self.tables).values())

    def within_task(self, result: NetworkResult, streams: np.ndarray) -> NetworkResult:
        """The network's result for T frames, without the actions that a given task does not have.

        Their probability goes to the task's own actions: whether one is going on does not depend on the task.
        """
        given = self._tasks[streams]
        if not given.any():
            return result
        tables = self.tables
        has = np.zeros((1 + tables.num_tasks, result.probs.shape[1]), dtype=bool)
        has[0], has[1 + tables.state_task, tables.state_class] = True, True
        actions, probs = self._rule.is_action, np.where(has[given], np.maximum(result.probs, TINY), 0)
        all_actions, own = (one[:, actions].sum(axis=1, keepdims=True) for one in (result.probs, probs))
        probs[:, actions] *= np.maximum(all_actions, TINY) / np.maximum(own, TINY)
        probs /= probs.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            return NetworkResult(np.log(probs), probs, result.progress)

    def give_task(self, stream: int, task: int) -> None:
        """Give a stream that has had no frame its task: 1 + its number, or 0 to infer it."""
        self._tasks[stream] = task

    def state(self, stream: int) -> dict[str, Tensor]:
        """The state of a stream, not a copy; all 0 before the first frame, but for the task, if it is given.

        With two tasks or more, `task` is 1 + the number of the given task, or 0.
        """
        label, task = (torch.from_numpy(values[stream : stream + 1]) for values in (self._labels, self._tasks))
        state = {"belief": torch.from_numpy(self._beliefs[stream]), "label": label}
        return state | ({"task": task} if self.tables.num_tasks > 1 else {})

    def require_state(self, state: Mapping[str, Tensor]) -> None:
        """Raise `InputError` unless the belief sums to 1, or is 0 as before the first frame, and the label is a class.

        Belief must be in the given task alone. `state` is a stream's, by name.
        """
        belief, label, task = state["belief"], int(state["label"]), int(state.get("task", 0))
        what, way_out = "this is no state of such a stream", "start a new stream without it"
        if belief.min() < 0 or (belief.any() and abs(float(belief.sum()) - 1) > 1e-6):
            raise InputError(f"{what}: belief is not a probability; {way_out}")
        if not 0 <= label < len(self.tables.share):
            raise InputError(f"{what}: label {label} is no class; {way_out}")
        if not 0 <= task <= self.tables.num_tasks:
            raise InputError(f"{what}: task {task - 1} is none of the model's; {way_out}")
        of_state = belief.reshape(len(belief), len(self.tables.state_task), -1)
        if task and of_state[:, torch.from_numpy(self.tables.state_task != task - 1)].any():
            raise InputError(f"{what}: it believes in another task than the given one; {way_out}")
