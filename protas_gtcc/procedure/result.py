"""What is reported of a procedure, for one recording or for the next frames of a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Reason = Literal["missing", "out of order", "repeated", "taking too long"]
REASONS: tuple[Reason, ...] = ("missing", "out of order", "repeated", "taking too long")
"""Of alarms, in the order of the axis A."""
DONE: Literal["done"] = "done"
IS_DONE = 0.5
"""A step is reported as done when its probability is above this."""


Kind = Literal["done", "missing", "out of order", "repeated", "taking too long"]
KINDS: tuple[Kind, ...] = (DONE, *REASONS)
"""Of events."""


@dataclass(frozen=True)
class Event:
    """Something that happened at one frame: a step was done, or an alarm was raised about it. Each happens once."""

    kind: Kind
    label: int
    """Class id of the step."""
    frame: int
    """Frame of the recording at which it was reported, from 0."""
    at: int
    """Number of that frame among the T frames of this result."""
    confidence: float
    """How sure it is at that frame, in [0, 1]: a probability for `done` and `missing`; docs/concepts/procedure.md has
    what it is for the others."""

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

    def after(self, events: tuple[Event, ...]) -> Procedure:
        """The same with events of the frames before, for which there was no result, at its first frame."""
        return dataclasses.replace(self, events=(*(dataclasses.replace(one, at=0) for one in events), *self.events))

    def columns(self, class_names: Sequence[str]) -> dict[str, Sequence[Any] | np.ndarray]:
        """What is reported of each of the T frames, by the names of tables and lines; done steps and events apart."""
        likeliest, probability = self.next_probs.argmax(axis=0), self.next_probs.max(axis=0)
        return {
            "time_left_seconds": self.left_seconds,
            "time_left_low_seconds": self.left_interval[0],
            "time_left_high_seconds": self.left_interval[1],
            "procedure_progress": self.progress,
            "next": [class_names[label] for label in likeliest],
            "next_probability": probability,
            "next_seconds": self.next_seconds,
            "next_low_seconds": self.next_interval[0],
            "next_high_seconds": self.next_interval[1],
        }

    @classmethod
    def joined(cls, parts: Sequence[Procedure]) -> Procedure:
        """Those of frames that follow each other, as one."""
        arrays = {name: np.concatenate([getattr(one, name) for one in parts], axis=-1) for name in CHANNELS}
        begins = np.cumsum([0, *(len(one.left_seconds) for one in parts)]).tolist()
        events = [
            dataclasses.replace(event, at=begin + event.at)
            for begin, one in zip(begins, parts, strict=False)
            for event in one.events
        ]
        return cls(**arrays, events=tuple(events))

    def packed(self) -> np.ndarray:
        """All arrays side by side, float32 `[T, 7 + 2 C]`."""
        return np.concatenate([getattr(self, name).reshape(-1, len(self.left_seconds)) for name in CHANNELS]).T

    @classmethod
    def unpacked(cls, values: np.ndarray, events: Sequence[Event]) -> Procedure:
        """From what `packed` gives, and events."""
        num_classes = (values.shape[1] - FIXED_ROWS) // 2
        sizes = {"[T]": 1, "[2, T]": 2, "[C, T]": num_classes}
        arrays, first = {}, 0
        for name, (axes, own) in CHANNELS.items():
            rows = values[:, first : first + sizes[axes]].T.copy(order="C")
            arrays[name], first = rows if own else rows[0], first + sizes[axes]
        return cls(**arrays, events=tuple(events))

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
FIXED_ROWS = 7
"""Rows of `Procedure.packed` beside two for each class."""
