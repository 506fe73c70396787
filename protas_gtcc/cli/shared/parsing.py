"""Parsing with tyro: a dataclass is the parser, its field texts the help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from protas_gtcc.config import MAY_CHANGE, flat_settings
from protas_gtcc.errors import InputError, listed

T = TypeVar("T")


def parse(
    kind: type[T],
    arguments: Sequence[str],
    prog: str,
    description: str | None = None,
    default: T | None = None,
) -> T:
    """Build a `kind` from flags, without section names in them; wrong usage exits with code 2."""
    return tyro.cli(_flat(kind), args=arguments, prog=prog, description=description, **_given(default))


def parse_known(kind: type[T], arguments: Sequence[str], prog: str) -> tuple[T, list[str]]:
    """The same; flags that are not of `kind` are returned, for the runs that the command starts."""
    return tyro.cli(_flat(kind), args=arguments, prog=prog, return_unknown_args=True)


def parse_resumable(
    kind: type[T],
    arguments: Sequence[str],
    prog: str,
    description: str | None,
    new: Callable[[Mapping[str, str]], Any],
    read: Callable[[Path], Any],
) -> T:
    """Parse flags on top of the settings of a run to resume, which `read` reads, or else of a `new` run.

    `kind` has the fields `config`, `out` and `resume`; all but `config` have defaults. `new` is given --preset and
    --dataset, where they are among the flags. Raises `InputError` if a resumed run would change.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--preset", "--dataset", "--resume"):
        first.add_argument(flag, default=argparse.SUPPRESS)
    try:
        known = vars(first.parse_known_args(arguments)[0])
    except argparse.ArgumentError:
        known = {}  # tyro reports what is wrong
    base = read(Path(known["resume"])) if "resume" in known else new(known)
    parsed: Any = parse(kind, arguments, prog, description, kind(base))  # type: ignore[call-arg]
    if parsed.resume is not None:
        _require_unchanged(base, parsed.config, parsed.out)
    return parsed


def _require_unchanged(base: Any, parsed: Any, out: Path | None) -> None:
    if out is not None:
        raise InputError("--out and --resume exclude each other: a resumed run stays in its directory")
    before, after = flat_settings(base), flat_settings(parsed)
    changed = [name for name in before if after[name] != before[name] and name not in MAY_CHANGE]
    if changed:
        flags = listed(f"--{name.replace('_', '-')} is {after[name]}, not {before[name]}" for name in changed)
        raise InputError(f"a resumed run keeps its settings; here, {flags}: leave that out, or start a new run")


def _flat(kind: type[T]) -> Any:
    return tyro.conf.configure(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)(kind)


def _given(default: T | None) -> dict[str, T]:
    return {} if default is None else {"default": default}
