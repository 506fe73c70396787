"""The form of a frame's arithmetic: instructions on one vector, the stream's memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np


class Op(IntEnum):
    """Operation of an instruction; `a` and `b` are operands of `n` floats, `out` takes the result."""

    AFFINE = auto()
    """Matrix `[n, m]` times `a` `[m]`, plus bias; the transposed matrix and then the bias start at `b` in the
    weights."""
    RECORD = auto()
    """Put `a` `[n]` into ring `b` as its newest frame; the result is frames t - 2d, t - d and t, `[n, 3]`."""
    COPY = auto()
    ADD = auto()
    SUBTRACT = auto()
    MULTIPLY = auto()
    MAXIMUM = auto()
    RELU = auto()
    SIGMOID = auto()
    TANH = auto()
    CLAMP = auto()
    """To [0, 1]."""
    SOFTMAX = auto()


_OF_TWO = (Op.ADD, Op.SUBTRACT, Op.MULTIPLY, Op.MAXIMUM)
"""Instructions whose `b` is a place in the memory."""


@dataclass(frozen=True)
class Span:
    """Floats `[start, start + size)` of a stream's memory."""

    start: int
    size: int

    @property
    def slice(self) -> slice:
        """To index the memory with."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True, eq=False)
class Program:
    """One frame's work on a stream's memory (float32), weights (float32) and rings of earlier frames."""

    instructions: np.ndarray
    """int64 `[N, 6]`: op, out, a, b, n, m."""
    weights: np.ndarray
    memory: np.ndarray
    """The memory at the start of a stream: zeros and constants."""
    rings: np.ndarray
    """int64 `[R, 4]`: start of each ring, its frames (2 * dilation + 1), floats in a frame, dilation."""
    ring_floats: int
    frame: Span
    carried: Span
    """With the rings, the state of a stream."""
    logits: Span
    probs: Span
    progress: Span | None


def pack(
    instructions: list[tuple[int, ...]], spans: list[Span], kept: Collection[Span]
) -> tuple[list[tuple[int, ...]], dict[Span, Span], int]:
    """Let spans that are never needed at the same time share a place: the memory of many streams has to fit a cache.

    `spans` are all places, in order; `kept` are those in use before the first or after the last instruction. Returns
    the instructions with new places, the new place of each span, and the size of the memory.
    """
    starts = [span.start for span in spans]

    def span_of(place: int) -> Span:
        return spans[bisect_right(starts, place) - 1]

    first_use, last_use = dict.fromkeys(kept, -1), {}
    for number, instruction in enumerate(instructions):
        for position in _places(instruction):
            span = span_of(instruction[position])
            first_use.setdefault(span, number)
            last_use[span] = number
    last_use |= dict.fromkeys(kept, len(instructions))
    moved: dict[Span, Span] = {}
    for span in sorted(first_use, key=first_use.__getitem__):
        taken = [place for other, place in moved.items() if last_use[other] >= first_use[span]]
        moved[span] = Span(_lowest_gap(taken, span.size), span.size)

    def new_place(place: int) -> int:
        span = span_of(place)
        return moved[span].start + place - span.start

    packed = [
        tuple(new_place(value) if position in _places(one) else value for position, value in enumerate(one))
        for one in instructions
    ]
    return packed, moved, max(place.start + place.size for place in moved.values())


def _places(instruction: tuple[int, ...]) -> tuple[int, ...]:
    """Positions in the instruction that are places in the memory."""
    return (1, 2, 3) if instruction[0] in _OF_TWO else (1, 2)


def _lowest_gap(taken: list[Span], size: int) -> int:
    """The lowest start of `size` free floats."""
    start = 0
    for place in sorted(taken, key=lambda one: one.start):
        if place.start - start >= size:
            break
        start = max(start, place.start + place.size)
    return start
