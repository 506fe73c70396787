"""The delays of a stream's results, by part: median and 99 % of the last frames."""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass, fields

import numpy as np

from protas_gtcc.streaming.following import Delay

LAST_FRAMES = 20_000
"""That the figures are of: the memory of an endless stream stays the same."""
PARTS = tuple(one.name for one in fields(Delay))
TOTAL = "total"


@dataclass(frozen=True)
class DelayFigures:
    """Of one part, or of the total, in seconds."""

    median: float
    percent99: float
    """99 % of the frames have at most this delay."""


class Delays:
    """Collects delays."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, ...]] = deque(maxlen=LAST_FRAMES)

    def add(self, delay: Delay) -> None:
        """Count one frame, whose output is its own."""
        self._rows.append((*astuple(delay), delay.total + delay.output))

    def figures(self) -> dict[str, DelayFigures]:
        """Part -> its figures, the total last; none without frames."""
        if not self._rows:
            return {}
        quantiles = np.quantile(np.array(self._rows), [0.5, 0.99], axis=0).T.tolist()
        return {part: DelayFigures(*ends) for part, ends in zip((*PARTS, TOTAL), quantiles, strict=True)}


def delay_text(figures: dict[str, DelayFigures]) -> str:
    """The figures in one line."""
    parts = [f"{part} {1000 * one.median:.0f} / {1000 * one.percent99:.0f}" for part, one in figures.items()]
    return f"delay, ms, median / 99 %: {', '.join(parts)}"
