"""Doing the next work in a thread while this one is used: decoding beside the backbone, reading beside writing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LOOKS = 0.1
"""How often a thread whose items nobody takes looks whether it is still needed."""


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield `items`, of which up to `depth` are made ahead in a thread. What they raise is raised here.

    The thread ends with the iteration, however that ends.
    """
    done: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_make, args=(items, done, stop), daemon=True)
    thread.start()
    try:
        while True:
            item, error = done.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def _make(items: Iterable[T], done: queue.Queue[tuple[T | None, BaseException | None]], stop: threading.Event) -> None:
    iterator = iter(items)
    while not stop.is_set():
        try:
            made: tuple[T | None, BaseException | None] = next(iterator), None
        except BaseException as error:  # the end of the iteration, too: it is raised where the items are used
            made = None, error
        while not stop.is_set():
            try:
                done.put(made, timeout=SECONDS_BETWEEN_LOOKS)
                break
            except queue.Full:
                continue
        if made[1] is not None:
            return
    if hasattr(iterator, "close"):
        iterator.close()  # files that a generator holds are closed in its own thread
