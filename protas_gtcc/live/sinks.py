"""Sinks, which receive the results of a live pipeline: a terminal, a file of JSON lines."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console

from protas_gtcc.errors import plural
from protas_gtcc.live.delays import PARTS, DelayFigures, delay_text
from protas_gtcc.live.procedure_lines import procedure_line
from protas_gtcc.predictions import INTERVAL_COLUMNS, REMAINING_COLUMNS, Prediction
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.streaming.following import Delay, Followed


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The result for one frame."""

    frame: int
    """Its number in the source, from 0; numbers of dropped frames are missing."""
    label: int
    probability: float
    """Probability of the predicted class."""
    progress: float
    """Reported progress, in [0, 1], see `Prediction`."""
    probs: np.ndarray | None
    """float32 `[C]`."""
    every_progress: np.ndarray | None
    """float32 `[C]`; None from a model without progress."""
    waiting: int
    """Frames in the buffer."""
    dropped: int
    """Frames dropped so far."""
    interval: tuple[float, float] | None = None
    """Interval of the progress, see `Prediction`; None from a model without a filter."""
    remaining_seconds: float | None = None
    """Median of the remaining time of the predicted class; None from a model without a filter."""
    remaining_interval: tuple[float, float] | None = None
    """Interval of that time, see `Prediction`; None from a model without a filter."""
    task: int | None = None
    """Number of the likeliest task; None from a model of fewer than two."""
    task_probability: float | None = None
    """Probability of that task."""
    task_given: bool = False
    """Whether it was given, not inferred."""
    procedure: Procedure | None = None
    """What is done, next and left, T = 1; None from a model that does not follow procedures."""
    delay: Delay | None = None
    """None from a source without a clock."""
    picture: np.ndarray | None = None
    """What the backbone was given, RGB uint8 `[H, W, 3]`; None from a source of features."""


def frame_result(
    followed: Followed, delay: Delay | None = None, picture: np.ndarray | None = None, task_given: bool = False
) -> FrameResult:
    """The result of one frame of a source."""
    result = next(frame_results(followed, followed.frame, followed.waiting, followed.dropped, task_given))
    return dataclasses.replace(result, delay=delay, picture=picture)


def frame_results(
    prediction: Prediction, first_frame: int, waiting: int = 0, dropped: int = 0, task_given: bool = False
) -> Iterator[FrameResult]:
    """The results of a chunk of frames `[T]`, numbered from `first_frame`."""
    probability, remaining, tasks = prediction.probability, prediction.remaining_seconds, prediction.task_probs
    for t, label in enumerate(prediction.labels.tolist()):
        yield FrameResult(
            frame=first_frame + t,
            label=label,
            probability=float(probability[t]),
            progress=float(prediction.reported[t]),
            probs=None if prediction.probs is None else prediction.probs[:, t],
            every_progress=None if prediction.progress is None else prediction.progress[:, t],
            waiting=waiting,
            dropped=dropped,
            interval=_ends(prediction.interval, t),
            remaining_seconds=None if remaining is None else float(remaining[t]),
            remaining_interval=_ends(prediction.remaining_interval, t),
            task=None if tasks is None else int(tasks[:, t].argmax()),
            task_probability=None if tasks is None else float(tasks[:, t].max()),
            task_given=task_given,
            procedure=prediction.procedure and prediction.procedure.at(t),
        )


def _ends(interval: np.ndarray | None, t: int) -> tuple[float, float] | None:
    return None if interval is None else (float(interval[0, t]), float(interval[1, t]))


def result_line(result: FrameResult, class_names: Sequence[str], tasks: Sequence[str] = ()) -> dict[str, Any]:
    """A result as programs and pages read it, ready for JSON; `tasks` are the names of the model's tasks."""
    line = {
        "frame": result.frame,
        "label": result.label,
        "name": class_names[result.label],
        "probability": round(result.probability, 5),
        "progress": round(result.progress, 5),
    }
    if result.interval is not None:
        line |= {key: round(value, 5) for key, value in zip(INTERVAL_COLUMNS, result.interval, strict=True)}
    if result.remaining_seconds is not None:
        line["remaining_seconds"] = round(result.remaining_seconds, 2)
    if result.remaining_interval is not None:
        line |= {key: round(value, 2) for key, value in zip(REMAINING_COLUMNS, result.remaining_interval, strict=True)}
    if result.task is not None and result.task_probability is not None:
        line |= {"task": tasks[result.task], "task_probability": round(result.task_probability, 5)}
        line["task_given"] = result.task_given
    if result.procedure is not None:
        line["procedure"] = procedure_line(result.procedure, class_names)
    return line


def stream_line(result: FrameResult, class_names: Sequence[str], tasks: Sequence[str] = ()) -> dict[str, Any]:
    """The same with the frames dropped so far, and the delay if the source has a clock."""
    line = result_line(result, class_names, tasks) | {"dropped": result.dropped}
    if result.delay is not None:
        line["delay_seconds"] = round(result.delay.total, 4)
        line["delay_parts"] = {part: round(getattr(result.delay, part), 4) for part in PARTS}
    return line


@dataclass(frozen=True)
class Summary:
    """Frames that a pipeline has processed and dropped."""

    frames: int
    dropped: int
    delays: dict[str, DelayFigures] = field(default_factory=dict)
    """Part of the delay -> its figures; empty of a source without a clock."""


class Sink(ABC):
    """Receives the results of a pipeline; by default it ignores stalls and the end."""

    @abstractmethod
    def on_result(self, result: FrameResult) -> None:
        """A frame was processed."""

    def on_stall(self, seconds: float) -> None:  # noqa: B027 (optional)
        """The source has sent nothing for `seconds`."""

    def on_end(self, summary: Summary) -> None:  # noqa: B027
        """The pipeline has ended."""


class JsonLines(Sink):
    """Writes one line of JSON for each frame, at once, and a line with `stalled_seconds` when the source stalls."""

    def __init__(
        self,
        out: Any,
        class_names: list[str],
        fps: float | None,
        every_class: bool = False,
        tasks: Sequence[str] = (),
    ):
        self._out, self._names, self._fps, self._every_class = out, class_names, fps, every_class
        self._tasks = tasks

    def on_result(self, result: FrameResult) -> None:
        """Write the line."""
        line = stream_line(result, self._names, self._tasks)
        if self._fps is not None:
            line["seconds"] = round(result.frame / self._fps, 3)
            for event in line.get("procedure", {}).get("events", ()):
                event["seconds"] = round(event["frame"] / self._fps, 3)
        if self._every_class:
            for name, values in (("probs", result.probs), ("every_progress", result.every_progress)):
                line[name] = None if values is None else [round(float(value), 5) for value in values]
        self._write(line)

    def on_stall(self, seconds: float) -> None:
        """Write a line of its own."""
        self._write({"stalled_seconds": round(seconds, 1)})

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


class DelayLine(Sink):
    """Prints the delays in one line at the end, where there are any."""

    def __init__(self, console: Console):
        self._console = console

    def on_result(self, result: FrameResult) -> None:
        """Nothing."""

    def on_end(self, summary: Summary) -> None:
        """Print the line."""
        if summary.delays:
            dropped = f"{plural(summary.dropped, 'frame')} skipped; " if summary.dropped else ""
            self._console.print(f"{dropped}{delay_text(summary.delays)}", soft_wrap=True)
