"""A video with its panel as a GIF, for pages and slides: without sound, at most 10 pictures a second, small."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.video.drawn import Drawn, MakeDraw, drawn
from protas_gtcc.video.frames import Decoded
from protas_gtcc.video.opening import open_video
from protas_gtcc.video.planes import rgb
from protas_gtcc.video.rewriting import OnSeconds, Rewritten
from protas_gtcc.video.timeline import repeated

APART = Fraction(1, 10)
"""Seconds from one picture to the next, at least."""
WIDEST = 480
"""Pixels. GIF compresses little: a wider one takes many MB a second."""
TICK = Fraction(1, 100)
"""Of GIF, in seconds."""
COLOURS = 256
SAMPLES, SAMPLE_SIDE = 12, 96
"""Pictures from all over the video that the colours are chosen from, and the pixels of their sides."""
FAINT = 0.6
"""How much white is in faint colours."""


def write_gif(
    path: Path, video: Path, make_draw: MakeDraw, over: bool, kept: Sequence[str], on_seconds: OnSeconds
) -> Rewritten:
    """Write `video` with its panel to `path`, GIF. All pictures have the same colours: those `kept`, and the video's.

    Colours that changed from picture to picture would flicker, and take space. The video is decoded twice. Raises as
    `rewriting.rewrite` does.
    """
    import av

    with (
        open_video(video) as opened,
        replace_when_whole(path) as temporary,
        av.open(str(temporary), "w", format="gif") as container,
    ):
        stream: Any = container.add_stream("gif", rate=round(1 / APART))
        stream.pix_fmt, stream.codec_context.time_base = "pal8", TICK
        decoded, palette = Decoded(opened, 0), None
        num_pictures, due, end = 0, Fraction(0), Fraction(0)
        for one in drawn(opened, decoded, make_draw, over, WIDEST):
            end = one.end
            on_seconds(float(end), max(float(end), opened.about_seconds or 0.0))
            if one.start < due:
                continue
            picture = Image.fromarray(rgb(one.frame, one.colours))
            if palette is None:
                palette = _palette([*_sampled(video), np.asarray(picture)], kept)
                stream.width, stream.height = picture.size
            container.mux(stream.encode(_frame(picture.quantize(palette=palette, dither=Image.Dither.NONE), one)))
            num_pictures, due = num_pictures + 1, (one.start // APART + 1) * APART
        container.mux(stream.encode())
        return Rewritten(num_pictures, float(end), (stream.width, stream.height), "gif", decoded.notes())


def _sampled(path: Path) -> list[np.ndarray]:
    """Small pictures from all over a video, RGB `[H, W, 3]`: the first one alone may be black."""
    with open_video(path) as video:
        rate = Fraction(SAMPLES) / Fraction(video.about_seconds or SAMPLES)
        pictures = repeated(Decoded(video, 0), rate, video.tick)
        return [frame.reformat(SAMPLE_SIDE, SAMPLE_SIDE, "rgb24").to_ndarray() for frame, _ in pictures]


def _palette(pictures: Sequence[np.ndarray], kept: Sequence[str]) -> Image.Image:
    """An image whose palette has the colours `kept`, full and faint, and those that are nearest to the pictures'."""
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    # By coverage, small things keep their colours as well; by frequency, a small blue thing would become grey.
    method = Image.Quantize.MAXCOVERAGE
    full = np.array([ImageColor.getrgb(colour) for colour in kept])
    fixed = np.concatenate([full, np.round(FAINT * 255 + (1 - FAINT) * full)]).astype(np.uint8)
    own = Image.fromarray(pixels[None]).quantize(COLOURS - len(fixed), method, kmeans=3).getpalette() or []
    image = Image.new("P", (1, 1))
    image.putpalette(bytes(own[: 3 * (COLOURS - len(fixed))]) + fixed.tobytes())
    return image


def _frame(picture: Image.Image, one: Drawn) -> Any:
    """A frame of indices into the picture's palette."""
    from av.video.frame import VideoFrame

    colours = np.frombuffer(picture.palette.tobytes(), np.uint8).reshape(-1, 3)  # type: ignore[union-attr]
    palette = np.full((COLOURS, 4), 255, np.uint8)  # opacity, red, green, blue
    palette[: len(colours), 1:] = colours
    frame = VideoFrame.from_ndarray((np.asarray(picture), palette), format="pal8")  # type: ignore[arg-type]
    frame.pts, frame.time_base = int(one.start / TICK), TICK
    return frame
