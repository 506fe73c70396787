"""Names that files and folders are made of: of videos, feature sets and splits."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from protas_gtcc.errors import InputError

LONGEST_NAME, LONGEST_PATH = 250, 2000
"""Bytes. File systems take names of 255 bytes, endings included, and paths of 4,096."""
LONGEST_WORD = 230
"""Bytes of the name of a feature set or a split: a shard has the name of its set, and two numbers after it."""


def require_video_names(names: Iterable[str], where: object = "") -> None:
    """Raise `InputError` unless each name is a relative path, such as `person1/tea`: files are named by it.

    The message begins with `where` the names are from, if it is given.
    """
    begin = f"{where}: " if where else ""
    for name in names:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts) or not is_text(name):
            expected = "it must be a relative path of UTF-8 characters without control characters, '.' and '..'"
            raise InputError(f"{begin}{name!r} cannot be the name of a video: {expected}; rename it")
        if len(name.encode()) > LONGEST_PATH or max(len(part.encode()) for part in parts) > LONGEST_NAME:
            expected = f"at most {LONGEST_PATH} bytes are allowed, {LONGEST_NAME} from one '/' to the next"
            raise InputError(f"{begin}{name!r} cannot be the name of a video: {expected}; rename it")


def require_plain_name(name: str, what: str) -> None:
    """Raise `InputError` unless the name of a feature set or a split is a plain word: folders are named by it."""
    if "/" in name or name in ("", ".", "..") or not is_text(name):
        raise InputError(f"{name!r} cannot be the name of a {what}: it must be a plain word; rename it")
    if len(name.encode()) > LONGEST_WORD:
        what = f"{name[:40]}… cannot be the name of a {what}: it has {len(name.encode())} bytes"
        raise InputError(f"{what}; give one of at most {LONGEST_WORD}")


def is_text(name: str) -> bool:
    """Whether it has no control characters, which end lines and command terminals, and no bytes that are not UTF-8.

    Python keeps such bytes as surrogates.
    """
    # What is printable has neither, and is tested in an instant.
    return name.isprintable() or not any(unicodedata.category(one) in ("Cc", "Cs") for one in name)
