"""Pictures as the three planes of 4:2:0 video, and putting a drawn panel on them.

A decoded picture keeps its colours as they are coded. Only the panel is converted, with the video's own matrix and
range of values.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from protas_gtcc.video.pictures import Fields, Turns

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PIXELS = "yuv420p"
"""The format that every player shows."""
HD_LINES = 720
"""Players take the matrix of HDTV for pictures of as many lines, where the file names none."""
BT709, BT601, UNKNOWN = 1, 5, 2
"""Numbers of matrices in FFmpeg."""
FULL_RANGE = 2
"""FFmpeg's number of the range 0 to 255."""
OVER = 0.85
"""Opacity of a panel over the picture."""

Planes = list[np.ndarray]
"""Brightness `[H, W]` and two colours `[H / 2, W / 2]`, uint8."""


class Colours(NamedTuple):
    """How the values of a picture mean colours, as FFmpeg numbers it."""

    matrix: int
    range: int

    @classmethod
    def of(cls, frame: VideoFrame) -> Colours:
        """Those that a player takes for a frame."""
        guess = BT709 if frame.height >= HD_LINES else BT601
        is_known = frame.colorspace not in (0, UNKNOWN)
        return cls(int(frame.colorspace) if is_known else guess, int(frame.color_range))

    def planes(self, pixels: np.ndarray) -> Planes:
        """RGB `[H, W, 3]` as planes of these colours."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import ColorRange

        values = ColorRange.JPEG if self.range == FULL_RANGE else ColorRange.MPEG
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return planes(frame.reformat(format=PIXELS, dst_colorspace=_matrix(self), dst_color_range=values, threads=1))


class Upright:
    """Decoded pictures -> planes as a player shows them: upright, with square pixels, of even width and height."""

    def __init__(self, pixel_width: Fraction, widest: int | None = None):
        """`pixel_width` is the width of a pixel over its height. Larger pictures become `widest` pixels wide."""
        from av.video.reformatter import VideoReformatter

        self._pixel_width, self._widest = pixel_width, widest
        self._scaler, self._fields, self._turns = VideoReformatter(), Fields(), Turns()
        self._width = self._height = 0

    def planes(self, frame: VideoFrame) -> Planes:
        """The planes of a picture. All have the size of the first one, also where they are turned in another way."""
        turn = -1 if self._turns.swaps(frame) else 1
        if not self._width:
            across, down = frame.width * self._pixel_width, Fraction(frame.height)
            scale = Fraction(1) if self._widest is None else min(Fraction(1), self._widest / across)
            self._width, self._height = (even(scale * across), even(scale * down))[::turn]
        source = self._fields.one(frame) if frame.interlaced_frame else frame
        matrix = _matrix(Colours.of(frame)) if frame.format.is_rgb else None
        width, height = (self._width, self._height)[::turn]
        scaled = self._scaler.reformat(source, width, height, PIXELS, dst_colorspace=matrix, threads=1)
        return [self._turns.upright(plane[..., None], frame)[..., 0] for plane in planes(scaled)]


def rgb(frame: VideoFrame, colours: Colours) -> np.ndarray:
    """The pixels `[H, W, 3]` of a frame whose values mean these colours."""
    from av.video.reformatter import ColorRange

    values = ColorRange.JPEG if colours.range == FULL_RANGE else ColorRange.MPEG
    shown = frame.reformat(format="rgb24", src_colorspace=_matrix(colours), src_color_range=values, threads=1)
    return shown.to_ndarray()


def _matrix(colours: Colours) -> int:
    """The one of the two matrices that a panel is converted with: that of BT.2020 is near that of BT.709."""
    return BT601 if colours.matrix in (BT601, BT601 + 1) else BT709


def even(length: Fraction) -> int:
    """The nearest even number of pixels, the larger of two."""
    return max(2, 2 * int(length / 2 + Fraction(1, 2)))


def planes(frame: VideoFrame) -> Planes:
    """Views of the planes of a frame in 4:2:0, without the padding of their lines."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # type: ignore[call-overload]
        for plane in frame.planes
    ]


def joined(picture: Planes, panel: Planes, over: bool) -> VideoFrame:
    """One frame of a picture with a panel below it, or `over` its lower part."""
    from av.video.frame import VideoFrame

    (height, width), panel_height = picture[0].shape, panel[0].shape[0]
    frame = VideoFrame(width, height if over else height + panel_height, PIXELS)
    for target, above, below in zip(planes(frame), picture, panel, strict=True):
        target[: len(above)] = above
        part = target[len(target) - len(below) :]
        part[:] = blended(part, below) if over else below
    return frame


def blended(picture: np.ndarray, panel: np.ndarray) -> np.ndarray:
    """A panel over a picture, both uint8 `[H, W]`, in the panel's opacity."""
    weight = round(256 * OVER)
    return ((picture.astype(np.uint16) * (256 - weight) + panel.astype(np.uint16) * weight) >> 8).astype(np.uint8)
