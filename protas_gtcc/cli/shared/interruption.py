"""Signals that end a command: it always ends by them, whatever code they meet.

Python turns a signal into an exception in the main thread, wherever that is. In a callback of compiled code (numba,
HDF5, a weak reference), the exception is printed and forgotten, or becomes an error of that library. So the exception
is raised again until the command is being left, and the command is interrupted even if it ends with another error or
with none.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SECONDS_UNTIL_REPEATED = 0.2
WHOLE_VIDEOS_KEPT = "interrupted; whole videos are kept: the same command goes on"


@contextmanager
def interruption_prints(line: str) -> Iterator[None]:
    """While it is entered, an interruption ends the command with this line."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(line) from interruption


class Interruption:
    """While it is entered, SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, until one reaches the command's end.

    Signals that come while the command is being left are ignored: what is half-written is being removed.
    """

    signal: int | None = None
    """The first signal that came before the command's end."""
    _ended = False

    def __enter__(self) -> Interruption:
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")  # Windows has the first two only
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._hook, sys.unraisablehook = sys.unraisablehook, self._report_unless_interrupted
        self._before = {number: signal.signal(number, self._interrupt) for number in numbers}
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise `KeyboardInterrupt` if a signal came and the command did not end by it."""
        self._ended = True
        _repeat_after(0.0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook
        if self.signal is not None and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._ended:
            return
        if self.signal is None:
            self.signal = number
        is_being_left = _is_being_left() or _is_hook(frame)
        _repeat_after(SECONDS_UNTIL_REPEATED)
        if not is_being_left:
            raise KeyboardInterrupt

    def _report_unless_interrupted(self, unraisable: Any) -> None:
        if self.signal is None:
            self._hook(unraisable)


def _repeat_after(seconds: float) -> None:
    if hasattr(signal, "setitimer"):  # on Windows, the exception is raised once
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _is_hook(frame: FrameType | None) -> bool:
    """Whether the interrupted code is our hook, which Python has called for an exception of an earlier signal."""
    return frame is not None and frame.f_code.co_name == Interruption._report_unless_interrupted.__name__


def _is_being_left() -> bool:
    """Whether the interrupted code is a `finally` or an `except` that an interruption has led to."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
