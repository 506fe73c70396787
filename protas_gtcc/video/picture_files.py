"""One picture of a video with its panel, as a PNG file for papers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from protas_gtcc.errors import InputError
from protas_gtcc.storage.atomic import replace_when_whole
from protas_gtcc.video.drawn import Draw, Drawn, MakeDraw, drawn
from protas_gtcc.video.frames import Decoded
from protas_gtcc.video.opening import open_video
from protas_gtcc.video.planes import rgb


def write_picture(path: Path, video: Path, make_draw: MakeDraw, seconds: Fraction, over: bool = False) -> None:
    """Write the picture that is shown `seconds` after the first one to `path`, PNG. The video is decoded up to there.

    Raises `InputError` for a time that the video does not have, and as `drawn` and `replace_when_whole` do.
    """
    pixels = picture_at(video, make_draw, seconds, over)
    with replace_when_whole(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="png")


def picture_at(video: Path, make_draw: MakeDraw, seconds: Fraction, over: bool = False) -> np.ndarray:
    """The picture that is shown `seconds` after the first one, with its panel, RGB uint8 `[H, W, 3]`.

    Raises `InputError` for a time that the video does not have, and as `drawn` does.
    """
    held: list[Draw] = []

    def make(width: int, height: int) -> Draw:
        held.append(make_draw(width, height))
        return held[0]

    last: Drawn | None = None
    with open_video(video) as opened:
        for one in drawn(opened, Decoded(opened, 0), make, over):
            if one.start > seconds:
                break
            last = one
    assert last is not None or seconds < 0  # the first picture is at 0
    if last is None or seconds >= last.end:
        end = 0.0 if last is None else float(last.end)
        raise InputError(f"--at {float(seconds):g}: {video} has pictures from 0 to {end:.2f} s; give a time of these")
    pixels = rgb(last.frame, last.colours)
    if not over:  # as it was drawn, without the blur of video's colours
        panel = held[0](last.start)
        pixels[len(pixels) - len(panel) :] = panel
    return pixels
