"""Signals that wait while a library must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let SIGINT, SIGTERM, SIGHUP and SIGALRM wait until the block ends, for a moment at most: a terminal waits too.

    In other threads than the main one nothing is done: Python handles no signal there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")  # Windows has the first two only
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
