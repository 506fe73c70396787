"""`Format`: what each module of a format gives to the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.annotations.files.options import AnnotationOptions
from protas_gtcc.annotations.files.timed import Annotation, AnnotationFile, WriteFacts
from protas_gtcc.errors import InputError

_HEAD = 8192

Reader = Callable[[Path, str, AnnotationOptions], AnnotationFile]
"""Reads a file; the name of its video, where the file has none, is given."""
Writer = Callable[[Path, Sequence[Annotation], WriteFacts], None]


@dataclass(frozen=True)
class Format:
    """One format of annotation files."""

    name: str
    """For --to and --format."""
    title: str
    endings: tuple[str, ...]
    """In lower case; files that are written have the first one."""
    read: Reader
    """Raises `InputError` for what is wrong in a file."""
    write: Writer | None
    """Writes annotations without overlaps in one step; None for a format that is read only."""
    is_it: Callable[[str], bool] = lambda head: True
    """Whether a file that begins so is of this format, if its ending fits."""
    one_video: bool = True
    """A file has one video; else it may have many."""
    has_tiers: bool = False
    """A file may have several annotations of a video."""
    require: Callable[[], object] = lambda: None
    """Raises `InputError` if a package is missing."""
    usual_stem: str = "annotations"
    """Of the name of a file with many videos."""
    beside: tuple[str, ...] = ()
    """Endings of the files that are written beside each one."""
    folder: str = ""
    """Where the files of videos are, in a folder that is written."""
    shared: tuple[str, Writer] | None = None
    """Name of a file for all videos of a folder that is written, and what writes it."""


def head_of(path: Path) -> str:
    """The first characters of a file, whatever its encoding is. Raises `InputError` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check that it is there and readable") from error
