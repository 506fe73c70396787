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

    def operands(instruction: tuple[int, ...]) -> list[int]:
        """Positions in the instruction that are places in the memory."""
        return [1, 2, 3] if instruction[0] in _OF_TWO else [1, 2]

    def span_of(place: int) -> Span:
        return spans[bisect_right(starts, place) - 1]

    uses: dict[Span, list[int]] = {span: [] for span in spans}
    for number, instruction in enumerate(instructions):
        for position in operands(instruction):
            uses[span_of(instruction[position])].append(number)
    places: dict[Span, Span] = {}
    size = 0
    for span in kept:
        places[span] = Span(size, span.size)
        size += span.size
    free_from = 0
    taken: list[tuple[int, Span]] = []  # last use, place
    for span in sorted((one for one in spans if uses[one] and one not in places), key=lambda one: uses[one][0]):
        taken = [(last, place) for last, place in taken if last >= uses[span][0]]
        places[span] = Span(_lowest_gap([place for _, place in taken], span.size), span.size)
        taken.append((uses[span][-1], places[span]))
        free_from = max(free_from, places[span].start + span.size)

    def moved(place: int) -> int:
        span = span_of(place)
        base = 0 if span in kept else size
        return place - span.start + places[span].start + base

    packed = [
        tuple(moved(value) if position in operands(one) else value for position, value in enumerate(one))
        for one in instructions
    ]
    found = {span: Span(moved(span.start), span.size) for span in places}
    return packed, found, size + free_from


def _lowest_gap(taken: list[Span], size: int) -> int:
    """The lowest start of `size` free floats."""
    start = 0
    for place in sorted(taken, key=lambda one: one.start):
        if place.start - start >= size:
            break
        start = max(start, place.start + place.size)
    return start
