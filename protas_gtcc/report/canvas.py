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
STRIPE = 0.1, 0.24
"""Where the stripe of a class begins and ends, as shares of the height of a box from its bottom."""
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

    def text(self, x: Place, y: Place, text: str, size: int, anchor: str = "mm", colour: str = "black") -> None:
        """Write a line; `anchor` as in Pillow: `lm` begins at x, `mm` is around it, `rm` ends there."""
        self.draw.text((x, y), drawable(text), colour, _font(text, size), anchor)

    def text_upwards(self, x: int, y: int, text: str, size: int) -> None:
        """Write a line from below to above, around (x, y)."""
        font, text = _font(text, size), drawable(text)
        mask = Image.new("L", (round(font.getlength(text)), 2 * size))
        ImageDraw.Draw(mask).text((mask.width / 2, size), text, 255, font, "mm")
        mask = mask.rotate(90, expand=True)
        self.image.paste("black", (x - mask.width // 2, y - mask.height // 2), mask)

    def box(self, box: Box, look: ClassLook) -> None:
        """Fill a box with the colour and the stripe of a class."""
        self.image.paste(look.fill, box)
        if look.stripe:
            left, top, right, bottom = box
            low, high = (round(bottom - share * (bottom - top)) for share in STRIPE)
            self.image.paste(look.stripe, (left, high, right, max(low, high + 1)))

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
