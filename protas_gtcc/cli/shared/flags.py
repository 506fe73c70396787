"""The fields of a dataclass as flags: what each takes, its default, and its name in the help.

`Positional[T]` marks an argument without a flag, `Repeated[T]` a tuple whose flag is given once for each value. `File`,
`Folder` and `Text` are types whose name in the help does not follow from the Python type.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """The name of a value in the help."""

    metavar: str


Positional: TypeAlias = Annotated[T, "positional"]
Repeated: TypeAlias = Annotated[T, "repeated"]
File: TypeAlias = Annotated[Path, Shown("FILE")]
Folder: TypeAlias = Annotated[Path, Shown("FOLDER")]
Text: TypeAlias = Annotated[str, Shown("TEXT")]

METAVARS = {int: "N", float: "NUMBER", str: "NAME", Path: "PATH"}
METAVARS_BY_LAST_WORD = {"seconds": "SECONDS", "frames": "N", "pattern": "PATTERN"}
EXPECTED = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Flag:
    """One field of a parser: its type taken apart."""

    name: str
    kind: Any
    """Type of one value: `int`, `float`, `str`, `Path`, `bool`, a `Literal` or a dataclass."""
    default: Any
    """`dataclasses.MISSING` where a value is required."""
    is_tuple: bool
    marks: tuple[Any, ...]

    @property
    def is_group(self) -> bool:
        """Whether it is a dataclass of flags."""
        return dataclasses.is_dataclass(self.kind)

    @property
    def default_group(self) -> Any:
        """The instance that gives a group its defaults; None for the class's own."""
        return None if self.default is dataclasses.MISSING else self.default

    @property
    def metavar(self) -> str:
        """The name of a value in the help."""
        if "positional" in self.marks:
            return self.name.upper()
        shown = [mark.metavar for mark in self.marks if isinstance(mark, Shown)]
        if shown:
            return shown[0]
        if get_origin(self.kind) is Literal:
            return "|".join(map(str, get_args(self.kind)))
        return METAVARS_BY_LAST_WORD.get(self.name.split("_")[-1]) or METAVARS[self.kind]

    @property
    def option(self) -> str:
        """`--name-of-the-field`."""
        return f"--{self.name.replace('_', '-')}"

    def convert(self, word: str) -> Any:
        """The value that a word on the command line stands for."""
        if get_origin(self.kind) is Literal:
            choices = {str(choice): choice for choice in get_args(self.kind)}
            if word not in choices:
                raise argparse.ArgumentTypeError(f"expected {' or '.join(choices)}, found {word!r}")
            return choices[word]
        try:
            return self.kind(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"expected {EXPECTED[self.kind]}, found {word!r}") from error


def flags_of(kind: type, default: Any = None) -> Iterator[Flag]:
    """The fields of a parser, in order; their defaults are those of the instance `default`, if one is given."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        marks, one, is_tuple = _taken_apart(hints[field.name])
        if default is not None:
            value = getattr(default, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            value = field.default
        yield Flag(field.name, one, value, is_tuple, marks)


def _taken_apart(hint: Any) -> tuple[tuple[Any, ...], Any, bool]:
    """Marks, type of one value, whether there may be several: of `Positional[tuple[File, ...]]` and the like."""
    if get_origin(hint) is Annotated:
        marks, one, is_tuple = _taken_apart(get_args(hint)[0])
        return (*hint.__metadata__, *marks), one, is_tuple
    if get_origin(hint) in (Union, types.UnionType):
        (given,) = (one for one in get_args(hint) if one is not type(None))
        return _taken_apart(given)
    if get_origin(hint) is tuple:
        marks, one, _ = _taken_apart(get_args(hint)[0])
        return marks, one, True
    return (), hint, False
