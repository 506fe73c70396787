"""The files of test videos, as a report page names them: by an address, or with their content."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from protas_gtcc.errors import InputError, plural
from protas_gtcc.report.runs import EvaluatedRun
from protas_gtcc.video.naming import files_of, find_videos


def video_addresses(runs: Sequence[EvaluatedRun], folder: Path, page: Path, embed: bool = False) -> dict[str, str]:
    """The address of each test video that has a file in the folder, for the page at this path.

    Addresses are relative where they can be, so that page and videos may move together. With `embed`, they hold the
    files. Raises `InputError` if no video has a file, and as `find_videos` and `files_of` do.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.videos))
    files = files_of(names, find_videos([folder])[0])
    if not files:
        what = f"{folder} has no file of the {plural(len(names), 'test video')}, such as {names[0]!r}"
        raise InputError(f"{what}; give the folder that 'prepare --videos' had")
    return {name: _content(file.path) if embed else _address(file.path, page) for name, file in files.items()}


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
