"""A dataclass is a parser: its fields are the flags, the text below a field is the flag's help.

A nested dataclass is a group of flags, without a prefix. Only argparse is imported, so that `--help` is fast.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from protas_gtcc.cli.shared.flags import Flag, flags_of
from protas_gtcc.cli.shared.help_text import HelpFormatter, Switch, default_text, field_texts, paragraphs, usage
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
    """Build a `kind` from flags; fields without a flag have their value in `default`, or else their own default.

    Wrong usage exits with code 2 and one line on standard error. Raises what `kind` raises for values that do not fit.
    """
    parser = _parser(kind, arguments, prog, description, default)
    values, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        parser.refuse_unknown(unknown[0])
    return _build(kind, vars(values), default)


def parse_known(
    kind: type[T], arguments: Sequence[str], prog: str, description: str | None = None
) -> tuple[T, list[str]]:
    """As `parse`; flags that are not of `kind` are returned, for the runs that the command starts."""
    values, unknown = _parser(kind, arguments, prog, description, None).parse_known_intermixed_args(arguments)
    return _build(kind, vars(values), None), unknown


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
        known = {}  # parse reports what is wrong
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def refuse_unknown(self, word: str) -> NoReturn:
        """Exit with the closest flag's name."""
        known = [option for action in self._actions for option in action.option_strings]
        close = difflib.get_close_matches(word.split("=")[0], known, 1)
        kind = "flag" if word.startswith("-") else "argument"
        self.error(f"unknown {kind} {word}{f', did you mean {close[0]}?' if close else ''}")


def _parser(kind: type, arguments: Sequence[str], prog: str, description: str | None, default: Any) -> _Parser:
    is_help = "-h" in arguments or "--help" in arguments
    parser = _Parser(
        prog,
        usage(prog, _leaves(kind, default)),
        paragraphs(description or kind.__doc__ or ""),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    _add(parser, parser, kind, default, field_texts if is_help else lambda _: {})
    return parser


def _leaves(kind: type, default: Any) -> Iterator[Flag]:
    for flag in flags_of(kind, default):
        if flag.is_group:
            yield from _leaves(flag.kind, flag.default_group)
        else:
            yield flag


def _add(
    parser: _Parser,
    group: argparse._ActionsContainer,
    kind: type,
    default: Any,
    texts_of: Callable[[type], dict[str, str]],
) -> None:
    texts = texts_of(kind)
    for flag in flags_of(kind, default):
        if not flag.is_group:
            _add_flag(group, flag, texts.get(flag.name, ""))
            continue
        inner = group
        # A dataclass of groups, as RunConfig is, needs no heading of its own.
        if not any(one.is_group for one in flags_of(flag.kind, flag.default_group)):
            inner = parser.add_argument_group(flag.name.replace("_", " "), paragraphs(flag.kind.__doc__ or ""))
        _add(parser, inner, flag.kind, flag.default_group, texts_of)


def _add_flag(group: argparse._ActionsContainer, flag: Flag, text: str) -> None:
    help_text = f"{text}{default_text(flag.default)}".replace("%", "%%")
    if flag.kind is bool:
        group.add_argument(flag.option, action=Switch, default_on=flag.default is not False, help=help_text)
        return
    settings: dict[str, Any] = {"type": flag.convert, "metavar": flag.metavar, "help": help_text}
    required = flag.default is dataclasses.MISSING
    if "positional" in flag.marks:
        nargs = ("+" if required else "*") if flag.is_tuple else (None if required else "?")
        group.add_argument(flag.name, nargs=nargs, **settings)
    elif "repeated" in flag.marks:
        group.add_argument(flag.option, action="append", required=required, **settings)
    else:
        group.add_argument(flag.option, nargs="*" if flag.is_tuple else None, required=required, **settings)


def _build(kind: type[T], values: dict[str, Any], default: T | None) -> T:
    given: dict[str, Any] = {}
    for flag in flags_of(kind, default):
        if flag.is_group:
            given[flag.name] = _build(flag.kind, values, flag.default_group)
        elif flag.name in values:
            value = values[flag.name]
            given[flag.name] = tuple(value) if flag.is_tuple else value
    return kind(**given) if default is None else dataclasses.replace(default, **given)  # type: ignore[type-var]
