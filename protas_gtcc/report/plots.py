"""The picture of a video, and how all pictures are written.

`Figure` objects only, no pyplot: nothing global, no window, safe in any process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from protas_gtcc.annotations.segments import progress_target, segment_array
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.report.colours import ClassLook, class_looks
from protas_gtcc.storage.atomic import replace_when_whole

WIDTH_INCHES = 14.0
DOTS_PER_INCH = 110
NAME_LENGTH = 34
"""Longer class names are shortened in the middle, where they differ least."""


def plot_video(
    path: Path | str,
    video: str,
    labels: np.ndarray | None,
    prediction: Prediction,
    info: PredictionInfo,
) -> None:
    """Picture of one video, PNG: true and predicted segments as bars over true and reported progress.

    `labels` are the true class ids `[T]`, None where they are unknown. Numbers in the bars are class ids; the legend
    holds the classes that occur.
    """
    looks = class_looks(len(info.class_names), info.background)
    rows = {"predicted": prediction.labels} if labels is None else {"true": labels, "predicted": prediction.labels}
    occurring = np.unique(np.concatenate([*rows.values()])).tolist()
    columns = 5 if max(len(info.class_names[label]) for label in occurring) < 22 else 4
    legend_inches = 0.24 * -(-len(occurring) // columns) + 0.25
    figure = Figure(figsize=(WIDTH_INCHES, 4.3 + legend_inches), dpi=DOTS_PER_INCH, layout="constrained")
    bars, curves = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2.2])
    _draw_bars(bars, rows, info, looks)
    _draw_progress(curves, labels, prediction, info)
    _label_time(curves, len(prediction.labels), info.fps)
    note = ", SIMULATED" if info.simulated else ""
    right = "" if labels is None else f": {np.mean(labels == prediction.labels):.0%} of frames correct"
    bars.set_title(f"{video}{note}{right}", loc="left", parse_math=False)
    handles = [_patch(looks[label], f"{label} {shorten(info.class_names[label])}") for label in occurring]
    legend = figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=9)
    plain_text(legend.get_texts())
    save(figure, path)


def _draw_bars(axis: Axes, rows: dict[str, np.ndarray], info: PredictionInfo, looks: list[ClassLook]) -> None:
    heights = [float(height) for height in reversed(range(len(rows)))]
    for height, labels in zip(heights, rows.values(), strict=True):
        num_frames = len(labels)
        segments = segment_array(labels)
        # Background first, so that its edge does not cover a short action.
        for label in sorted(np.unique(labels).tolist(), key=lambda label: label not in info.background):
            own = segments[segments[:, 2] == label]
            spans = [(start / info.fps, (end - start) / info.fps) for start, end, _ in own.tolist()]
            look = looks[label]
            # An edge of its own colour keeps a one-frame segment of a long video visible.
            axis.broken_barh(spans, (height, 0.86), facecolor=look.fill, edgecolor=look.fill, lw=0.8)
            if look.hatch:
                axis.broken_barh(spans, (height, 0.86), facecolor="none", edgecolor="white", hatch=look.hatch, lw=0)
        axis.vlines(_borders(segments, info) / info.fps, height, height + 0.86, color="white", lw=1.2)
        for start, end, label in segments.tolist():
            if label not in info.background and end - start > num_frames * 0.007 * len(str(label)):
                _write_in_bar(axis, (start + end) / 2 / info.fps, height + 0.43, str(label), looks[label])
    axis.set_yticks([height + 0.43 for height in heights], list(rows))
    axis.set_ylim(-0.05, heights[0] + 0.91)
    axis.tick_params(left=False, bottom=False)
    axis.spines[:].set_visible(False)


def _borders(segments: np.ndarray, info: PredictionInfo) -> np.ndarray:
    """Frames at which one action follows another; not beside a segment that is about as narrow as the line."""
    start, end, label = segments.T
    is_action = ~np.isin(label, info.background) & (end - start > end[-1] * 0.004)
    return start[1:][is_action[1:] & is_action[:-1]]


def _draw_progress(axis: Axes, labels: np.ndarray | None, prediction: Prediction, info: PredictionInfo) -> None:
    time = np.arange(len(prediction.labels)) / info.fps
    if labels is not None:
        target = progress_target(labels, info.background)
        axis.fill_between(time, target, step="post", color="#BBBBBB", linewidth=0, label="true progress")
    if prediction.interval is not None:
        low, high = prediction.interval
        axis.fill_between(time, low, high, step="post", color="#0072B2", alpha=0.15, linewidth=0, label="80 % interval")
    axis.plot(time, prediction.reported, color="#0072B2", lw=1.3, drawstyle="steps-post", label="reported progress")
    axis.set_ylim(0, 1.03)
    axis.set_ylabel("progress of the action")
    tidy(axis)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.1, fontsize=9)


def _label_time(axis: Axes, num_frames: int, fps: float) -> None:
    seconds = num_frames / fps
    axis.set_xlim(0, seconds)
    if seconds < 180:
        axis.set_xlabel("time, seconds")
        return
    axis.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.5, 3, 6, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02d}"))
    axis.set_xlabel("time, minutes:seconds")


def _write_in_bar(axis: Axes, x: float, y: float, text: str, look: ClassLook) -> None:
    # On a hatch, text needs ground of its own.
    ground = {"facecolor": look.fill, "edgecolor": "none", "pad": 0.8} if look.hatch else None
    axis.text(x, y, text, ha="center", va="center", fontsize=8, color=look.text, bbox=ground, clip_on=True)


def _patch(look: ClassLook, text: str) -> Patch:
    return Patch(facecolor=look.fill, hatch=look.hatch, edgecolor="white" if look.hatch else look.fill, label=text)


def tidy(axis: Axes) -> None:
    """Horizontal grid lines behind the drawing; no frame above and at the right."""
    axis.grid(axis="y", color="#EEEEEE")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def shorten(name: str) -> str:
    """The name of a class, at most `NAME_LENGTH` characters of it."""
    half = (NAME_LENGTH - 1) // 2
    return name if len(name) <= NAME_LENGTH else f"{name[:half]}…{name[-half:]}"


def plain_text(texts: Sequence[Text]) -> None:
    """Draw a dollar sign in a class name as it is: it begins no formula."""
    for text in texts:
        text.set_parse_math(False)


def save(figure: Figure, path: Path | str) -> None:
    """Write a picture, PNG, in one step."""
    with replace_when_whole(path) as temporary:
        figure.savefig(temporary, format="png")
