"""One decoded picture -> a square of pixels, upright, of one field where it is interlaced."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from protas_gtcc.errors import plural

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

SCALING = "shorter side by libswscale, bicubic; centre crop; upright"
"""What `Squares` does, for fingerprints: another text is another scaling."""
LONGEST_SHAPE = 20
"""Longer side over shorter side. Scaling the shorter side of longer pictures would fill the memory."""


class Squares:
    """Scales the shorter side of pictures to `size` pixels and crops the centre, in RGB.

    Pixels that are not square, rotation and mirroring are as a player shows them.
    """

    def __init__(self, size: int, pixel_width: Fraction):
        from av.video.reformatter import VideoReformatter

        self._size, self._pixel_width = size, pixel_width
        self._scaler = VideoReformatter()  # one for all pictures: making it takes as long as scaling
        self._fields, self._turns = Fields(), Turns()

    def square(self, frame: VideoFrame) -> np.ndarray:
        """The picture, uint8 `[size, size, 3]`. Raises `ValueError` for a shape that no video has."""
        width, height = self._scaled(frame)
        source = self._fields.one(frame) if frame.interlaced_frame else frame
        scaled = self._scaler.reformat(source, width, height, "rgb24", interpolation="BICUBIC").to_ndarray()
        left, top = (width - self._size) // 2, (height - self._size) // 2
        return self._turns.upright(scaled[top : top + self._size, left : left + self._size], frame)

    def _scaled(self, frame: VideoFrame) -> tuple[int, int]:
        width, height = frame.width * self._pixel_width, Fraction(frame.height)
        shorter = min(width, height)
        if max(width, height) > LONGEST_SHAPE * shorter:
            size = f"{plural(frame.width, 'pixel')} wide and {frame.height} high"
            raise ValueError(f"its pictures are {size}, and at most {LONGEST_SHAPE} to 1 is taken")
        return round(width * self._size / shorter), round(height * self._size / shorter)


class Fields:
    """Takes one field of interlaced pictures: half of the lines, of one moment.

    Two moments in one picture make combs of whatever moves.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def one(self, frame: VideoFrame) -> VideoFrame:
        """The upper field, half as high."""
        kind = frame.width, frame.height, frame.format.name
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._make(*kind), kind
        self._graph.push(frame)
        field: VideoFrame = self._graph.pull()  # type: ignore[assignment]
        return field

    def _make(self, width: int, height: int, pixels: str) -> Graph:
        from av.filter import Graph
        from av.video.format import VideoFormat

        graph = Graph()
        source = graph.add_buffer(width=width, height=height, format=VideoFormat(pixels), time_base=Fraction(1, 90_000))
        field, sink = graph.add("field", "type=top"), graph.add("buffersink")
        source.link_to(field)
        field.link_to(sink)
        graph.configure()
        return graph


class Turns:
    """Turns and mirrors pictures by quarters of a circle, as the display matrix of a video says."""

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._swap, self._down, self._across = False, 1, 1

    def swaps(self, frame: VideoFrame) -> bool:
        """Whether a frame's height becomes its width."""
        if frame.rotation != self._rotation:
            self._rotation = frame.rotation
            self._read(frame)
        return self._swap

    def upright(self, picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
        """The pixels `[H, W, 3]` of a frame, upright."""
        self.swaps(frame)
        return (picture.transpose(1, 0, 2) if self._swap else picture)[:: self._down, :: self._across]

    def _read(self, frame: VideoFrame) -> None:
        # Once for all frames: a frame whose data were read is in a circle of references, and stays in memory for long.
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        matrix = np.eye(3, dtype=np.int32).ravel() if data is None else np.frombuffer(bytes(data), dtype=np.int32)
        # A pixel at (x, y) is shown at (a x + c y, b x + d y).
        a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
        self._swap = abs(b) > abs(a)
        down, across = (b, c) if self._swap else (d, a)
        self._down, self._across = (-1 if down < 0 else 1), (-1 if across < 0 else 1)
