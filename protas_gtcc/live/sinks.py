"""Who is told: the terminal, a file of JSON lines, a function."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from protas_gtcc.predictions import INTERVAL_COLUMNS, Prediction


@dataclass(frozen=True, eq=False)
class Moment:
    """What is said of one frame."""

    frame: int
    """Its number in the source, from 0; numbers of dropped frames are missing."""
    label: int
    probability: float
    progress: float
    """Of the predicted class, in [0, 1]; 0 in the background."""
    probs: np.ndarray | None
    """float32 `[C]`."""
    every_progress: np.ndarray | None
    """float32 `[C]`; None from a model without progress."""
    waiting: int
    """Frames that had come meanwhile."""
    dropped: int
    """Frames that were thrown away so far."""
    interval: tuple[float, float] | None = None
    """Between which values the progress lies, see `Prediction`; None from a model without a filter."""
    remaining_seconds: float | None = None
    """How long the predicted class is still expected to go on; None from a model without a filter."""


def make_moments(said: Prediction, first_frame: int, waiting: int = 0, dropped: int = 0) -> Iterator[Moment]:
    """The moments of a chunk of frames `[T]`, numbered from `first_frame`."""
    sure = said.probability
    for t, label in enumerate(said.labels.tolist()):
        interval = None if said.interval is None else (float(said.interval[0, t]), float(said.interval[1, t]))
        yield Moment(
            frame=first_frame + t,
            label=label,
            probability=float(sure[t]),
            progress=float(said.reported[t]),
            probs=None if said.probs is None else said.probs[:, t],
            every_progress=None if said.progress is None else said.progress[:, t],
            waiting=waiting,
            dropped=dropped,
            interval=interval,
            remaining_seconds=None if said.remaining_seconds is None else float(said.remaining_seconds[t]),
        )


def result_line(moment: Moment, name: str) -> dict[str, Any]:
    """What is said of a frame to programs and pages, ready for JSON."""
    line = {
        "frame": moment.frame,
        "label": moment.label,
        "name": name,
        "probability": round(moment.probability, 5),
        "progress": round(moment.progress, 5),
    }
    if moment.interval is not None:
        line |= {key: round(value, 5) for key, value in zip(INTERVAL_COLUMNS, moment.interval, strict=True)}
    if moment.remaining_seconds is not None:
        line["remaining_seconds"] = round(moment.remaining_seconds, 2)
    return line


@dataclass(frozen=True)
class Followed:
    """How it went."""

    frames: int
    dropped: int


class Observer(ABC):
    """Hears what happens while a source is followed; stalls and the end are ignored unless it says otherwise."""

    @abstractmethod
    def on_moment(self, moment: Moment) -> None:
        """A frame was understood."""

    def on_stall(self, seconds: float) -> None:  # noqa: B027 (not everybody needs to know)
        """The source has been silent for so long."""

    def on_end(self, followed: Followed) -> None:  # noqa: B027
        """There will be no more."""


class Callback(Observer):
    """Calls a function with every result."""

    def __init__(self, function: Callable[[Moment], None]):
        self._function = function

    def on_moment(self, moment: Moment) -> None:
        """Call it."""
        self._function(moment)


class JsonLines(Observer):
    """Writes one line of JSON a frame, at once, and one that says `stalled_seconds` where the source stalls."""

    def __init__(self, out: Any, class_names: list[str], fps: float | None, every_class: bool = False):
        self._out, self._names, self._fps, self._every_class = out, class_names, fps, every_class

    def on_moment(self, moment: Moment) -> None:
        """Write the line."""
        name = self._names[moment.label]
        line = result_line(moment, name)
        line["dropped"] = moment.dropped
        if self._fps is not None:
            line["seconds"] = round(moment.frame / self._fps, 3)
        if self._every_class:
            for name, values in (("probs", moment.probs), ("every_progress", moment.every_progress)):
                line[name] = None if values is None else [round(float(value), 5) for value in values]
        self._write(line)

    def on_stall(self, seconds: float) -> None:
        """Say so in a line of its own."""
        self._write({"stalled_seconds": round(seconds, 1)})

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


class Terminal(Observer):
    """A live view: the current action, its progress bar, confidence, time in it, and the last actions."""

    def __init__(self, console: Console, class_names: list[str], background: list[int], fps: float | None):
        self._names, self._background, self._fps = class_names, background, fps
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._began, self._drawn = 0, 0.0
        self._last: Moment | None = None
        self._past: deque[tuple[int, int, int, float]] = deque(maxlen=6)
        self._note = ""

    def on_moment(self, moment: Moment) -> None:
        """Show it."""
        if not self._live.is_started:
            self._live.start()
        before = self._last
        if before is None:
            self._began = moment.frame
        elif before.label != moment.label:
            self._past.append((before.label, self._began, moment.frame, before.progress))
            self._began = moment.frame
        self._last, self._note = moment, ""
        # Drawing costs far more than a step, and nobody sees more than twenty pictures a second.
        if monotonic() - self._drawn >= 1 / 20:
            self._drawn = monotonic()
            self._live.update(self.view(), refresh=True)

    def on_stall(self, seconds: float) -> None:
        """Say so below the view."""
        self._note = f"no frame for {seconds:.0f} s"
        if self._live.is_started:
            self._live.update(self.view(), refresh=True)

    def on_end(self, followed: Followed) -> None:
        """Leave the last view standing."""
        self._note = f"{followed.frames} frames" + (f", {followed.dropped} dropped" if followed.dropped else "")
        if self._live.is_started:
            self._live.update(self.view(), refresh=True)
            self._live.stop()

    def view(self) -> Group:
        """What is shown now."""
        moment = self._last
        if moment is None:
            return Group(Text(self._note))
        name = "nothing in particular" if moment.label in self._background else self._names[moment.label]
        now = Table.grid(padding=(0, 2))
        now.add_row("progress", ProgressBar(total=1, completed=moment.progress, width=40), f"{moment.progress:4.0%}")
        now.add_row(
            "confidence",
            ProgressBar(total=1, completed=moment.probability, width=40, style="grey50"),
            f"{moment.probability:4.0%}",
        )
        past = Table("at", "for", "action", "progress at its end", show_edge=False, box=None, header_style="dim")
        for label, began, ended, progress in reversed(self._past):
            done = "" if label in self._background else f"{progress:4.0%}"
            past.add_row(self._time(began), self._time(ended - began), self._names[label], done)
        lines = f"frame {moment.frame}, {self._time(moment.frame)}, {moment.waiting} waiting"
        heading = Text.assemble((name, "bold"), f"  for {self._time(moment.frame - self._began + 1)}")
        if moment.remaining_seconds is not None:
            heading.append(f", about {moment.remaining_seconds:.0f} s left")
        return Group(heading, now, Text(f"{lines}  {self._note}", style="dim"), past)

    def _time(self, frames: int) -> str:
        if self._fps is None:
            return f"{frames} frames"
        minutes, seconds = divmod(frames / self._fps, 60)
        return f"{int(minutes)}:{seconds:04.1f}"
