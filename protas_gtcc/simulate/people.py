"""People and their cameras: skin, sleeves, speed, habits; picture size, frame rate, place of the camera."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from protas_gtcc.simulate.drawing import Colour
from protas_gtcc.simulate.rendering_config import RenderingConfig

_SKINS: tuple[Colour, ...] = ((246, 212, 188), (231, 184, 150), (205, 150, 112), (164, 110, 76), (118, 76, 52))
_TABLES: tuple[Colour, ...] = ((176, 132, 88), (204, 186, 160), (126, 92, 66), (150, 156, 158), (188, 150, 120))


@dataclass(frozen=True)
class Person:
    """One person, the same in all of their videos."""

    number: int
    skin: Colour
    sleeve: Colour
    bracelet: Colour | None
    hand_size: float
    """Length of the hand in table units."""
    speed: float
    """Factor of the rate of all periodic motion."""
    reach: float
    """Factor of the size of all periodic motion."""
    left_handed: bool
    table: Colour
    size: tuple[int, int]
    """Width and height of their camera's pictures, in pixels."""
    rate: Fraction
    """Their camera's frames per second."""
    zoom: float
    tilt: float
    """Rotation of the camera, in radians."""


def make_person(config: RenderingConfig, number: int) -> Person:
    """Draw a person; the same number gives the same one."""
    random = config.generator("person", number)
    # Sizes and rates take turns, so that few people already have several of each.
    size = config.picture_sizes[number % len(config.picture_sizes)]
    rate = config.frame_rates[(2 * number + number // 3) % len(config.frame_rates)]
    return Person(
        number=number,
        skin=_SKINS[int(random.integers(len(_SKINS)))],
        sleeve=_vivid(random),
        bracelet=_vivid(random) if random.random() < 0.4 else None,
        hand_size=float(random.uniform(0.105, 0.13)),
        speed=float(np.exp(0.2 * random.standard_normal())),
        reach=float(random.uniform(0.75, 1.2)),
        left_handed=bool(random.random() < 0.12),
        table=_TABLES[int(random.integers(len(_TABLES)))],
        size=size,
        rate=rate,
        zoom=float(random.uniform(0.98, 1.06)),
        tilt=float(random.normal(0, 0.02)),
    )


def _vivid(random: np.random.Generator) -> Colour:
    hue, strength, light = random.random(), random.uniform(0.35, 0.9), random.uniform(0.25, 0.85)
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, strength, light))
