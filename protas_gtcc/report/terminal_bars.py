"""Three test videos on a terminal with colours: the best, the median and the worst, true over predicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from rich.console import Console
from rich.style import Style
from rich.text import Text

from protas_gtcc.report.colours import ClassLook, HasClasses, class_looks, shorten
from protas_gtcc.report.video_sheet import SheetVideo

UPPER_HALF = "▀"
"""In one character, two colours: the upper half is the true class, the lower one the predicted."""
NAME_SHARE = 3
"""Of a line, one of so many parts is the name of the video."""
MOST_CLASSES = 12
"""In the line of names, the classes with most frames."""


def shows_colours(console: Console) -> bool:
    """Whether it is a terminal that has colours, and the character that has two of them."""
    return console.is_terminal and console.color_system is not None and console.encoding.lower() == "utf-8"


def print_videos(videos: Iterable[SheetVideo], info: HasClasses, console: Console) -> None:
    """Print three of these videos."""
    in_order = sorted(videos, key=lambda video: -video.accuracy)
    chosen = [in_order[at] for at in sorted({0, len(in_order) // 2, len(in_order) - 1})]
    looks = class_looks(info)
    room = console.width // NAME_SHARE
    for video in chosen:
        named = f"{shorten(video.name, room - 7)} {video.accuracy:4.0%} "
        true, predicted = (_sampled(labels, console.width - room) for labels in (video.labels, video.predicted))
        console.print(Text(named.rjust(room)) + _bar(true, predicted, looks), end="\n\n", no_wrap=True, highlight=False)
    console.print(Text("upper: true, lower: predicted ".rjust(room)) + _names(chosen, info, looks), highlight=False)


def _sampled(labels: np.ndarray, width: int) -> np.ndarray:
    return labels[(np.arange(width) + 0.5).astype(int) * len(labels) // width]


def _bar(true: np.ndarray, predicted: np.ndarray, looks: list[ClassLook]) -> Text:
    bar = Text()
    for column, (upper, lower) in enumerate(zip(true.tolist(), predicted.tolist(), strict=True)):
        bar.append(UPPER_HALF, Style(color=looks[upper].cell(column), bgcolor=looks[lower].cell(column)))
    return bar


def _names(videos: list[SheetVideo], info: HasClasses, looks: list[ClassLook]) -> Text:
    counts = np.bincount(np.concatenate([video.labels for video in videos]), minlength=len(looks))
    named = [label for label in np.argsort(-counts, kind="stable").tolist() if counts[label]][:MOST_CLASSES]
    return Text(" ").join(_swatches(named, info, looks))


def _swatches(labels: list[int], info: HasClasses, looks: list[ClassLook]) -> Iterator[Text]:
    for label in labels:
        look, name = looks[label], shorten(info.class_names[label], 24)
        yield Text.assemble((" ", f"on {look.cell(1)}"), (f" {name} ", Style(color=look.text, bgcolor=look.fill)))
