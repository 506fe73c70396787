"""Parsing with tyro: a dataclass is the parser, its field texts the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import tyro

T = TypeVar("T")


def parse(
    kind: type[T],
    arguments: Sequence[str],
    prog: str,
    description: str | None = None,
    default: T | None = None,
) -> T:
    """Build a `kind` from flags, without section names in them; wrong usage exits with code 2."""
    flat = tyro.conf.configure(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)(kind)
    if default is None:
        return tyro.cli(flat, args=arguments, prog=prog, description=description)
    return tyro.cli(flat, args=arguments, prog=prog, description=description, default=default)
