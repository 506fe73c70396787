"""Compiled functions, kept in numba's cache where there is room for one.

They assign numbers in loops, not rows to rows (`a[t] = b`): for the errors of such an assignment, when shapes differ,
numba compiles code for strings, some 2 s for each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numba

REORDERED = {"reassoc", "contract"}
"""For `fastmath`: sums may be taken in any order, so that several terms are added at once."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As `numba.njit` with a cache on disk, or without one where no folder for it can be written.

    That is so for a read-only installation without a home folder: numba then refuses the function when its module is
    imported.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            dispatcher = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            _note_once()
            return numba.njit(**options)(function)
        with suppress(AttributeError):  # another numba may name these differently
            _refine(dispatcher._cache._cache_file, function, type(dispatcher))
        return dispatcher

    return decorate


def _refine(file: Any, function: Callable[..., Any], kind: type) -> None:
    """Compile anew in two more cases than numba does, which compares the source file of a function alone.

    Its code contains that of the functions that it calls, so those that its module imports count too. And an index
    that cannot be read counts as none: it names the classes of arguments, which after an upgrade in place may no longer
    exist, and numba reads it before it compares sources.
    """
    imported: list[Any] = [
        one for one in function.__globals__.values() if isinstance(one, kind) and one.__module__ != function.__module__
    ]
    file._source_stamp = file._source_stamp, *sorted({one._cache._cache_file._source_stamp for one in imported})
    load = file._load_index

    def load_or_begin_anew() -> Any:
        try:
            return load()
        except Exception:  # whatever unpickling raises
            return {}

    file._load_index = load_or_begin_anew


@cache
def _note_once() -> None:
    message = "compiled code cannot be kept, so each process compiles anew; set NUMBA_CACHE_DIR to a folder to write to"
    logging.getLogger(__name__).warning(message)
