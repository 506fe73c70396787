"""Compiled functions, kept in numba's cache where there is room for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
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
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            _note_once()
            return numba.njit(**options)(function)

    return decorate


@cache
def _note_once() -> None:
    message = "compiled code cannot be kept, so each process compiles anew; set NUMBA_CACHE_DIR to a folder to write to"
    logging.getLogger(__name__).warning(message)
