"""The strip of an annotated picture: segments from left to right, what was reported so far, and the truth of all.

A long video has pages: the strip shows one after the other, and the cursor goes through each of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from PIL import Image

from protas_gtcc.live.overlay.layout import Layout, fitted
from protas_gtcc.live.overlay.rows import Row
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.colours import ClassLook
from protas_gtcc.report.picture_parts import TICKS

NOT_YET = "not predicted yet"
EMPTY, GREY = "#F4F4F4", "#666666"
FAINT = 0.6
"""How much white is in what has not been reached."""
WHOLE, PAGE = 300, 120
"""Seconds of the longest video that is shown whole, and of a page of longer ones."""
TEXTS_APART = 6
"""From one time on the axis to the next, in heights of text."""


class Box(NamedTuple):
    """A segment in a page: from pixel `low` on."""

    low: int
    high: int
    label: int


class Page(NamedTuple):
    """A part of the video as it is seen after it, while it is seen, and before it is reached."""

    past: Image.Image
    present: Image.Image
    """Without names: how long a segment becomes is not known before its end."""
    coming: Image.Image
    boxes: list[list[Box]]
    """Of each row, in order."""


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
        canvas.image.paste(self._page(page).coming, (left, top))
        for number in range(len(self._rows)):
            self._draw_row(canvas, number, self._page(page), cursor)
        self._draw_not_yet(canvas, cursor)
        canvas.image.paste(self._axis(page), (left - layout.margin, bottom))
        half, x = max(1, layout.unit // 12), left + cursor
        canvas.image.paste("white", (x - 2 * half, top - half, x + 2 * half, bottom + half))
        canvas.image.paste("black", (x - half, top - 2 * half, x + half, bottom + 2 * half))

    def _draw_row(self, canvas: Canvas, number: int, page: Page, cursor: int) -> None:
        """Draw a row up to the cursor; the name of a segment that has not ended fits into what is there of it."""
        row, layout = self._rows[number], self._layout
        begun = bisect_left(page.boxes[number], cursor, key=lambda box: box.low)
        is_known = row.is_truth or self._later or not begun
        start, _, label = Box(cursor, cursor, 0) if is_known else page.boxes[number][begun - 1]
        top, bottom = number * layout.strip_line, (number + 1) * layout.strip_line
        x, y = layout.left + start, layout.strip_top + top
        canvas.image.paste(page.past.crop((0, top, start, bottom)), (layout.left, y))
        canvas.image.paste(page.present.crop((start, top, cursor, bottom)), (x, y))
        if start < cursor:
            self._name(canvas, row, label, (x, y + 1, layout.left + cursor, y + layout.strip_line - 1))

    def _draw_not_yet(self, canvas: Canvas, cursor: int) -> None:
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
        past, present, coming = Canvas(*size), Canvas(*size), Canvas(*size)
        boxes = [self._boxes(row, page) for row in self._rows]
        for number, row in enumerate(self._rows):
            top = number * layout.strip_line
            whole = (0, top + 1, self._width, top + layout.strip_line - 1)
            for canvas in (past, present, coming):
                canvas.image.paste(EMPTY, whole)
            actions_last = sorted(boxes[number], key=lambda box: box.label not in row.info.background)
            for low, high, label in actions_last:
                for canvas in (past, present):
                    canvas.box((low, whole[1], high, whole[3]), self._looks[label])
                    canvas.image.paste("white", (low, whole[1], low + 1, whole[3]))
                self._name(past, row, label, (low, whole[1], high, whole[3]))
            if row.is_truth or self._later:
                part = past.image.crop(whole)
                coming.image.paste(Image.blend(part, Image.new("RGB", part.size, "white"), FAINT), whole)
        return Page(past.image, present.image, coming.image, boxes)

    def _boxes(self, row: Row, page: int) -> list[Box]:
        zero, scale = page * self._seconds, self._width / self._seconds
        boxes = []
        for start, end, label in row.segments.tolist():
            low, high = (round((frame / row.rate - zero) * scale) for frame in (start, end))
            if high >= 0 and low <= self._width:
                boxes.append(Box(max(low, 0), min(max(high, low + 1), self._width), label))
        return boxes

    def _name(self, canvas: Canvas, row: Row, label: int, box: tuple[int, int, int, int]) -> None:
        """Write the name of an action at the beginning of a segment, if most of it fits."""
        if label in row.info.background:
            return
        name, look = row.info.class_names[label], self._looks[label]
        left, top, right, bottom = box
        size, room = self._layout.small, right - left - 6
        text = fitted(name, size, room) if room > 3 * size else ""
        if len(text) > min(len(name), 5) - 1:
            canvas.text(left + 4, (top + bottom) / 2, text, size, "lm", look.text)

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
