"""A dataclass is a parser (tyro): its fields are the flags, the text below a field is the flag's help.

`Positional[T]` marks an argument without a flag, `Repeated[T]` a tuple whose flag is given once for each value, `Rest`
the flags that are not the command's own. `Annotated[T, "TEXT"]`, as in `File`, names the value in the help. A nested
dataclass is a group of flags, without a prefix.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import io
import re
import shlex
import shutil
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from docstring_parser import parse_from_object
from tyro.conf import FlagCreatePairsOff, Positional
from tyro.conf import UseAppendAction as Repeated
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from protas_gtcc.cli.shared.console import wrong_usage
from protas_gtcc.config import MAY_CHANGE, File, Folder, RateOrTable, flat_settings, read_number
from protas_gtcc.errors import InputError, listed

__all__ = ["File", "Folder", "Positional", "RateOrTable", "Repeated", "Rest", "parse", "parse_resumable"]

T = TypeVar("T")
Rest: TypeAlias = Annotated[tuple[str, ...], tyro.conf.Fixed, tyro.conf.Suppress]

_OBJECT_STORAGE = re.compile(r"(?:--?[^=]+=)?((?:s3a?|gs|gcs|az|abfss?|adl|hdfs|hf|oss)://.*)", re.DOTALL)

METAVARS = {int: "N", float: "NUMBER", str: "NAME", Path: "PATH"}
FLAT = (tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone)
REGISTRY = ConstructorRegistry()


def parse(
    kind: type[T],
    arguments: Sequence[str],
    prog: str,
    description: str | None = None,
    default: T | None = None,
) -> T:
    """Build a `kind` from flags; fields without a flag have their value in `default`, or else their own default.

    Wrong usage exits with code 2. Raises what `kind` raises for values that do not fit.
    """
    _require_local(arguments)
    start: Any = tyro.MISSING_NONPROP if default is None else default
    _require_flag_for_each(kind, arguments, prog)
    text = _Description(description or kind.__doc__ or "")
    cli = functools.partial(
        tyro.cli, kind, args=arguments, prog=prog, description=text, default=start, config=FLAT, registry=REGISTRY
    )
    rest = [name for name, hint in _hints(kind).items() if hint == Rest]
    with _wrapped_usage() if {"-h", "--help"} & {*arguments} else nullcontext():
        if not rest:
            return cli()
        parsed, others = cli(return_unknown_args=True)
    return dataclasses.replace(parsed, **{rest[0]: tuple(others)})


def parse_resumable(
    kind: type[T],
    arguments: Sequence[str],
    prog: str,
    new: Callable[[Mapping[str, str]], Any],
    read: Callable[[Path], Any],
) -> T:
    """Parse flags on top of the settings of a run to resume, which `read` reads, or else of a `new` run.

    `kind` has the fields `config`, `out` and `resume`; all but `config` have defaults. `new` is given --preset,
    --dataset and --loss, where they are among the flags. Raises `InputError` if a resumed run would change.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--preset", "--dataset", "--loss", "--resume"):
        first.add_argument(flag, default=argparse.SUPPRESS)
    try:
        known = vars(first.parse_known_args(arguments)[0])
    except argparse.ArgumentError:
        known = {}  # parse reports what is wrong
    if arguments and not arguments[0].startswith("-"):
        wrong_usage(prog.split()[-1], f"every option has a name here; for a dataset, give --dataset {arguments[0]}")
    base = read(Path(known["resume"])) if "resume" in known else new(known)
    parsed: Any = parse(kind, arguments, prog, default=kind(base))  # type: ignore[call-arg]
    if parsed.resume is not None:
        _require_unchanged(base, parsed.config, parsed.out)
    return parsed


def _require_unchanged(base: Any, parsed: Any, out: Path | None) -> None:
    if out is not None:
        raise InputError("--out and --resume exclude each other: a resumed run stays in its directory; leave out --out")
    before, after = flat_settings(base), flat_settings(parsed)
    changed = [name for name in before if after[name] != before[name] and name not in MAY_CHANGE]
    if changed:
        flags = listed(f"--{name.replace('_', '-')} is {after[name]}, not {before[name]}" for name in changed)
        raise InputError(f"a resumed run keeps its settings; here, {flags}: leave that out, or start a new run")


def _require_local(arguments: Sequence[str]) -> None:
    """Raise `InputError` for what is in object storage: a path would lose its two slashes, and name something else."""
    for found in filter(None, map(_OBJECT_STORAGE.fullmatch, arguments)):
        why = "reading it would take several requests a video"
        raise InputError(f"{found[1]} is in object storage, and {why}; copy it to a disk, or mount the bucket")


def _require_flag_for_each(kind: Any, arguments: Sequence[str], prog: str) -> None:
    """Exit with the way out where a repeated flag has two of its choices; the second would be taken for a file."""
    for flag, choices in _repeated_choices(kind):
        for name, value, after in zip(arguments, arguments[1:], arguments[2:], strict=False):
            if name == flag and after in choices:
                way_out = shlex.join([flag, value, flag, after])
                wrong_usage(prog.split()[-1], f"{flag} takes one value; repeat it for each: {way_out}")


