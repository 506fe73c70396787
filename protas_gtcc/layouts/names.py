"""One name in two Unicode forms: `é` is one character, or `e` and an accent. Programs and file systems choose."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection


def composed(name: str) -> str:
    """The name in the one form (NFC) in which names are compared."""
    return unicodedata.normalize("NFC", name)


def find_videos_called(video: str, known: Collection[str]) -> list[str]:
    """The known names that a video may mean: that name, or else those of that name in a folder, as `anna/tea`."""
    same = find_name(video, known)
    if same is not None:
        return [same]
    return [one for one in known if composed(one.rpartition("/")[2]) == composed(video)]


def find_name(name: str, known: Collection[str]) -> str | None:
    """The known name that is meant: the same one, else the only one that differs in its Unicode form alone."""
    if name in known:
        return name
    if name.isascii():
        return None
    alike = [one for one in known if composed(one) == composed(name)]
    return alike[0] if len(alike) == 1 else None
