"""What is reported of a procedure, for one recording or for the next frames of a stream."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

Reason = Literal["missing", "out of order", "repeated", "taking too long"]
REASONS: tuple[Reason, ...] = ("missing", "out of order", "repeated", "taking too long")
"""Of alarms, in the order of the axis A."""
DONE = "done"


@dataclass(frozen=True)
class Event:
    """Something that happened at one frame: a step was done, or an alarm was raised about it. Each happens once."""

    kind: Literal["done", "missing", "out of order", "repeated", "taking too long"]
    label: int
    """Class id of the step."""
    frame: int
    """Frame of the recording at which it was reported, from 0."""
    at: int
    """Number of that frame among the T frames of this result."""
    confidence: float
    """Its probability at that frame, in [0, 1]; for `taking too long`, a score that grows with the step's length."""

    @property
    def is_alarm(self) -> bool:
        """Whether something may be wrong."""
        return self.kind != DONE


@dataclass(frozen=True, eq=False)
class Procedure:
    """The procedure at T frames; times are in seconds, intervals hold at 80 % of the frames."""

    left_seconds: np.ndarray
    """Median time left until the last step ends, float32 `[T]`."""
    left_interval: np.ndarray
    """Its lower and upper end, float32 `[2, T]`."""
    progress: np.ndarray
    """Time since the first step began / (that time + time left), float32 `[T]` in [0, 1]."""
    next_probs: np.ndarray
    """Probability that each class is the next step, float32 `[C, T]`."""
    next_seconds: np.ndarray
    """Median time until the next step starts, float32 `[T]`."""
    next_interval: np.ndarray
    """Its lower and upper end, float32 `[2, T]`."""
    done: np.ndarray
    """Probability that each step has been done and is not going on, float32 `[C, T]`."""
    events: tuple[Event, ...] = ()
    """Steps done and alarms, in the order of their frames."""

    def at(self, t: int) -> Procedure:
        """The procedure at frame t alone, T = 1."""
        arrays = {name: value[..., t : t + 1] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        events = tuple(dataclasses.replace(one, at=0) for one in self.events if one.at == t)
        return dataclasses.replace(self, **arrays, events=events)


CHANNELS: dict[str, tuple[str, tuple[int, ...]]] = {
    "left_seconds": ("[T]", ()),
    "left_interval": ("[2, T]", (2,)),
    "progress": ("[T]", ()),
    "next_probs": ("[C, T]", (-1,)),
    "next_seconds": ("[T]", ()),
    "next_interval": ("[2, T]", (2,)),
    "done": ("[C, T]", (-1,)),
}
"""The arrays of a procedure and their axes; -1 is any size."""
