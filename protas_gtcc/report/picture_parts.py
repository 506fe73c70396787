"""Parts of the picture of a video: bars of segments, plots of curves, times below them. All lengths are pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report.canvas import MEDIUM, NORMAL, SMALL, Canvas, text_width
from protas_gtcc.report.colours import ClassLook

LEFT, RIGHT = 88, 1518
"""Of what has time from left to right."""
LEAST = 2
"""Width of the shortest segment: one frame of a long video stays visible."""
TICKS = (*(one * 10.0**power for power in range(-3, 1) for one in (1, 2, 5)), 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds from tick to tick."""
MOST_TICKS = 13
MINUTES = 180
"""Seconds from which time is written in minutes."""
PALE, BAND = "#EEEEEE", "#D2D2D2"
LINE, GAP_BELOW = 22, 8
"""Height of a line of classes, and what is below them."""
THICK = 1.1
"""Half the thickness of a curve."""
DARKER = 0.72
"""Of the light of a class's colour, what the line on its area has."""
AREA_OPACITY = 0.3


class Stretch(NamedTuple):
    """The frames from `start` to `end`, not included, that a row shows; the last one may reach beyond the video."""

    start: int
    end: int

    def x(self, frame: int) -> int:
        """The place of a frame."""
        return round(LEFT + (frame - self.start) * (RIGHT - LEFT) / (self.end - self.start))


class Band(NamedTuple):
    """From `low` to `high`, `[T]` each."""

    name: str
    low: np.ndarray
    high: np.ndarray


class Curve(NamedTuple):
    """Values `[T]`. With `labels`, `[T]`, each segment has its class's colour, and the area below it too."""

    name: str
    values: np.ndarray
    colour: str
    labels: np.ndarray | None = None
    colours: Sequence[str] = ()


class Plot(NamedTuple):
    """Curves from the lowest layer up, over an axis from 0 to `most` with its title and marks."""

    title: str
    height: int
    most: float
    marks: Mapping[float, str]
    curves: Sequence[Band | Curve]


def draw_bar(
    canvas: Canvas,
    ends: tuple[int, int],
    stretch: Stretch,
    name: str,
    labels: np.ndarray,
    info: PredictionInfo,
    looks: Sequence[ClassLook],
) -> None:
    """Draw the segments of labels `[T]` from top to bottom, which are `ends`."""
    top, bottom = ends
    segments = segment_array(labels[stretch.start : stretch.end])
    segments[:, :2] += stretch.start
    places = [(stretch.x(start), stretch.x(end), label) for start, end, label in segments.tolist()]
    # Background first, so that it does not cover a short action.
    actions_last = sorted(places, key=lambda place: place[2] not in info.background)
    for start, end, label in actions_last:
        canvas.box((start, top, max(end, start + LEAST), bottom), looks[label])
    # A line between two actions, unless one of them is about as narrow as the line.
    least_wide = 0.004 * (RIGHT - LEFT)
    for (start, border, label), (_, end, after) in pairwise(places):
        if not {label, after} & set(info.background) and min(border - start, end - border) > least_wide:
            canvas.image.paste("white", (border - 1, top, border + 1, bottom))
    for start, end, label in places:
        if label not in info.background:
            _name_segment(canvas, (start, top, end, bottom), info.class_names[label], label, looks[label])
    canvas.text(LEFT - 11, (top + bottom) / 2, name, NORMAL, "rm")


def _name_segment(canvas: Canvas, box: tuple[int, int, int, int], name: str, label: int, look: ClassLook) -> None:
    """Write the name of an action upon it, or its number where the name does not fit."""
    left, top, right, bottom = box
    for text, margin in ((name, 8), (str(label), 2)):
        if text_width(text, SMALL) <= right - left - margin:
            canvas.text((left + right) / 2, (top + bottom) / 2, text, SMALL, colour=look.text)
            return


