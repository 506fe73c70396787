"""The strip of an annotated picture: segments from left to right, what was reported so far, and the truth of all.

A long video has pages: the strip shows one after the other, and the cursor goes through each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from PIL import Image

from protas_gtcc.live.overlay.layout import Layout, fitted
from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.colours import ClassLook
from protas_gtcc.report.video_picture import TICKS

NOT_YET = "not predicted yet"
EMPTY, GREY = "#F4F4F4", "#666666"
FAINT = 0.6
"""How much white is in what has not been reached."""
WHOLE, PAGE = 300, 120
"""Seconds of the longest video that is shown whole, and of a page of longer ones."""
TEXTS_APART = 6
"""From one time on the axis to the next, in heights of text."""


class Page(NamedTuple):
    """A part of the video as it is seen, and as it is seen before it is reached."""

    reached: Image.Image
    coming: Image.Image


class Strip:
    """Draws the strip, its cursor and its axis."""

    def __init__(
        self,
        rows: Sequence[Row],
        looks: Sequence[ClassLook],
        layout: Layout,
        page_seconds: float = 0.0,
        later: bool = False,
    ):
        """`page_seconds` of the video are a page; 0 chooses. With `later`, coming parts of predictions are shown."""
        self._rows, self._looks, self._layout, self._later = rows, looks, layout, later
        whole = max(row.seconds for row in rows)
        chosen = Fraction(page_seconds).limit_denominator(1000) or (whole if whole <= WHOLE else Fraction(PAGE))
        self._seconds = min(chosen, whole)
        self._width = layout.right - layout.left
        self._page = lru_cache(maxsize=2)(self._make_page)
        self._axis = lru_cache(maxsize=2)(self._make_axis)

    def place(self, seconds: Fraction) -> tuple[int, int]:
        """The page and the pixel of the cursor at a time."""
        page = int(min(seconds, max(row.seconds for row in self._rows) - Fraction(1, 1000)) // self._seconds)
        return page, min(int((seconds / self._seconds - page) * self._width), self._width - 1)

    def draw_fixed(self, canvas: Canvas) -> None:
        """Draw the names of the rows."""
        layout = self._layout
        for number, row in enumerate(self._rows):
            middle = layout.strip_top + (number + 0.5) * layout.strip_line
            name = fitted(row.name, layout.small, layout.left - 2 * layout.margin)
            canvas.text(layout.margin, middle, name, layout.small, "lm", GREY)

    def draw(self, canvas: Canvas, page: int, cursor: int) -> None:
        """Draw a page with the cursor at a pixel from its left."""
        layout = self._layout
        left, top, bottom = layout.left, layout.strip_top, layout.axis_top
        reached, coming = self._page(page)
        canvas.image.paste(coming, (left, top))
        canvas.image.paste(reached.crop((0, 0, cursor, reached.height)), (left, top))
        self._say_what_comes(canvas, cursor)
        canvas.image.paste(self._axis(page), (left - layout.margin, bottom))
        half, x = max(1, layout.unit // 12), left + cursor
        canvas.image.paste("white", (x - 2 * half, top - half, x + 2 * half, bottom + half))
        canvas.image.paste("black", (x - half, top - 2 * half, x + half, bottom + 2 * half))

    def _say_what_comes(self, canvas: Canvas, cursor: int) -> None:
        """Write in the empty part of a prediction why it is empty, where there is room."""
        layout = self._layout
        room = self._width - cursor - 3 * layout.margin
        if self._later or text_width(NOT_YET, layout.small) > room:
            return
        for number, row in enumerate(self._rows):
            if not row.is_truth:
                middle = layout.strip_top + (number + 0.5) * layout.strip_line
                canvas.text(layout.right - layout.margin, middle, NOT_YET, layout.small, "rm", "#999999")

    def _make_page(self, page: int) -> Page:
        layout = self._layout
        size = self._width, len(self._rows) * layout.strip_line
        reached, coming = Canvas(*size), Canvas(*size)
        for number, row in enumerate(self._rows):
            top = number * layout.strip_line
            box = (0, top + 1, self._width, top + layout.strip_line - 1)
            reached.image.paste(EMPTY, box)
            self._draw_segments(reached, row, page, box)
            if row.is_truth or self._later:
                part = reached.image.crop(box)
                coming.image.paste(Image.blend(part, Image.new("RGB", part.size, "white"), FAINT), box)
            else:
                coming.image.paste(EMPTY, box)
        return Page(reached.image, coming.image)

    def _draw_segments(self, canvas: Canvas, row: Row, page: int, box: tuple[int, int, int, int]) -> None:
        zero, scale = page * self._seconds, self._width / self._seconds
        _, top, right, bottom = box
        actions_last = sorted(row.segments.tolist(), key=lambda one: one[2] not in row.info.background)
        for start, end, label in actions_last:
            low, high = (round((frame / row.rate - zero) * scale) for frame in (start, end))
            if high < 0 or low > right:
                continue
            look, low, high = self._looks[label], max(low, 0), min(max(high, low + 1), right)
            canvas.box((low, top, high, bottom), look)
            canvas.image.paste("white", (low, top, low + 1, bottom))
            if label not in row.info.background:
                self._name(canvas, row.info.class_names[label], look, (low, top, high, bottom))

    def _name(self, canvas: Canvas, name: str, look: ClassLook, box: tuple[int, int, int, int]) -> None:
        """Write the name at the beginning of a segment, if most of it fits."""
        left, top, right, bottom = box
        size, room = self._layout.small, right - left - 6
        text = fitted(name, size, room) if room > 3 * size else ""
        if len(text) > min(len(name), 5) - 1:
            ground = look.fill if look.hatch else ""
            canvas.text(left + 4, (top + bottom) / 2, text, size, "lm", look.text, ground)

    def _make_axis(self, page: int) -> Image.Image:
        """Times below a page, a margin wider at each side."""
        layout, start = self._layout, page * self._seconds
        canvas = Canvas(self._width + 2 * layout.margin, layout.foot_top - layout.axis_top)
        step = self._step()
        for number in range(int(start / step), int((start + self._seconds) / step) + 1):
            x = layout.margin + round((number * step - start) / self._seconds * self._width)
            if not layout.margin <= x <= layout.margin + self._width:
                continue
            text = clock(number * step)
            canvas.image.paste("black", (x, 0, x + 1, layout.unit // 3))
            half = text_width(text, layout.small) / 2
            middle = min(max(x, half), canvas.image.width - half)
            canvas.text(middle, 0.9 * layout.unit, text, layout.small, colour=GREY)
        return canvas.image

    def _step(self) -> Fraction:
        """Seconds from tick to tick: whole ones."""
        most = max(1, self._width // (TEXTS_APART * self._layout.small))
        steps = [Fraction(step) for step in TICKS if step >= 1]
        return next((step for step in steps if self._seconds / step <= most), self._seconds)


def clock(seconds: Fraction) -> str:
    """A time of the video, as 1:23 or 1:02:03."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
