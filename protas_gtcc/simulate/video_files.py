"""Writing pictures as a video file: H.264 where its encoder is there, else MPEG-4, in an .mp4."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from protas_gtcc.storage.atomic import replace_when_whole

_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "22"}, "mpeg4": {"qscale": "3", "flags": "+qscale"}}


def write_video(
    path: Path, pictures: Iterable[np.ndarray], size: tuple[int, int], rate: Fraction, comment: str, encoder: str
) -> None:
    """Encode pictures uint8 `[H, W, 3]` one by one; the file appears when it is whole.

    `size` is width and height, both even; `rate` is pictures per second; `comment` is kept in the file's metadata.
    Raises `InputError` if the file cannot be written.
    """
    import av

    with replace_when_whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["comment"] = comment
        stream: Any = container.add_stream(encoder, rate=rate, options=_OPTIONS[encoder])
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        # One thread: a picture is not kept waiting for others, so memory stays flat.
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def read_comment(path: Path) -> str | None:
    """The comment of a video file, "" if it has none or is no video; None where there is no such file."""
    import av

    if not path.exists():
        return None
    try:
        with av.open(str(path)) as container:
            return str(container.metadata.get("comment", ""))
    except (OSError, ValueError, av.FFmpegError):
        return ""
