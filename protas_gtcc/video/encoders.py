"""The encoder that videos are written with: H.264 where FFmpeg has it, else MPEG-4."""

from __future__ import annotations

from typing import Any

from protas_gtcc.errors import InputError, lacks_package, listed

ENCODERS = ("libx264", "mpeg4")
"""FFmpeg's names, the best one first."""


def find_encoder() -> str:
    """The best encoder that is there. Raises `InputError` without one, and without the package `av`."""
    try:
        import av
    except ImportError as error:
        raise lacks_package("writing videos", error, "video") from error
    codec: Any = av.Codec
    for name in ENCODERS:
        try:
            codec(name, "w")
        except ValueError:
            continue
        return name
    raise InputError(f"PyAV {av.__version__} has none of the encoders {listed(ENCODERS)}; install its wheel again")
