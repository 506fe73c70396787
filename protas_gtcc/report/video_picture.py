"""The picture of a video: true and predicted segments as bars, over true and reported progress.

title
true        |████|  |██████|▒▒|
predicted     |███|   |████|▒▒▒|
next step   |██████|████|▒▒▒▒▒▒|   the likeliest, for a prediction with a procedure
                                   names of the areas
1.0 |
    |  areas: true progress, its interval, reported progress
0.0 |______________________________
                                   names of the areas
 10 |  areas: true time left of the procedure, its interval, its median; for a prediction with a procedure
  0 |______________________________
      time
classes that occur
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.report.canvas import LARGE, MEDIUM, NORMAL, SMALL, Canvas, Place, text_width
from protas_gtcc.report.colours import ClassLook, class_looks, shorten

WIDTH, LEFT, RIGHT = 1540, 88, 1518
"""Of the picture, and of what has time from left to right; pixels, as all lengths here."""
TITLE, BAR, GAP, HEAD, PLOT, FOOT, LINE = 28, 54, 9, 26, 266, 60, 22
"""Heights of the title, a bar, the gap below it, the names of the areas, the areas, their time, a line of classes."""
UNIT = 258
"""Height of progress 1."""
LEAST = 2
"""Width of the shortest segment: one frame of a long video stays visible."""
TICKS = (*(one * 10.0**power for power in range(-3, 1) for one in (1, 2, 5)), 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds from tick to tick."""
MOST_TICKS, MOST_MARKS = 13, 6
MINUTES = 180
"""Seconds from which time is written in minutes."""
BLUE, GREY, PALE = "#0072B2", "#BBBBBB", "#EEEEEE"


class Area(NamedTuple):
    """For each pixel from left to right, what is filled: from `low` to `high`, `[RIGHT - LEFT]`, above 0."""

    name: str
    low: np.ndarray
    high: np.ndarray
    colour: str
    opacity: float = 1.0
    sample: int = 10
    """Height of the sample beside the name."""


class Plot(NamedTuple):
    """Areas from the lowest layer up, over an axis with its title and marks, by their height in pixels."""

    title: str
    marks: Mapping[float, str]
    areas: list[Area]


