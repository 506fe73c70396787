"""The panel of an annotated picture: a pure function of rows and time.

What never changes is drawn once. A frame copies it, and draws bars, texts and the cursor on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from protas_gtcc.live.overlay.blocks import Blocks
from protas_gtcc.live.overlay.layout import Layout
from protas_gtcc.live.overlay.rows import Row, with_shared_classes
from protas_gtcc.live.overlay.strip import GREY, Strip, clock
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.colours import class_looks


class Overlay:
    """Draws the panel for pictures of one size."""

    def __init__(self, rows: Sequence[Row], width: int, height: int, page_seconds: float = 0.0, later: bool = False):
        """`width` and `height` of the pictures, in pixels; the rest is as in `Strip`.

        Raises `InputError` as `with_shared_classes` and `Layout.of` do.
        """
        self._rows = rows = with_shared_classes(rows)
        self.layout = Layout.of(width, height, [row.name for row in rows])
        looks = class_looks(rows[0].info)
        self._blocks = Blocks(rows, looks, self.layout)
        self._strip = Strip(rows, looks, self.layout, page_seconds, later)
        self._fixed = Canvas(width, self.layout.height)
        self._blocks.draw_fixed(self._fixed)
        self._strip.draw_fixed(self._fixed)
        self._draw_foot(later)
        self._blocks_at: tuple[Sequence[int], Canvas] = (), self._fixed
        self._last: tuple[object, np.ndarray] | None = None

    def draw(self, seconds: Fraction) -> np.ndarray:
        """The panel at a time from the first picture, RGB `[H, W, 3]`; the same array as before if nothing changed."""
        frames = [row.frame_at(seconds) for row in self._rows]
        page, cursor = self._strip.place(seconds)
        key = frames, page, cursor, clock(seconds)
        if self._last is None or self._last[0] != key:
            self._last = key, self._drawn(frames, page, cursor, clock(seconds))
        return self._last[1]

    def _drawn(self, frames: Sequence[int], page: int, cursor: int, time: str) -> np.ndarray:
        layout = self.layout
        if self._blocks_at[0] != frames:  # the cursor moves more often
            canvas = self._fixed.copy()
            for number, (row, frame) in enumerate(zip(self._rows, frames, strict=True)):
                self._blocks.draw(canvas, number, row.shown(frame))
            self._blocks_at = frames, canvas
        canvas = self._blocks_at[1].copy()
        self._strip.draw(canvas, page, cursor)
        canvas.text(layout.margin, layout.axis_top + 0.9 * layout.unit, time, layout.small, "lm")
        return np.asarray(canvas.image)

    def _draw_foot(self, later: bool) -> None:
        """Write what is simulated, and what the signs mean."""
        layout = self.layout
        meanings = ["bar: progress of the action"]
        meanings += ["black line: its 80 % interval"] * any(row.prediction.interval is not None for row in self._rows)
        meanings += ["strip: reported so far"] * (not all(row.is_truth for row in self._rows))
        meanings += ["faint: still to come"] * (later or any(row.is_truth for row in self._rows))
        truth_first = sorted(self._rows, key=lambda row: not row.is_truth)
        notes = filter(None, (row.info.simulated_note(row.is_truth) for row in truth_first))
        meanings = [*itertools.islice(notes, 1), *meanings]
        x: float = layout.left
        for text in meanings:
            width = text_width(text, layout.small)
            if x + width > layout.right:
                break
            self._fixed.text(x, layout.foot_top + 0.6 * layout.small, text, layout.small, "lm", GREY)
            x += width + layout.unit
