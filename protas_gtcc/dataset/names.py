"""Names of videos and feature sets: they are places inside the dataset file and folders of results."""

from __future__ import annotations

from protas_gtcc.errors import InputError


def require_video_name(name: str) -> None:
    """Raise `InputError` unless the name is a relative path, such as `person1/tea`."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        expected = "it must be a relative path without '.' and '..'"
        raise InputError(f"{name!r} cannot be the name of a video: {expected}; rename it")


def require_set_name(name: str) -> None:
    """Raise `InputError` unless the name is a plain word, such as `features`."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise InputError(f"{name!r} cannot be the name of a feature set: it must be a plain word; rename it")


def folders_of(video: str) -> list[str]:
    """The folders that a video's name passes through: `a` and `a/b` for the video `a/b/c`."""
    parts = video.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]
