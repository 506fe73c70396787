"""The screen that commands print on."""

import sys

from rich.console import Console

PLAIN_WIDTH = 80
"""Columns where the output is not a terminal: the tables fit."""


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal, or of a fixed width for pipes and files."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, quiet=quiet, width=None if stream.isatty() else PLAIN_WIDTH)
