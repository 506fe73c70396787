"""The camera above the table: where it looks, how it drifts, the light, focus and noise of its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from protas_gtcc.simulate.drawing import OVERSAMPLING, View
from protas_gtcc.simulate.rendering_config import RenderingConfig
from protas_gtcc.simulate.time_courses import correlated
from protas_gtcc.simulate.video_plan import VideoPlan

SEEN = (1.26, 0.98)
"""Width and height of the part of the table that is in every picture, in table units."""
_TEXTURE_PIXELS = 300
"""Of the table's surface, for a table unit."""
_TEXTURE_SIDE = 2.4
_NOISE_MARGIN = 64
_NEAREST = Image.Resampling.NEAREST


@dataclass(frozen=True)
class Shot:
    """The camera's settings at one frame."""

    view: View
    gains: tuple[float, ...]
    """Factors of red, green and blue."""
    blur_pixels: float
    noise_at: tuple[int, int]


class Camera:
    """The camera of one video; all of its courses are independent of what is seen."""

    def __init__(self, config: RenderingConfig, plan: VideoPlan) -> None:
        random = config.generator("camera", plan.number)
        self.width, self.height = plan.person.size
        self._plan, num_frames, fps = plan, plan.num_frames, float(plan.rate)
        slow = correlated(random, (num_frames, 4), 15 * fps) * (0.016, 0.016, 0.012, 0.012)
        fast = correlated(random, (num_frames, 4), 0.4 * fps) * (0.0015, 0.0015, 0.001, 0.001)
        self._drift = config.camera_drift * (slow + fast)
        light = correlated(random, (num_frames, 1), 20 * fps) * 0.09
        tint = random.normal(0, 0.04, 3) + 0.015 * correlated(random, (num_frames, 3), 20 * fps)
        self._gains = np.exp(config.light_change * (0.1 + light + tint + _lamp(random, num_frames, fps)))
        focus = correlated(random, (num_frames,), 2 * fps)
        self._blur = config.blur * np.clip(focus - 1.1, 0, 1.5) * self.height / 240
        self._noise_at = random.integers(0, _NOISE_MARGIN, size=(num_frames, 2))
        self._noise = _noise_tile(random, self.width, self.height, 3.0 * min(config.light_change, 3))
        self._vignette = _vignette(random, self.width, self.height, config.light_change)
        self._texture = _table_texture(random, plan.person.table)

    def shot(self, frame: int) -> Shot:
        """The camera's settings at a frame."""
        x, y, zoom, turn = self._drift[frame]
        pixels = OVERSAMPLING * min(self.width / SEEN[0], self.height / SEEN[1])
        person = self._plan.person
        factor = pixels * person.zoom * np.exp(zoom + 1j * (person.tilt + turn))
        centre = OVERSAMPLING * (self.width + 1j * self.height) / 2 + pixels * (x + 1j * y)
        view = View(complex(factor), complex(centre), person.left_handed)
        column, row = self._noise_at[frame]
        return Shot(view, tuple(self._gains[frame]), float(self._blur[frame]), (int(column), int(row)))

    def table(self, shot: Shot) -> Image.Image:
        """The surface of the table, at the size that is drawn."""
        # Taken at half that size, four times as fast; a pixel of it is a pixel of the picture.
        step = OVERSAMPLING * _TEXTURE_PIXELS / shot.view.zoom
        origin = _TEXTURE_PIXELS * (_TEXTURE_SIDE / 2 * (1 + 1j) - shot.view.shift / shot.view.zoom)
        data = (step.real, -step.imag, origin.real, step.imag, step.real, origin.imag)
        seen = self._texture.transform((self.width, self.height), Image.Transform.AFFINE, data, _NEAREST)
        return seen.resize((OVERSAMPLING * self.width, OVERSAMPLING * self.height), _NEAREST)

    def exposed(self, picture: Image.Image, shot: Shot) -> np.ndarray:
        """A picture under the light, through the lens and with noise: uint8 `[H, W, 3]`."""
        levels = np.arange(256)
        tables = [np.clip(np.round(gain * levels), 0, 255).astype(int) for gain in shot.gains]
        lit = ImageChops.multiply(picture.point(np.concatenate(tables).tolist()), self._vignette)
        if shot.blur_pixels > 0.05:
            lit = lit.filter(ImageFilter.BoxBlur(shot.blur_pixels))
        column, row = shot.noise_at
        noise = self._noise.crop((column, row, column + self.width, row + self.height))
        return np.asarray(ImageChops.add(lit, noise, 1, -128))


def _lamp(random: np.random.Generator, num_frames: int, fps: float) -> np.ndarray:
    """`[T, 1]`: a lamp that is switched about once a minute, in logarithms of light."""
    switched = random.random(num_frames) < 1 / (60 * fps)
    return np.where((np.cumsum(switched) + random.integers(2)) % 2, 0.0, -0.16)[:, None]


def _noise_tile(random: np.random.Generator, width: int, height: int, strength: float) -> Image.Image:
    """Noise around 128, a little larger than a picture: each frame takes another part of it."""
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    return Image.fromarray(np.clip(np.round(128 + strength * random.standard_normal(shape)), 0, 255).astype(np.uint8))


def _vignette(random: np.random.Generator, width: int, height: int, strength: float) -> Image.Image:
    """Darker corners, and light that comes from one side."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    angle = random.uniform(0, 2 * np.pi)
    light = 1 - strength * (0.10 * (x**2 + y**2) + 0.08 * (1 + np.cos(angle) * x + np.sin(angle) * y))
    grey = np.clip(255 * light, 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))


def _table_texture(random: np.random.Generator, colour: tuple[int, ...]) -> Image.Image:
    """Planks with a grain, `_TEXTURE_SIDE` table units wide and high."""
    side = round(_TEXTURE_PIXELS * _TEXTURE_SIDE)
    grain = correlated(random, (side, side), 40.0).T * 0.02 + random.standard_normal((side, 1)) * 0.015
    plank = np.arange(side) * 7 // side
    shades = 1 + 0.05 * random.standard_normal(7)[plank][:, None] + grain
    shades[np.flatnonzero(np.diff(plank))] *= 0.7
    return Image.fromarray(np.clip(shades[:, :, None] * colour, 0, 255).astype(np.uint8))
