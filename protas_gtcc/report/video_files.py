"""The files of test videos, as a report page names them: by an address, or with their content; and their clocks."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from protas_gtcc.errors import InputError, plural
from protas_gtcc.report.runs import EvaluatedRun
from protas_gtcc.video.frames import Decoded
from protas_gtcc.video.naming import files_of, find_videos
from protas_gtcc.video.opening import BrokenVideo, open_video


class PlayedFile(NamedTuple):
    """The file of a video, as a browser plays it."""

    address: str
    start_seconds: float
    """When its first picture is shown, by the clock of browsers; labels count from there."""


def played_files(runs: Sequence[EvaluatedRun], folder: Path, page: Path, embed: bool = False) -> dict[str, PlayedFile]:
    """Each test video that has a file in the folder, for the page at this path.

    Addresses are relative where they can be, so that page and videos may move together. With `embed`, they hold the
    files. Raises `InputError` if no video has a file, and as `find_videos`, `files_of` and `start_of_pictures` do.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.videos))
    files = files_of(names, find_videos([folder])[0])
    if not files:
        what = f"{folder} has no file of the {plural(len(names), 'test video')}, such as {names[0]!r}"
        raise InputError(f"{what}; give the folder that 'prepare --videos' had")
    return {
        name: PlayedFile(
            _content(file.path) if embed else _address(file.path, page), float(start_of_pictures(file.path))
        )
        for name, file in files.items()
    }


def start_of_pictures(file: Path) -> Fraction:
    """The time of the first picture that can be decoded, in seconds, as the file has it; 0 of a file without one.

    Browsers count so, while other players count from the beginning of the sound if that is earlier. A file that cannot
    be decoded has its line where the browser fails. Raises `InputError` without the package `av`.
    """
    try:
        with open_video(file) as video:
            frame, _ = next(iter(Decoded(video, threads=1)))
            return max(Fraction(0), (frame.pts or 0) * video.tick)
    except BrokenVideo:
        return Fraction(0)


def _address(file: Path, page: Path) -> str:
    try:
        # As browsers do it, without regard to links.
        relative = os.path.relpath(file, page.parent)
    except ValueError:  # another drive of Windows
        return file.resolve().as_uri()
    return quote(Path(relative).as_posix())


def _content(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "video/mp4"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
