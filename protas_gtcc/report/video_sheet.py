"""The test videos on one sheet, from the best to the worst: true over predicted segments, on one scale of time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from protas_gtcc.predictions import PredictionInfo
from protas_gtcc.report.canvas import LARGE, MEDIUM, Canvas
from protas_gtcc.report.colours import class_looks, shorten
from protas_gtcc.report.picture_parts import LEFT as BARS_LEFT
from protas_gtcc.report.picture_parts import Stretch, draw_bar, draw_time, name_classes

WIDTH, TITLE, NAMES = 1540, 40, 26
BAR, GAP, APART, FOOT = 17, 1, 11, 62
"""Heights of a bar, between the two of a video, between videos, and of the time below them; pixels."""


class SheetVideo(NamedTuple):
    """Class ids `[T]` of a video, true and predicted."""

    name: str
    labels: np.ndarray
    predicted: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of frames that are right."""
        return float(np.mean(self.labels == self.predicted))


def plot_sheet(
    path: Path | str, videos: Iterable[SheetVideo], info: PredictionInfo, num_test_videos: int | None = None
) -> None:
    """Draw the videos, PNG. Of each pair of bars, the upper one is true; all have the same seconds to a pixel.

    The title says how many test videos there are, if they are more than these.
    """
    in_order = sorted(videos, key=lambda video: -video.accuracy)
    looks, longest = class_looks(info), max(len(video.labels) for video in in_order)
    whole, each = Stretch(0, longest), NAMES + 2 * BAR + GAP + APART
    bottom = TITLE + len(in_order) * each
    classes = np.unique(np.concatenate([np.union1d(video.labels, video.predicted) for video in in_order])).tolist()
    names = {label: f"{label} {shorten(info.class_names[label])}" for label in classes}
    canvas = Canvas(WIDTH, bottom + FOOT + name_classes(None, WIDTH, 0, names, looks))
    is_part = num_test_videos is not None and num_test_videos > len(in_order)
    which = f"The first {len(in_order)} of {num_test_videos} test videos" if is_part else "Test videos"
    title = f"{which}, the best first. Upper bar: true; lower bar: predicted."
    canvas.text(BARS_LEFT, TITLE / 2, f"{info.simulated_note(True)} {title}".strip(), LARGE, "lm")
    for number, video in enumerate(in_order):
        top = TITLE + number * each
        text = f"{video.name}: {100 * video.accuracy:.0f} % of frames right"
        canvas.text(BARS_LEFT, top + NAMES / 2, text, MEDIUM, "lm")
        top += NAMES
        for labels in (video.labels, video.predicted):
            draw_bar(canvas, (top, top + BAR), whole, "", labels, info, looks)
            top += BAR + GAP
    draw_time(canvas, bottom, whole, info.fps)
    name_classes(canvas, WIDTH, bottom + FOOT, names, looks)
    canvas.save(path)
