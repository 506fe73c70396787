"""Where things are in the panel of an annotated picture, for pictures from 320 x 240 to 4K.

name   ■ action              confidence 83 %   12 s left (5 to 20)     a block, for each row
       |██████████|--+--|                           |   62 %
name   |▓▓▓▓|  |▒▒▒▒|░░░ ¦                          |                  the strip, a line for each row
1:23   0:00            1:00              2:00                          the axis
       what the signs mean
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from protas_gtcc.errors import InputError
from protas_gtcc.report.canvas import Box, text_width

LEAST_UNIT = 11
"""Height of text in pixels, below which it cannot be read."""
ACROSS, DOWN = 50, 33
"""Such heights in the width and in the height of a picture."""
LEAST_WIDTH = 32
"""Of a picture, in pixels: in less, there is no room for a strip."""
WIDEST_NAME = 0.24
"""Share of the width that the names of rows take at most."""


@dataclass(frozen=True)
class Layout:
    """Lengths in pixels, from the left and from the top of the panel."""

    width: int
    unit: int
    """Height of normal text."""
    num_rows: int
    left: int
    """Where bars and strip begin, right of the names of rows."""

    @classmethod
    def of(cls, width: int, height: int, names: Sequence[str]) -> Layout:
        """The layout for pictures of this size and rows of these names. Raises `InputError` for pictures too narrow."""
        if width < LEAST_WIDTH:
            what = f"pictures of {width}x{height} have no room for a panel"
            raise InputError(f"{what}, which is at least {LEAST_WIDTH} pixels wide; scale the video before")
        unit = max(LEAST_UNIT, round(min(width / ACROSS, height / DOWN)))
        margin = unit // 2
        # The clock stands in the same column.
        widest = max(text_width(text, _small(unit)) for text in (*names, "0:00:00"))
        column = min(ceil(widest), round(width * WIDEST_NAME))
        return cls(width, unit, len(names), 2 * margin + column)

    @property
    def margin(self) -> int:
        """Around everything."""
        return self.unit // 2

    @property
    def small(self) -> int:
        """Height of small text."""
        return _small(self.unit)

    @property
    def right(self) -> int:
        """Where the strip ends."""
        return self.width - self.margin

    @property
    def line(self) -> int:
        """Height of a line of text."""
        return round(1.5 * self.unit)

    @property
    def bar(self) -> int:
        """Height of a bar."""
        return round(0.9 * self.unit)

    @property
    def block(self) -> int:
        """Height of a block: a line, a bar and the gap below it."""
        return self.line + self.bar + round(0.5 * self.unit)

    @property
    def strip_line(self) -> int:
        """Height of a line of the strip."""
        return round(1.3 * self.unit)

    @property
    def height(self) -> int:
        """Of the panel; even, as video has it."""
        end = self.foot_top + round(1.4 * self.small)
        return end + end % 2

    @property
    def bar_right(self) -> int:
        """Where bars end; progress in percent stands behind them."""
        return self.right - round(text_width("100 %", self.unit)) - self.margin

    @property
    def strip_top(self) -> int:
        """Where the strip begins."""
        return self.block_top(self.num_rows) + round(0.2 * self.unit)

    @property
    def axis_top(self) -> int:
        """Where the axis begins, below the strip."""
        return self.strip_top + self.num_rows * self.strip_line

    @property
    def foot_top(self) -> int:
        """Where the line that explains the signs begins."""
        return self.axis_top + round(1.5 * self.unit)

    def block_top(self, row: int) -> int:
        """Where the block of a row begins."""
        return round(0.3 * self.unit) + row * self.block

    def bar_box(self, row: int) -> Box:
        """Where the bar of a row is, at progress 1."""
        top = self.block_top(row) + self.line
        return self.left, top, self.bar_right, top + self.bar


def _small(unit: int) -> int:
    return max(10, round(0.8 * unit))


@lru_cache(maxsize=4096)
def fitted(text: str, size: int, width: int) -> str:
    """The text, shortened in the middle until it is at most `width` pixels wide; "" if nothing fits."""
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if text_width(short, size) <= width:
            return short
    return ""
