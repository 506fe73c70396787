"""A white page to draw on in pixels, with Pillow: text, boxes in the look of a class, areas under curves.

A picture takes a tenth of the time that it takes in matplotlib, which spends it on ticks and text; the pictures of
curves with few points are matplotlib's. Pixels are counted from the left and from the top. A box is
(left, top, right, bottom), the last two not included.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from protas_gtcc.report.colours import ClassLook
from protas_gtcc.report.fonts import drawable, font_for
from protas_gtcc.storage.atomic import replace_when_whole

Place = int | float
Box = tuple[int, int, int, int]
SMALL, MEDIUM, NORMAL, LARGE = 12, 14, 15, 18
"""Heights of text."""
DIAGONAL, STRAIGHT, TILE = 12, 8, 24
"""Pixels after which hatches repeat themselves: diagonal and other ones, and all of them."""
THIN, DOT = 0.6, 1.5
"""Half the width of lines in hatches, and the radius of dots."""
COMPRESSION = 3
"""Of PNG, from 0 to 9: beyond 3, pictures take 10 % less space and up to 6 times as long."""


class Canvas:
    """A picture that is being drawn."""

    def __init__(self, width: int, height: int):
        self._set(Image.new("RGB", (width, height), "white"))

    def copy(self) -> Canvas:
        """Another one that begins with what is drawn on this one."""
        other = Canvas.__new__(Canvas)
        other._set(self.image.copy())
        return other

    def _set(self, image: Image.Image) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)

    def text(
        self, x: Place, y: Place, text: str, size: int, anchor: str = "mm", colour: str = "black", ground: str = ""
    ) -> None:
        """Write a line; `anchor` as in Pillow: `lm` begins at x, `mm` is around it, `rm` ends there. On a hatch, text
        needs ground of its own."""
        font, text = _font(text, size), drawable(text)
        if ground:
            left, top, right, bottom = self.draw.textbbox((x, y), text, font, anchor)
            self.draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), ground)
        self.draw.text((x, y), text, colour, font, anchor)

    def text_upwards(self, x: int, y: int, text: str, size: int) -> None:
        """Write a line from below to above, around (x, y)."""
        font, text = _font(text, size), drawable(text)
        mask = Image.new("L", (round(font.getlength(text)), 2 * size))
        ImageDraw.Draw(mask).text((mask.width / 2, size), text, 255, font, "mm")
        mask = mask.rotate(90, expand=True)
        self.image.paste("black", (x - mask.width // 2, y - mask.height // 2), mask)

    def box(self, box: Box, look: ClassLook) -> None:
        """Fill a box with the colour and the hatch of a class."""
        self.image.paste(look.fill, box)
        if look.hatch:
            left, top, right, bottom = box
            rows, columns = np.arange(top, bottom) % TILE, np.arange(left, right) % TILE
            self.image.paste("white", box, Image.fromarray(_hatch(look.hatch)[np.ix_(rows, columns)]))

    def area(self, box: Box, low: np.ndarray, high: np.ndarray, colour: str, opacity: float = 1.0) -> None:
        """Fill each column of a box from `low` to `high`, `[width]`, in pixels above the bottom of the box."""
        pixel = np.arange(box[3] - box[1], dtype=np.float32)[::-1, None]
        low, high = low.astype(np.float32), high.astype(np.float32)
        covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1)
        mask = (255 * opacity * covered).astype(np.uint8)
        self.image.paste(colour, box, Image.fromarray(mask))

    def save(self, path: Path | str) -> None:
        """Write the picture, PNG, in one step."""
        with replace_when_whole(path) as temporary:
            self.image.save(temporary, format="png", compress_level=COMPRESSION)


def text_width(text: str, size: int) -> float:
    """Width of a line of text."""
    return _font(text, size).getlength(drawable(text))


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    return _opened(font_for(text), size)


@cache
def _opened(font: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), size)


@cache
def _hatch(hatch: str) -> np.ndarray:
    """The white part of a hatch, 0 to 255, `[TILE, TILE]`; it is repeated over a picture. Names are matplotlib's."""
    y, x = np.mgrid[:TILE, :TILE]
    rising, falling = _off(x + y, DIAGONAL) / 2**0.5, _off(x - y, DIAGONAL) / 2**0.5
    across, along = _off(y, STRAIGHT), _off(x, STRAIGHT)
    centre = np.hypot(across, along)
    marks = {
        "/": THIN - rising,
        "\\": THIN - falling,
        "x": THIN - np.minimum(rising, falling),
        "-": THIN - across,
        "|": THIN - along,
        "+": THIN - np.minimum(across, along),
        ".": DOT - centre,
        "o": THIN - abs(centre - 2 * DOT),
        "*": 2 * DOT - centre,
    }
    inside = np.max([marks[mark] for mark in set(hatch)], axis=0)
    return np.round(255 * np.clip(inside + 0.5, 0, 1)).astype(np.uint8)


def _off(place: np.ndarray, period: int) -> np.ndarray:
    """Distance to the nearest multiple of a period."""
    return abs((place + period / 2) % period - period / 2)