def plot_video(
    path: Path | str,
    video: str,
    labels: np.ndarray | None,
    prediction: Prediction,
    info: PredictionInfo,
) -> None:
    """Picture of one video, PNG: true and predicted segments as bars over true and reported progress.

    `labels` are the true class ids `[T]`, None where they are unknown. Numbers in the bars are class ids; below are the
    classes that occur. For a prediction with a procedure, also the likeliest next step, and the time left.
    """
    looks = class_looks(info)
    rows = {"predicted": prediction.labels} if labels is None else {"true": labels, "predicted": prediction.labels}
    plots = [_progress_plot(labels, prediction, info.background)]
    if prediction.procedure is not None:
        rows["next step"] = prediction.procedure.next_probs.argmax(axis=0)
        plots.append(_left_plot(labels, prediction.procedure, info))
    names = {label: f"{label} {shorten(info.class_names[label])}" for label in np.unique([*rows.values()]).tolist()}
    columns = int(WIDTH // (70 + max(text_width(name, MEDIUM) for name in names.values()))) or 1
    top, num_lines = TITLE + len(rows) * (BAR + GAP) + HEAD, -(-len(names) // columns)
    bottom = top + len(plots) * (PLOT + HEAD) - HEAD
    canvas = Canvas(WIDTH, bottom + FOOT + num_lines * LINE + GAP)
    note = info.simulated_note(labels is not None)
    right = "" if labels is None else f": {np.mean(labels == prediction.labels):.0%} of frames correct"
    canvas.text(LEFT, TITLE / 2, f"{video}{note and ', '}{note}{right}", LARGE, "lm")
    for number, (name, its_labels) in enumerate(rows.items()):
        _draw_bar(canvas, TITLE + number * (BAR + GAP), name, its_labels, info.background, looks)
    for number, plot in enumerate(plots):
        _draw_plot(canvas, top + number * (PLOT + HEAD), plot)
    _draw_time(canvas, bottom, len(prediction.labels) / info.fps)
    for number, (label, name) in enumerate(names.items()):
        column, line = divmod(number, num_lines)
        _name_class(canvas, column * (WIDTH // columns), bottom + FOOT + line * LINE, name, looks[label])
    canvas.save(path)


def _name_class(canvas: Canvas, left: int, top: int, name: str, look: ClassLook) -> None:
    canvas.box((left + 11, top + 6, left + 41, top + 17), look)
    canvas.text(left + 50, top + LINE / 2, name, MEDIUM, "lm")


def _draw_bar(
    canvas: Canvas, top: int, name: str, labels: np.ndarray, background: Collection[int], looks: list[ClassLook]
) -> None:
    segments = segment_array(labels)
    edges = np.round(LEFT + segments[:, :2] * (RIGHT - LEFT) / len(labels)).astype(int).tolist()
    boxes = [(start, top, max(end, start + LEAST), top + BAR) for start, end in edges]
    classes, is_action = segments[:, 2].tolist(), ~np.isin(segments[:, 2], list(background))
    # Background first, so that it does not cover a short action.
    for number in np.argsort(is_action, kind="stable").tolist():
        canvas.box(boxes[number], looks[classes[number]])
    # A line between two actions, unless one of them is about as narrow as the line.
    is_wide = is_action & (segments[:, 1] - segments[:, 0] > len(labels) * 0.004)
    for number in np.flatnonzero(is_wide[1:] & is_wide[:-1]).tolist():
        border = edges[number][1]
        canvas.image.paste("white", (border - 1, top, border + 1, top + BAR))
    for number in np.flatnonzero(is_action).tolist():
        (start, _, end, _), text, look = boxes[number], str(classes[number]), looks[classes[number]]
        if end - start > 10 * len(text):
            canvas.text((start + end) / 2, top + BAR / 2, text, SMALL, colour=look.text)
    canvas.text(LEFT - 11, top + BAR / 2, name, NORMAL, "rm")


def _progress_plot(labels: np.ndarray | None, prediction: Prediction, background: Collection[int]) -> Plot:
    truth = None if labels is None else progress_target(labels, background)
    marks = {progress * UNIT: f"{progress:.1f}" for progress in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}
    areas = _areas("progress", truth, prediction.interval, prediction.reported, UNIT)
    return Plot("progress of the action", marks, list(areas))


def _left_plot(labels: np.ndarray | None, procedure: Procedure, info: PredictionInfo) -> Plot:
    """Time left of the procedure, in minutes; the interval may reach beyond the plot."""
    minutes = procedure.left_seconds / 60
    steps = np.empty((0, 3)) if labels is None else steps_of(labels, info.background)
    truth = None
    if len(steps):
        truth = np.maximum(steps[:, 1].max() - 1 - np.arange(len(minutes)), 0) / info.fps / 60
    longest = max(float(minutes.max(initial=0)), 0 if truth is None else float(truth[0]), 1 / 60)
    most = min(2 * longest, max(longest, float(procedure.left_interval.max(initial=0)) / 60))
    step = next((step for step in TICKS if most / step <= MOST_MARKS), most / MOST_MARKS)
    marks = {mark / most * UNIT: f"{mark:g}" for mark in np.arange(0, 1.0001 * most, step).tolist()}
    areas = _areas("time left", truth, procedure.left_interval / 60, minutes, UNIT / most)
    return Plot("minutes left", marks, list(areas))


def _areas(
    name: str, truth: np.ndarray | None, interval: np.ndarray | None, values: np.ndarray, unit: Place
) -> Iterator[Area]:
    """What is drawn of values `[T]`, from the lowest layer up; `unit` is the height of 1."""
    if truth is not None:
        _, high = _extremes(truth, unit)
        yield Area(f"true {name}", 0 * high, high, GREY)
    if interval is not None:
        (low, _), (_, high) = (_extremes(end, unit) for end in interval)
        yield Area("interval", low, high, BLUE, opacity=0.15)
    low, high = _extremes(values, unit)
    yield Area(f"reported {name}", low - 0.9, high + 0.9, BLUE, sample=2)


def _extremes(values: np.ndarray, unit: Place) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value at each pixel from left to right, as heights; values are `[T]`.

    At a border between frames, a pixel has both, so that a line through all pixels has no gap.
    """
    ends = -(-np.arange(RIGHT - LEFT + 1) * len(values) // (RIGHT - LEFT))
    first, after = np.maximum(ends[:-1] - 1, 0), ends[1:]
    # `reduceat` reduces from each index to the next: within every pixel, and again between two pixels.
    indices, heights = np.stack([first, after], axis=1).ravel(), np.append(values, 0) * unit
    return np.minimum.reduceat(heights, indices)[::2], np.maximum.reduceat(heights, indices)[::2]


def _draw_plot(canvas: Canvas, top: int, plot: Plot) -> None:
    for height, text in plot.marks.items():
        y = round(top + PLOT - height)
        canvas.image.paste(PALE, (LEFT, y, RIGHT, y + 1))
        canvas.image.paste("black", (LEFT - 5, y, LEFT, y + 1))
        canvas.text(LEFT - 11, y, text, NORMAL, "rm")
    for area in plot.areas:
        canvas.area((LEFT, top, RIGHT, top + PLOT), area.low, area.high, area.colour, area.opacity)
    canvas.image.paste("black", (LEFT - 1, top, LEFT, top + PLOT))
    canvas.text_upwards(34, top + PLOT // 2, plot.title, NORMAL)
    x, y = RIGHT, top - HEAD // 2
    for area in reversed(plot.areas):
        canvas.text(x, y, area.name, MEDIUM, "rm")
        x -= round(text_width(area.name, MEDIUM)) + 40
        box = (x, y - area.sample // 2, x + 28, y - area.sample // 2 + area.sample)
        canvas.area(box, np.zeros(28), np.full(28, area.sample), area.colour, area.opacity)
        x -= 26


def _draw_time(canvas: Canvas, top: int, seconds: float) -> None:
    step = next((step for step in TICKS if seconds / step <= MOST_TICKS), seconds / MOST_TICKS)
    canvas.image.paste("black", (LEFT - 1, top, RIGHT, top + 1))
    for time in np.arange(0, 1.0001 * seconds, step).tolist():
        x = round(LEFT + time / seconds * (RIGHT - LEFT))
        text = f"{time:g}" if seconds < MINUTES else f"{round(time) // 60}:{round(time) % 60:02d}"
        canvas.image.paste("black", (x, top, x + 1, top + 6))
        canvas.text(x, top + 16, text, NORMAL)
    unit = "seconds" if seconds < MINUTES else "minutes:seconds"
    canvas.text((LEFT + RIGHT) / 2, top + 38, f"time, {unit}", NORMAL)
