"""The picture of a video: true and predicted segments as bars, over true and reported progress.

title
true        |████|  |██████|▒▒|
predicted     |███|   |████|▒▒▒|
next step   |██████|████|▒▒▒▒▒▒|   the likeliest, for a prediction with a procedure
1.0 |
    |  reported progress in the colour of the predicted class, its interval; true progress as a line
0.0 |______________________________
      time
…                                  a video with many segments goes on in further rows
 10 |  time left of the procedure, its interval, the true one; for a prediction with a procedure
  0 |______________________________
      time
classes that occur
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.result import Procedure
from protas_gtcc.procedure.tables import steps_of
from protas_gtcc.report.canvas import LARGE, Canvas
from protas_gtcc.report.colours import ClassLook, class_looks, shorten
from protas_gtcc.report.figures import form
from protas_gtcc.report.picture_parts import (
    LEFT,
    TICKS,
    Band,
    Curve,
    Plot,
    Stretch,
    draw_bar,
    draw_plot,
    draw_signs,
    draw_time,
    name_classes,
)

WIDTH = 1540
"""Of the picture; pixels, as all lengths here."""
TITLE, BAR, GAP, SIGNS, FOOT = 34, 40, 7, 26, 60
"""Heights of the title, a bar, the gap below it, what the curves mean, the time below a plot."""
PLOT, LOW_PLOT = 240, 130
"""Height of the curves; the second where there are several rows."""
SEGMENTS_OF_ROW, MOST_ROWS = 26, 6
MOST_MARKS = 6
BLUE = "#0072B2"
TWO_DIGITS = form("z.2f")


class _Bar(NamedTuple):
    name: str
    labels: np.ndarray


def plot_video(
    path: Path | str,
    video: str,
    labels: np.ndarray | None,
    prediction: Prediction,
    info: PredictionInfo,
    skill: float | None = None,
) -> None:
    """Write the picture of one video, PNG; the rest is as in `draw_video`."""
    draw_video(video, labels, prediction, info, skill).save(path)


def draw_video(
    video: str,
    labels: np.ndarray | None,
    prediction: Prediction,
    info: PredictionInfo,
    skill: float | None = None,
) -> Canvas:
    """The picture of one video: true and predicted segments as bars over true and reported progress.

    `labels` are the true class ids `[T]`, None where they are unknown. Bars have the names of their actions, or class
    ids where a name does not fit; below are the classes that occur. For a prediction with a procedure, also the
    likeliest next step, and the time left. The title has the share of frames that are right and `skill`; without it,
    the error of progress.
    """
    looks, procedure = class_looks(info), prediction.procedure
    bars = [] if labels is None else [_Bar("true", labels)]
    bars.append(_Bar("predicted", prediction.labels))
    rows = _stretches(bars, info)
    if procedure is not None:
        bars.append(_Bar("next step", procedure.next_probs.argmax(axis=0)))
    progress = _progress_plot(labels, prediction, info, looks, PLOT if len(rows) == 1 else LOW_PLOT)
    row_height = len(bars) * (BAR + GAP) + progress.height + FOOT
    left = None if procedure is None else _left_plot(labels, procedure, info)
    classes = np.unique([bar.labels for bar in bars]).tolist()
    names = {label: f"{label} {shorten(info.class_names[label])}" for label in classes}
    bottom = TITLE + SIGNS + len(rows) * row_height + (0 if left is None else SIGNS + left.height + FOOT)
    canvas = Canvas(WIDTH, bottom + name_classes(None, WIDTH, 0, names, looks))
    canvas.text(LEFT, TITLE / 2, _title(video, labels, prediction, info, skill), LARGE, "lm")
    draw_signs(canvas, TITLE + SIGNS // 2, progress)
    for number, stretch in enumerate(rows):
        top = TITLE + SIGNS + number * row_height
        for bar in bars:
            draw_bar(canvas, (top, top + BAR), stretch, bar.name, bar.labels, info, looks)
            top += BAR + GAP
        draw_plot(canvas, top, stretch, progress)
        draw_time(canvas, top + progress.height, stretch, info.fps)
    if left is not None:
        top, whole = TITLE + 2 * SIGNS + len(rows) * row_height, Stretch(0, len(prediction.labels))
        draw_signs(canvas, top - SIGNS // 2, left)
        draw_plot(canvas, top, whole, left)
        draw_time(canvas, top + left.height, whole, info.fps)
    name_classes(canvas, WIDTH, bottom, names, looks)
    return canvas


def _title(
    video: str, labels: np.ndarray | None, prediction: Prediction, info: PredictionInfo, skill: float | None
) -> str:
    """What is seen: the share of frames that are right, and skill; else the error in actions beside that of 0.5."""
    note = info.simulated_note(labels is not None)
    named = f"{video}{note and ', '}{note}"
    if labels is None:
        return named
    found = f"{named}: {100 * np.mean(labels == prediction.labels):.0f} % of frames right"
    if skill is not None:
        return f"{found}, skill {TWO_DIGITS(skill)}"
    is_action = ~np.isin(labels, info.background)
    if not is_action.any() or not prediction.reported.any():
        return found
    target = progress_target(labels, info.background)[is_action]
    error, of_half = (float(abs(values - target).mean()) for values in (prediction.reported[is_action], 0.5))
    return f"{found}; mean progress error in actions {error:.2f}, of 0.5 everywhere {of_half:.2f}"


def _stretches(bars: list[_Bar], info: PredictionInfo) -> list[Stretch]:
    """What each row of the picture has of the video: all in one, or equal parts where there are many segments."""
    most = max(int((~np.isin(segment_array(bar.labels)[:, 2], info.background)).sum()) for bar in bars)
    num_frames, num_rows = len(bars[0].labels), min(max(-(-most // SEGMENTS_OF_ROW), 1), MOST_ROWS)
    each = -(-num_frames // num_rows)
    return [Stretch(start, start + each) for start in range(0, num_frames, each)]


def _progress_plot(
    labels: np.ndarray | None, prediction: Prediction, info: PredictionInfo, looks: list[ClassLook], height: int
) -> Plot:
    truth = None if labels is None else progress_target(labels, info.background)
    levels = np.linspace(0, 1, 6 if height == PLOT else 3).tolist()
    reported = Curve("reported progress", prediction.reported, BLUE, prediction.labels, [look.fill for look in looks])
    curves = list(_curves("progress", truth, prediction.interval, reported))
    return Plot("progress", height, 1.03, {level: f"{level:.1f}" for level in levels}, curves)


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
    marks = {mark: f"{mark:g}" for mark in np.arange(0, 1.0001 * most, step).tolist()}
    reported = Curve("reported time left", minutes, BLUE)
    curves = list(_curves("time left", truth, procedure.left_interval / 60, reported))
    return Plot("minutes left", PLOT, most, marks, curves)


def _curves(
    name: str, truth: np.ndarray | None, interval: np.ndarray | None, reported: Curve
) -> Iterator[Band | Curve]:
    """From the lowest layer up: the truth is on top, so that nothing hides it."""
    if interval is not None:
        yield Band("80 % interval", interval[0], interval[1])
    yield reported
    if truth is not None:
        yield Curve(f"true {name}", truth, "#222222")