def _repeated_choices(kind: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The flags that are `Repeated` and have choices, groups of flags included, and these choices."""
    for name, hint in _hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from _repeated_choices(hint)
        elif get_origin(hint) is Annotated and Repeated in hint.__metadata__:
            value = get_args(get_args(hint)[0])[0]
            if get_origin(value) is Literal:
                yield f"--{name.replace('_', '-')}", get_args(value)


@contextmanager
def _wrapped_usage() -> Iterator[None]:
    """Wrap the usage line of the help between flags; tyro prints it whole, however narrow the terminal is."""
    content = io.BytesIO()
    # tyro looks at both to choose colours and lines.
    shown = io.TextIOWrapper(content, sys.stdout.encoding, sys.stdout.errors, write_through=True)
    shown.isatty = sys.stdout.isatty  # type: ignore[method-assign]
    try:
        with redirect_stdout(shown):
            yield
    finally:
        usage, newline, rest = content.getvalue().decode(shown.encoding).partition("\n")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", usage)
        whole_flags = re.sub(r"\[[^]]*\]", lambda flag: flag[0].replace(" ", "\xa0"), plain)
        wrapped = textwrap.fill(whole_flags, shutil.get_terminal_size().columns, subsequent_indent=" " * 7)
        print(wrapped.replace("\xa0", " "), rest, sep=newline, end="")


def _number(read: Callable[[str], Any], expected: str) -> Callable[[list[str]], Any]:
    """Reads a number; the error for another text says what was expected."""

    def read_first(words: list[str]) -> Any:
        try:
            return read(words[0])
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"expected {expected}, not {words[0]!r}") from None

    return read_first


def _number_or_path(read: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    def read_either(words: list[str]) -> Any:
        try:
            return read(words)
        except ValueError:
            return Path(words[0])

    return read_either


@REGISTRY.primitive_rule
def _numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A number, one that may be None, or one in place of which a file may stand; its error says what was expected."""
    kinds = [kind for kind in get_args(info.type) or (info.type,) if kind is not type(None)]
    if kinds not in ([int], [float], [float, Path]) or get_origin(info.type) not in (None, Union, types.UnionType):
        return None
    read = _number(int, "a whole number") if kinds == [int] else _number(read_number, "a number")
    if Path in kinds:
        read = _number_or_path(read)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=METAVARS[kinds[0]],
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, int | float | Path | None),
        str_from_instance=lambda value: [str(value)],
    )


@REGISTRY.primitive_rule
def _texts(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A text or a path that may be absent: the word None is a text like others, the name of a class or a folder."""
    plain = [get_args(one)[0] if get_origin(one) is Annotated else one for one in get_args(info.type)]
    kinds = [kind for kind in plain if kind is not type(None)]
    if kinds not in ([str], [Path]) or len(plain) != 2:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=METAVARS[kinds[0]],
        instance_from_str=lambda words: kinds[0](words[0]),
        is_instance=lambda value: value is None or isinstance(value, kinds[0]),
        str_from_instance=lambda value: [str(value)],
    )


@REGISTRY.struct_rule
def _flags(info: StructTypeInfo) -> StructConstructorSpec | None:
    """The fields of a dataclass as flags, with types and defaults that a person reads."""
    if not dataclasses.is_dataclass(info.type):
        return None
    texts, hints, fields = _field_texts(info.type), _hints(info.type), []
    for field in dataclasses.fields(info.type):
        hint = hints[field.name]
        given = dataclasses.is_dataclass(info.default)
        default = getattr(info.default, field.name) if given else _default(field)
        if not dataclasses.is_dataclass(hint):
            name = _metavar(field.name, hint)
            hint = Annotated[hint, tyro.conf.arg(metavar=name, help_behavior_hint=_default_text(default))]
            hint = Annotated[hint, FlagCreatePairsOff] if default is False else hint
        elif any(map(dataclasses.is_dataclass, _hints(hint).values())):
            hint = Annotated[hint, tyro.conf.arg(name="")]  # it only holds groups of flags
        fields.append(StructFieldSpec(field.name, hint, default, texts.get(field.name, "")))
    return StructConstructorSpec(info.type, tuple(fields))


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return tyro.MISSING if field.default is dataclasses.MISSING else field.default


def _default_text(default: Any) -> str | Callable[[str], str]:
    """`(default: 40)`, or nothing where the default is none, empty or off."""
    if default is True:
        return "(default: on)"
    is_shown = default not in (None, (), "", tyro.MISSING) and default is not False
    return (lambda shown: f"(default: {shown})") if is_shown else ""


def _field_texts(kind: type) -> dict[str, str]:
    """The text below each field, those of base classes included."""
    bases = [base for base in reversed(kind.__mro__) if dataclasses.is_dataclass(base)]
    return {one.arg_name: _plain(one.description or "") for base in bases for one in parse_from_object(base).params}


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


class _Description(str):
    """A docstring as paragraphs as wide as the terminal; tyro, which would join the lines, finds a single one."""

    def __new__(cls, docstring: str) -> _Description:
        width, paragraphs = shutil.get_terminal_size().columns, inspect.cleandoc(docstring).split("\n\n")
        return super().__new__(
            cls, "\n\n".join(textwrap.fill(_plain(text), width, break_on_hyphens=False) for text in paragraphs)
        )

    def split(self, *_: Any) -> list[str]:
        return [str(self)]


def _metavar(name: str, hint: Any) -> str | None:
    """The name of a value in the help: FILE, N, SECONDS, a|b."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Annotated:
        named = [mark for mark in hint.__metadata__ if isinstance(mark, str)]
        found = _metavar(name, get_args(inner[0])[0] if Repeated in hint.__metadata__ else inner[0])
        is_plain = Positional in hint.__metadata__ and found in METAVARS.values()
        return named[0] if named else name.upper() if is_plain else found
    if kind in (Union, types.UnionType):
        return _metavar(name, next(one for one in inner if one is not type(None)))
    if kind is tuple:
        return f"{_metavar(name, inner[0])} ..."
    if kind is Literal:
        return "|".join(map(str, inner))
    if hint is bool:
        return None
    return "SECONDS" if name.endswith("_seconds") else METAVARS[hint]
