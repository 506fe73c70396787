"""Drawing with smooth edges: discs, polygons and lines on a picture of twice the size, which is halved at the end.

Points are complex numbers, x + iy in table units: x to the right, y towards the person. So a factor exp(i angle) turns
a shape, and one complex factor holds the rotation and the zoom of a camera.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, ...]
"""Red, green and blue from 0 to 255; a fourth number is the opacity."""
Points = Sequence[complex] | np.ndarray
OVERSAMPLING = 2
"""Pixels drawn for each pixel of the picture, along each side."""


@dataclass(frozen=True)
class View:
    """Where the camera sees the table: pixel = zoom * point + shift."""

    zoom: complex
    """Pixels for each table unit; its angle is the camera's rotation."""
    shift: complex
    """The pixel of the table's centre."""
    mirrored: bool = False
    """Whether left and right are exchanged before."""

    def to_pixel(self, point: complex) -> complex:
        """One point of the table -> its pixel."""
        return self.zoom * (complex(-point.real, point.imag) if self.mirrored else point) + self.shift

    def to_pixels(self, points: Points) -> np.ndarray:
        """Points of the table -> complex pixels `[N]`."""
        table = np.asarray(points, dtype=np.complex128)
        return self.zoom * (-table.conj() if self.mirrored else table) + self.shift


class Canvas:
    """A picture in the making; every method draws over what is there."""

    def __init__(self, background: Image.Image, view: View) -> None:
        self.image = background
        self.view = view
        self._pixels_per_unit = abs(view.zoom)
        self._solid = ImageDraw.Draw(background)
        self._glass = ImageDraw.Draw(background, "RGBA")

    def disc(self, centre: complex, radius: float, colour: Colour) -> None:
        """A filled disc; nothing where it is smaller than a pixel."""
        pixel = self.view.to_pixel(centre)
        size = radius * self._pixels_per_unit
        # Pillow fills the pixels at both ends of the box.
        box = (pixel.real - size, pixel.imag - size, pixel.real + size - 1, pixel.imag + size - 1)
        if size < 0.5:
            return
        self._draw(colour).ellipse(box, fill=colour)

    def polygon(self, points: Points, colour: Colour) -> None:
        """A filled polygon."""
        self._draw(colour).polygon(self._flat(points), fill=colour)

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """A line with round ends and corners."""
        pixels = max(1, round(width * self._pixels_per_unit))
        self._draw(colour).line(self._flat(points), fill=colour, width=pixels)
        if pixels > 2 and len(colour) == 3:
            for point in points:
                self.disc(complex(point), width / 2, colour)

    def shadow(self, points: Points, offset: complex = 0.008 + 0.012j) -> None:
        """The soft shadow of a polygon, on what is below it."""
        self.polygon(np.asarray(points) + offset, (20, 15, 10, 70))

    def halved(self) -> Image.Image:
        """The picture in its own size."""
        return self.image.reduce(OVERSAMPLING)

    def _draw(self, colour: Colour) -> ImageDraw.ImageDraw:
        return self._glass if len(colour) == 4 else self._solid

    def _flat(self, points: Points) -> list[float]:
        return self.view.to_pixels(points).view(np.float64).tolist()


@functools.lru_cache(maxsize=1024)
def rectangle(width: float, height: float, turn: float = 0.0) -> np.ndarray:
    """The corners `[4]` of a rectangle around 0, turned by an angle in radians."""
    corners = np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j])
    return (corners.real * width / 2 + 1j * corners.imag * height / 2) * np.exp(1j * turn)


@functools.lru_cache(maxsize=1024)
def ellipse(width: float, height: float, turn: float = 0.0, corners: int = 24) -> np.ndarray:
    """The outline `[corners]` of an ellipse around 0."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return (np.cos(angles) * width / 2 + 1j * np.sin(angles) * height / 2) * np.exp(1j * turn)


@functools.lru_cache(maxsize=1024)
def rounded(width: float, height: float, radius: float) -> np.ndarray:
    """The outline of a rectangle around 0 with round corners."""
    outline = ellipse(2 * radius, 2 * radius, np.pi / 24)
    return outline + np.sign(outline.real) * (width / 2 - radius) + 1j * np.sign(outline.imag) * (height / 2 - radius)


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter."""
    return tuple(int(min(255, max(0, round(part * factor)))) for part in colour[:3]) + colour[3:]


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two: `share` 0 is `one`, 1 is `other`."""
    return tuple(round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
