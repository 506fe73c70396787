"""The settings of rendered videos."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from protas_gtcc.config import require_range
from protas_gtcc.errors import InputError
from protas_gtcc.simulate.config import SimulationConfig

_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")


@dataclass(frozen=True)
class RenderingFlags:
    """Settings of rendered videos; with --videos."""

    sizes: tuple[str, ...] = ("320x240", "426x240", "240x320")
    """Sizes of the pictures, WIDTHxHEIGHT in pixels; cameras of different people take turns."""
    rates: tuple[float, ...] = (15.0, 25.0, 30000 / 1001)
    """Frames per second of the videos; cameras of different people take turns."""
    label_rate: float = 10.0
    """Labels per second in groundTruth/: label i is that of the picture shown at time i / rate."""
    video_seconds: float = 50.0
    """About the mean length of a video."""
    still_share: float = 0.08
    """Share of the time in which the hands stand still, while progress by frame count goes on."""
    still_seconds: float = 1.0
    """Mean length of such a pause."""
    camera_drift: float = 1.0
    """Size of the camera's movement; 0 for a camera that stands still."""
    light_change: float = 1.0
    """Size of the changes of light, shades and noise; 0 for none."""
    blur: float = 1.0
    """How much the pictures are out of focus at times; 0 for never."""
    visitors_per_minute: float = 4.0
    """How often other people's hands, or a head, come into the picture."""

    def __post_init__(self) -> None:
        require_range(self, label_rate=(0.1, 1000), video_seconds=(10, 1e5), visitors_per_minute=(0, 60))
        require_range(self, camera_drift=(0, 10), light_change=(0, 10), blur=(0, 10), still_seconds=(0, 1e4))
        require_range(self, still_share=(0, 0.9))
        if not self.sizes or not self.rates:
            raise InputError("--sizes and --rates need one value at least; leave them out for the usual ones")
        for rate in self.rates:
            if not 1 <= rate <= 240:
                raise InputError(f"--rates has {rate}; it must be from 1 to 240")
        for size in self.picture_sizes:
            if min(size) < 32 or max(size) > 4096 or size[0] % 2 or size[1] % 2:
                shown = "x".join(map(str, size))
                raise InputError(f"--sizes has {shown}; sides must be even numbers from 32 to 4096")

    @property
    def picture_sizes(self) -> list[tuple[int, int]]:
        """Width and height of each size. Raises `InputError` for what is no size."""
        found = [(size, _SIZE.fullmatch(size)) for size in self.sizes]
        for size, match in found:
            if match is None:
                raise InputError(f"--sizes has {size!r}; write it as 320x240")
        return [(int(match[1]), int(match[2])) for _, match in found if match]

    @property
    def frame_rates(self) -> list[Fraction]:
        """The rates as fractions: 29.97 is 30000/1001."""
        return [as_fraction(rate) for rate in self.rates]


@dataclass(frozen=True)
class RenderingConfig(RenderingFlags):
    """All settings of rendered videos: the flags, and a `SimulationConfig` for people and seed."""

    procedures: SimulationConfig = field(default_factory=SimulationConfig)
    """Of this, only `people` and `seed` are used."""

    def generator(self, *key: str | int) -> np.random.Generator:
        """The random generator of one person, video or thing."""
        return self.procedures.generator("rendered", *key)


def as_fraction(rate: float) -> Fraction:
    """A rate as the fraction that is meant: 29.97 is 30000/1001."""
    whole = round(rate * 1001 / 1000)
    # Television's rates are known by two digits: 23.98, 29.97, 59.94.
    is_television = rate % 1 and abs(rate - whole * 1000 / 1001) < 0.005
    return Fraction(whole * 1000, 1001) if is_television else Fraction(rate).limit_denominator(1000)
