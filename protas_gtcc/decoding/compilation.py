"""A line on standard error while numba compiles: once for each machine and version, later runs load from its cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event


@contextmanager
def report_compilation(what: str) -> Iterator[None]:
    """Report when code is compiled within this block; nothing is printed if all of it comes from the cache."""
    reporter = _Reporter(f"compiling {what}, once on this machine: a few seconds, longer on a busy one")
    with event.install_listener("numba:compile", reporter):
        try:
            yield
        finally:
            reporter.stop()


class _Reporter(event.Listener):
    """A spinner on a terminal, else one line, from the first compilation on."""

    def __init__(self, message: str):
        self._message, self._reported = message, False
        self._status: Any = None

    def on_start(self, event: Any) -> None:
        """A function is not in the cache."""
        if self._reported:
            return
        self._reported = True
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal:
            self._status = console.status(self._message)
            self._status.start()
        else:
            console.print(self._message, soft_wrap=True, highlight=False)

    def on_end(self, event: Any) -> None:
        """A function is compiled; more may follow."""

    def stop(self) -> None:
        """Remove the spinner."""
        if self._status is not None:
            self._status.stop()
