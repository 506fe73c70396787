"""A line on standard error while numba compiles: once for each machine and version, later runs load from its cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from numba.core import event
from rich.console import Console


@contextmanager
def report_compilation(what: str, spinner: bool = True) -> Iterator[None]:
    """Report when code is compiled within this block; nothing is printed if all of it comes from the cache.

    Without `spinner` it is a line on a terminal, too, which goes well with a bar there.
    """
    message = f"compiling {what}, once on this machine: a few seconds, longer on a busy one"
    with ExitStack() as stack, event.install_listener("numba:compile", _Reporter(message, stack if spinner else None)):
        yield


class _Reporter(event.Listener):
    """A spinner on a terminal, else one line, from the first compilation on."""

    def __init__(self, message: str, spinner: ExitStack | None):
        self._message, self._spinner, self._reported = message, spinner, False

    def on_start(self, event: Any) -> None:
        """A function is not in the cache."""
        if self._reported:
            return
        self._reported = True
        console = Console(stderr=True, markup=False, emoji=False)
        if console.is_terminal and self._spinner is not None:
            self._spinner.enter_context(console.status(self._message))
        else:
            console.print(self._message, soft_wrap=True, highlight=False)

    def on_end(self, event: Any) -> None:
        """A function is compiled; more may follow."""
