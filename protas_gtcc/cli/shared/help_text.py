"""What `--help` prints: the texts below a dataclass's fields, wrapped to the screen, with types that a person reads."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protas_gtcc.cli.shared.flags import Flag


NO_BREAK = "\N{NO-BREAK SPACE}"


class Switch(argparse.Action):
    """`--name` and `--no-name`, of which the help shows what the default leaves to choose."""

    def __init__(self, option_strings: Sequence[str], dest: str, default_on: bool, **settings: Any):
        on = option_strings[0]
        super().__init__([on, f"--no-{on[2:]}"], dest, nargs=0, **settings)
        self.shown = f"--[no-]{on[2:]}" if default_on else on

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Set the field; argparse calls this."""
        setattr(namespace, self.dest, option_string == self.option_strings[0])


class HelpFormatter(argparse.HelpFormatter):
    """Flags with one short name for their value; paragraphs stay apart."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=26)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = ("\n".join(indent + line for line in self._split_lines(part, width)) for part in text.split("\n\n"))
        return "\n\n".join(parts)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    def format_help(self) -> str:
        """The whole text; a default stays on one line."""
        return super().format_help().replace(NO_BREAK, " ")

    def _format_args(self, action: argparse.Action, default_metavar: str | None) -> str:
        if action.nargs in ("*", "+"):
            return f"{action.metavar} ..."
        return super()._format_args(action, default_metavar or "")

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            return action.shown
        return super()._format_action_invocation(action)


def usage(prog: str, flags: Iterable[Flag]) -> str:
    """The usage line: what must be given, and that there are options."""
    words = [prog]
    for flag in flags:
        several = " ..." if flag.is_tuple else ""
        if "positional" in flag.marks:
            words.append(f"{flag.metavar}{several}")
        elif flag.default is dataclasses.MISSING:
            words.append(f"{flag.option} {flag.metavar}{several}")
    return " ".join([*words, "[OPTIONS]"])


def default_text(default: Any) -> str:
    """` (default: 40)`, or nothing where the default is none, empty or off."""
    if default is None or default is dataclasses.MISSING or default is False or default in ((), ""):
        return ""
    values = default if isinstance(default, tuple) else (default,)
    return f" (default:{NO_BREAK}{' '.join(map(_value_text, values))})"


def _value_text(value: Any) -> str:
    if value is True:
        return "on"
    return f"{value:g}" if isinstance(value, float) else str(value)


def paragraphs(text: str) -> str:
    """A docstring without its indentation and marks of code, each paragraph on one line."""
    parts = inspect.cleandoc(text).replace("`", "'").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts)


def field_texts(kind: type) -> dict[str, str]:
    """The text below each field of a dataclass, those of its bases included; read from the source."""
    texts: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if dataclasses.is_dataclass(one):
            texts |= _texts_of_class(one)
    return texts


def _texts_of_class(kind: type) -> dict[str, str]:
    module = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    (found,) = (node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    texts = {}
    for field, below in zip(found.body, found.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            texts[field.target.id] = paragraphs(str(below.value.value))
    return texts
