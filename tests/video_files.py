"""Small video files for tests, rendered on the spot: picture k is of one grey, `grey(k)`, unless pixels are given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av", reason="decoding needs the package av: pip install -e '.[video]'")

TICK = Fraction(1, 1000)


def grey(number: int) -> int:
    """The grey of a picture, from 0 to 255: of neighbours, they differ by more than a codec changes."""
    return 20 + 6 * number


def numbers(pictures: np.ndarray) -> list[int]:
    """Which picture each of the frames `[T, H, W, 3]` shows."""
    return np.rint((pictures.reshape(len(pictures), -1).mean(axis=1) - 20) / 6).astype(int).tolist()


def plain(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Picture `number`, uint8 `[H, W, 3]`."""
    return np.full((height, width, 3), grey(number), np.uint8)


def write_video(
    path: Path,
    pts: Sequence[int] = tuple(range(0, 1000, 100)),
    pictures: Sequence[np.ndarray] | None = None,
    tick: Fraction = TICK,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int | None = None,
    mirrored: bool = False,
    pixel_width: Fraction | None = None,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    interlaced: bool = False,
    sound: bool | str = False,
) -> Path:
    """Write a video whose pictures are shown at `pts` ticks, each until the next; the last one as long as the first.

    `sound` is a second of silence, or its codec.
    """
    pictures = [plain(number) for number in range(len(pts))] if pictures is None else pictures
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 1 / ((pts[1] - pts[0]) * tick) if len(pts) > 1 else Fraction(25)
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2] if pictures else (48, 64)
        stream.pix_fmt, stream.codec_context.time_base, stream.time_base = pixels, tick, tick
        stream.codec_context.thread_count = 1
        if pixel_width is not None:
            stream.codec_context.sample_aspect_ratio = pixel_width
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if interlaced:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        if sound:
            _add_sound(container, sound if isinstance(sound, str) else "aac")
        for picture, time in zip(pictures, pts, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = time, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def film(path: Path, num_pictures: int = 80, seed: int = 0, step: int = 100, **options: Any) -> Path:
    """A video of colours that change now and then, a picture every `step` milliseconds."""
    colours = np.random.default_rng(seed).integers(0, 255, (num_pictures // 8 + 1, 3))
    pictures = [np.broadcast_to(colours[k // 8], (48, 64, 3)).astype(np.uint8) for k in range(num_pictures)]
    return write_video(path, range(0, step * num_pictures, step), pictures, **options)


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        _add_sound(container)
    return path


def _add_sound(container: Any, codec: str = "aac") -> None:
    stream = container.add_stream(codec, rate=48_000)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48_000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


def shown_at(pts: Sequence[int], fps: float, tick: Fraction = TICK, last: int | None = None) -> list[int]:
    """The slow, obvious twin: which picture is shown at each time i / fps, seconds from the first picture."""
    times = [(one - pts[0]) * tick for one in pts]
    end = times[-1] + (last * tick if last is not None else times[1] - times[0])
    found, frame = [], 0
    while (time := Fraction(frame) / Fraction(fps).limit_denominator(10_000)) < end:
        found.append(max(number for number, one in enumerate(times) if one <= time))
        frame += 1
    return found
