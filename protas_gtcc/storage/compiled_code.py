"""Compiled functions, kept in numba's cache where there is room for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numba


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
        _ignore_unreadable_index(dispatcher)
        return dispatcher

    return decorate


def _ignore_unreadable_index(dispatcher: Any) -> None:
    """Compile anew where the cache's index cannot be read.

    It names the classes of arguments. After an upgrade in place one of them may no longer exist, and numba reads the
    index before it finds out that the source is another one.
    """
    with suppress(AttributeError):  # another numba may name these differently
        file = dispatcher._cache._cache_file
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