def draw_plot(canvas: Canvas, top: int, stretch: Stretch, plot: Plot) -> None:
    """Draw the axis, and what the stretch has of the curves."""
    bottom, unit = top + plot.height, plot.height / plot.most
    for mark, text in plot.marks.items():
        y = round(bottom - mark * unit)
        canvas.image.paste(PALE, (LEFT, y, RIGHT, y + 1))
        canvas.image.paste("black", (LEFT - 5, y, LEFT, y + 1))
        canvas.text(LEFT - 11, y, text, NORMAL, "rm")
    box = (LEFT, top, RIGHT, bottom)
    for curve in plot.curves:
        if isinstance(curve, Band):
            (low, _), (_, high) = (_extremes(ends, stretch, unit) for ends in (curve.low, curve.high))
            canvas.area(box, low, high, BAND)
            continue
        low, high = _extremes(curve.values, stretch, unit)
        if curve.labels is None:
            canvas.area(box, low - THICK, high + THICK, curve.colour)
        else:
            _draw_by_class(canvas, box, stretch, curve, low, high)
    canvas.image.paste("black", (LEFT - 1, top, LEFT, bottom))
    canvas.text_upwards(34, top + plot.height // 2, plot.title, NORMAL)


def _draw_by_class(
    canvas: Canvas, box: tuple[int, int, int, int], stretch: Stretch, curve: Curve, low: np.ndarray, high: np.ndarray
) -> None:
    assert curve.labels is not None
    _, top, _, bottom = box
    for start, end, label in segment_array(curve.labels[stretch.start : stretch.end]).tolist():
        left = stretch.x(stretch.start + start)
        right = max(stretch.x(stretch.start + end), left + 1)
        part, fill = slice(left - LEFT, right - LEFT), curve.colours[label]
        its_low, its_high, place = low[part], high[part], (left, top, min(right, RIGHT), bottom)
        if len(its_low) and its_high.any():
            canvas.area(place, np.zeros_like(its_low), its_low, fill, AREA_OPACITY)
            canvas.area(place, its_low - THICK, its_high + THICK, _darker(fill))


def draw_signs(canvas: Canvas, y: int, plot: Plot) -> None:
    """Write what the curves of a plot mean, from the right, the top layer first."""
    x = RIGHT
    for curve in reversed(plot.curves):
        canvas.text(x, y, curve.name, MEDIUM, "rm")
        x -= round(text_width(curve.name, MEDIUM)) + 40
        if isinstance(curve, Band):
            canvas.image.paste(BAND, (x, y - 6, x + 28, y + 6))
        elif curve.labels is None:
            canvas.image.paste(curve.colour, (x, y - 1, x + 28, y + 1))
        else:
            for number, fill in enumerate(_some_colours(curve)):
                canvas.image.paste(_darker(fill), (x + 9 * number, y - 1, x + 9 * (number + 1), y + 1))
        x -= 26


def _some_colours(curve: Curve) -> list[str]:
    """Three of those that the curve has, to show that it has several."""
    assert curve.labels is not None
    occurring = [curve.colours[label] for label in np.unique(curve.labels).tolist()]
    return [occurring[-1 - number % len(occurring)] for number in range(3)]


def draw_time(canvas: Canvas, top: int, stretch: Stretch, fps: float) -> None:
    """Draw the axis of time below a row."""
    begin, seconds = stretch.start / fps, (stretch.end - stretch.start) / fps
    step = next((step for step in TICKS if seconds / step <= MOST_TICKS), seconds / MOST_TICKS)
    in_seconds = begin + seconds < MINUTES
    canvas.image.paste("black", (LEFT - 1, top, RIGHT, top + 1))
    for number in range(int(np.ceil(begin / step)), int((begin + 1.0001 * seconds) / step) + 1):
        time = number * step
        x = round(LEFT + (time - begin) / seconds * (RIGHT - LEFT))
        text = f"{time:g}" if in_seconds else f"{round(time) // 60}:{round(time) % 60:02d}"
        canvas.image.paste("black", (x, top, x + 1, top + 6))
        canvas.text(x, top + 16, text, NORMAL)
    canvas.text((LEFT + RIGHT) / 2, top + 38, f"time, {'seconds' if in_seconds else 'minutes:seconds'}", NORMAL)


def name_classes(
    canvas: Canvas | None, width: int, top: int, names: Mapping[int, str], looks: Sequence[ClassLook]
) -> int:
    """Name classes in columns; returns the height that it takes. Without a canvas, nothing is drawn."""
    columns = int(width // (70 + max(text_width(name, MEDIUM) for name in names.values()))) or 1
    num_lines = -(-len(names) // columns)
    for number, (label, name) in enumerate(names.items() if canvas is not None else ()):
        column, line = divmod(number, num_lines)
        x, y = column * (width // columns), top + line * LINE
        assert canvas is not None
        canvas.box((x + 11, y + 4, x + 41, y + 18), looks[label])
        canvas.text(x + 50, y + LINE / 2, name, MEDIUM, "lm")
    return num_lines * LINE + GAP_BELOW


def _extremes(values: np.ndarray, stretch: Stretch, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value at each pixel from left to right, as heights; values are `[T]`.

    At a border between frames, a pixel has both, so that a line through all pixels has no gap. Beyond the video's end
    they are 0.
    """
    shown = np.zeros(stretch.end - stretch.start)
    known = values[stretch.start : stretch.end]
    shown[: len(known)] = known
    ends = -(-np.arange(RIGHT - LEFT + 1) * len(shown) // (RIGHT - LEFT))
    first, after = np.maximum(ends[:-1] - 1, 0), ends[1:]
    # `reduceat` reduces from each index to the next: within every pixel, and again between two pixels.
    indices, heights = np.stack([first, after], axis=1).ravel(), np.append(shown, 0) * unit
    return np.minimum.reduceat(heights, indices)[::2], np.maximum.reduceat(heights, indices)[::2]


def _darker(colour: str) -> str:
    return "#" + "".join(f"{round(DARKER * int(colour[at : at + 2], 16)):02x}" for at in (1, 3, 5))
