"""The pictures of a video with a panel below each of them, or over it, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.video.frames import Decoded
from protas_gtcc.video.opening import WAY_OUT, BrokenVideo, OpenVideo
from protas_gtcc.video.planes import Colours, Planes, Upright, joined

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Draw = Callable[[Fraction], np.ndarray]
"""Seconds from the first picture -> the panel then, RGB `[H, W, 3]`. The same array again means: nothing changed."""
MakeDraw = Callable[[int, int], Draw]
"""Width and height of the pictures -> what draws the panel, as wide as they are and of even height."""


class Drawn(NamedTuple):
    """A picture with its panel."""

    frame: VideoFrame
    start: Fraction
    """Seconds from the first picture, as `end`."""
    end: Fraction
    pts: int
    """When it is shown, in ticks of the video's time base, as its file has it."""
    ticks: int
    """How long it is shown."""
    colours: Colours


def drawn(
    video: OpenVideo, decoded: Decoded, make_draw: MakeDraw, over: bool = False, widest: int | None = None
) -> Iterator[Drawn]:
    """Yield every picture of a video, in order of time, with a panel below it, or `over` its lower part.

    Pictures wider than `widest` pixels are scaled down. Two pictures of one time are the later one. Raises
    `BrokenVideo` as iterating `decoded` does.
    """
    upright, tick = Upright(video.pixel_width, widest), video.tick
    panel: _Panel | None = None
    zero = last = None
    for frame, (start, end) in decoded:
        if zero is None:
            zero = frame.pts or 0
        pts = zero + round(start / tick)
        if last is not None and pts <= last:
            continue  # it is shown for no time
        last = pts
        with _naming(video):
            picture = upright.planes(frame)
        if panel is None:
            height, width = picture[0].shape
            panel = _Panel(make_draw(width, height), Colours.of(frame))
        below = panel.planes(start)
        if over and below[0].shape[0] > picture[0].shape[0]:
            sizes = f"a panel {below[0].shape[0]} pixels high does not fit over pictures of {picture[0].shape[0]}"
            raise InputError(f"{sizes}; draw it below them, or show less")
        both = joined(picture, below, over)
        yield Drawn(both, start, end, pts, max(1, round((end - start) / tick)), panel.colours)


class _Panel:
    """The planes of a panel, converted when it changes."""

    def __init__(self, draw: Draw, colours: Colours):
        self._draw, self.colours = draw, colours
        self._pixels: np.ndarray | None = None
        self._planes: Planes = []

    def planes(self, seconds: Fraction) -> Planes:
        pixels = self._draw(seconds)
        if pixels is not self._pixels:
            self._pixels, self._planes = pixels, self.colours.planes(pixels)
        return self._planes


@contextmanager
def _naming(video: OpenVideo) -> Iterator[None]:
    """Turn what FFmpeg raises of pictures into `BrokenVideo`."""
    import av.error

    try:
        yield
    except (ValueError, av.error.FFmpegError) as error:
        raise BrokenVideo(f"{video.path}: {error}; {WAY_OUT}") from error
