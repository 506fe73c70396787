"""Pictures that a client sends, one JPEG a message -> features of its frames."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
from PIL import Image, ImageOps

from protas_gtcc.errors import InputError, lacks_package
from protas_gtcc.serve.gate import Refused
from protas_gtcc.streaming.streams import Stream
from protas_gtcc.video.backbones.base import Backbone
from protas_gtcc.video.features import PictureFeatures
from protas_gtcc.video.pictures import Squares

LARGEST_BYTES = 1 << 22
"""Of a message."""
LARGEST_PIXELS = 1 << 24
"""Of a picture, which takes three bytes a pixel in memory."""
MOST_SCANS = 32
"""Of a progressive JPEG, each of which goes over the whole picture; encoders write about ten. A scan may have 40 bytes.
"""
_SCAN = b"\xff\xda"
"""Where a scan begins; within one, no such bytes come."""


class ClientPictures:
    """The pictures of one client's stream, in order; its backbone sees windows of them, if it has any."""

    def __init__(self, backbone: Backbone, name: str):
        self._squares, self._features = Squares(backbone.size, Fraction(1)), PictureFeatures(backbone, name)

    @property
    def before(self) -> np.ndarray | None:
        """The pictures that the next windows begin with; None without windows."""
        return self._features.before

    def resume(self, stream: Stream) -> None:
        """Go on where a stream stands. Raises `Refused` if its state lacks the pictures that the backbone needs."""
        try:
            self._features.resume(stream.num_frames, stream.pictures)
        except InputError as error:
            raise Refused(str(error)) from error

    def features(self, message: bytes) -> np.ndarray:
        """The features, float16 `[1, D]`, of a JPEG. Raises `Refused` for what is none, or too large."""
        from av import VideoFrame

        frame = VideoFrame.from_ndarray(_pixels(message), format="rgb24")
        try:
            return self._features.of(self._squares.square(frame)[None])
        except (InputError, ValueError) as error:
            raise Refused(str(error)) from error


def require_decoder() -> None:
    """Raise `InputError` without the package `av`, which scales pictures as in videos."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise lacks_package("--pictures", error, "video") from error


def _pixels(message: bytes) -> np.ndarray:
    """The pixels of a JPEG, uint8 `[H, W, 3]`, upright."""
    if message.count(_SCAN) > MOST_SCANS:
        raise Refused(f"the picture has {message.count(_SCAN)} scans; at most {MOST_SCANS} are allowed")
    try:
        with Image.open(io.BytesIO(message), formats=["JPEG"]) as picture:
            width, height = picture.size
            if width * height <= LARGEST_PIXELS:
                return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except Exception as error:  # a message may be anything, and libraries have errors of their own for it
        raise Refused(f"{len(message)} bytes are not a whole JPEG; send one picture a message") from error
    raise Refused(f"the picture is {width} x {height}; at most {LARGEST_PIXELS:,} pixels are allowed")
