"""The block of a row: its action, what is reported of it, and the bar of its progress with the interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protas_gtcc.live.overlay.layout import Layout, fitted
from protas_gtcc.live.overlay.rows import Row, Shown
from protas_gtcc.report.canvas import Canvas, text_width
from protas_gtcc.report.colours import ClassLook

TRACK, FRAME, GREY = "#EEEEEE", "#999999", "#666666"
MINUTES = 120
"""Seconds from which a duration is written in minutes."""
NAME_SHARE = 0.42
"""Of the line, what the name of the action has at least."""


class Blocks:
    """Draws the blocks of all rows."""

    def __init__(self, rows: Sequence[Row], looks: Sequence[ClassLook], layout: Layout):
        self._rows, self._looks, self._layout = rows, looks, layout
        room = (layout.right - layout.left) * (1 - NAME_SHARE)
        widest = [Shown(0, 1.0, None, 1.0, left, (left, left)) for left in (119.0, 5999.0)]
        # Chosen once: the text does not change its form from frame to frame.
        self._is_long = max(text_width(long_text(one), layout.small) for one in widest) <= room

    def draw_fixed(self, canvas: Canvas) -> None:
        """Draw what never changes: names of rows and empty bars."""
        layout = self._layout
        for number, row in enumerate(self._rows):
            left, top, right, bottom = layout.bar_box(number)
            name = fitted(row.name, layout.small, layout.left - 2 * layout.margin)
            canvas.text(layout.margin, layout.block_top(number) + layout.line / 2, name, layout.small, "lm", GREY)
            canvas.image.paste(FRAME, (left - 1, top - 1, right + 1, bottom + 1))
            canvas.image.paste(TRACK, (left, top, right, bottom))

    def draw(self, canvas: Canvas, number: int, shown: Shown) -> None:
        """Draw what a row shows at a frame."""
        layout, row = self._layout, self._rows[number]
        look = self._looks[shown.label]
        self._draw_line(canvas, number, shown, look)
        left, top, right, bottom = layout.bar_box(number)
        if end := round(shown.progress * (right - left)):
            canvas.box((left, top, left + end, bottom), look)
        if shown.interval is not None:
            self._draw_interval(canvas, number, shown.interval)
        percent = "" if shown.label in row.info.background else f"{shown.progress:.0%}".replace("%", " %")
        canvas.text(layout.right, (top + bottom) / 2, percent, layout.unit, "rm")

    def _draw_line(self, canvas: Canvas, number: int, shown: Shown, look: ClassLook) -> None:
        layout, row = self._layout, self._rows[number]
        middle, unit = layout.block_top(number) + layout.line / 2, layout.unit
        text = long_text(shown) if self._is_long else short_text(shown)
        canvas.text(layout.right, middle, text, layout.small, "rm", GREY)
        swatch = round(middle - 0.4 * unit)
        side = round(0.8 * unit)
        canvas.image.paste(FRAME, (layout.left - 1, swatch - 1, layout.left + side + 1, swatch + side + 1))
        canvas.box((layout.left, swatch, layout.left + side, swatch + side), look)
        left = layout.left + side + layout.margin
        room = layout.right - left - layout.margin - (round(text_width(text, layout.small)) if text else 0)
        canvas.text(left, middle, fitted(row.info.class_names[shown.label], unit, room), unit, "lm")

    def _draw_interval(self, canvas: Canvas, number: int, ends: tuple[float, float]) -> None:
        """A line from end to end with a stop at each, black in white: it is seen on every colour."""
        left, top, right, bottom = self._layout.bar_box(number)
        low, high = (left + round(end * (right - left)) for end in ends)
        thick = max(2, self._layout.unit // 9)
        middle, stop = (top + bottom - thick) // 2, max(2, (bottom - top) // 4)
        for colour, more in (("white", max(1, thick // 2)), ("black", 0)):
            ends_at = max(low - more, left), min(high + more, right)
            canvas.image.paste(colour, (ends_at[0], middle - more, ends_at[1], middle + thick + more))
            for end in (low, high):
                x = min(max(end - thick // 2, left), right - thick)
                box = (max(x - more, left), top + stop - more, min(x + thick + more, right), bottom - stop + more)
                canvas.image.paste(colour, box)


def long_text(shown: Shown) -> str:
    """What is reported of the action, in words."""
    return "   ".join(_parts(shown, is_long=True))


def short_text(shown: Shown) -> str:
    """The same for small pictures."""
    return "  ".join(_parts(shown, is_long=False))


def _parts(shown: Shown, is_long: bool) -> Iterator[str]:
    if shown.confidence is not None:
        yield f"{'confidence ' if is_long else ''}{100 * shown.confidence:.0f} %{'' if is_long else ' sure'}"
    if shown.remaining is not None:
        ends = shown.remaining_interval
        around = f" ({_duration(ends[0])} to {_duration(ends[1])})" if ends is not None and is_long else ""
        yield f"{_duration(shown.remaining)} left{around}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < MINUTES else f"{whole // 60}:{whole % 60:02d} min"
