"""The messages of every `InputError` in a module, read from its source."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

BLANK = "…"
"""Stands for what is put into a message."""

Names = Mapping[str, list[ast.expr]]


def messages(path: Path) -> list[str]:
    """The messages of a module in its order, one for each way that a conditional part can turn out.

    A name stands for the texts that it was given since the error before, a function of the module for what it returns.
    A message without a word of its own only passes on another one and is left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    scopes: dict[ast.AST, ast.AST] = {}
    for scope in (tree, *functions):
        scopes |= dict.fromkeys(ast.walk(scope), scope)  # inner functions come last
    errors = [node for node in scopes if isinstance(node, ast.Call) and _called(node) == "InputError" and node.args]
    module, found, before = _Texts(functions, _given(tree.body)), list[str](), 0
    for error in sorted(errors, key=lambda node: node.lineno):
        found += module.within(scopes[error], before, error.lineno).of(error.args[0])
        before = error.lineno
    plain = (re.sub(f"{BLANK}+", BLANK, text) for text in found)
    return [text for text in dict.fromkeys(plain) if any(letter.isalpha() for letter in text)]


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _given(nodes: Iterable[ast.AST], start: int = 0, end: int | None = None) -> dict[str, list[ast.expr]]:
    """Name -> what it is given from line `start` to `end`; where that is nothing, what it was given last before."""
    given: dict[str, list[ast.expr]] = {}
    assignments = [node for node in nodes if isinstance(node, ast.Assign) and (end is None or node.lineno < end)]
    for node in sorted(assignments, key=lambda node: node.lineno):
        pairs = [(node.targets[0], node.value)]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for target, value in pairs:
            if isinstance(target, ast.Name) and not (isinstance(value, ast.Constant) and value.value == ""):
                earlier = [one for one in given.get(target.id, []) if one.lineno >= start]
                given[target.id] = [*earlier, value]
    return given


class _Texts:
    """What expressions can say, with … for what is no text of the module."""

    def __init__(self, functions: Iterable[ast.FunctionDef], names: Names):
        self.functions, self.names = {one.name: one for one in functions}, names

    def within(self, scope: ast.AST, start: int, end: int) -> _Texts:
        """The same for a line of a function: its own names come first, and its parameters are no texts."""
        arguments = scope.args if isinstance(scope, ast.FunctionDef) else None
        parameters = {one.arg: list[ast.expr]() for one in (arguments.args + arguments.kwonlyargs if arguments else [])}
        return _Texts(self.functions.values(), {**self.names, **_given(ast.walk(scope), start, end), **parameters})

    def of(self, node: ast.expr) -> list[str]:
        """All texts that an expression can be."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right])
            case ast.IfExp(body=body, orelse=other):
                return [*self.of(body), *self.of(other)]
            case ast.FormattedValue(value=ast.Name() as value):
                return self.of(value)
            case ast.Name(id=name) if self.names.get(name):
                # A name within its own text would go on for ever.
                rest = _Texts(self.functions.values(), {**self.names, name: []})
                return [text for value in self.names[name] for text in rest.of(value)]
            case ast.Call() if _called(node) in self.functions:
                return self._returned(self.functions[_called(node)])
            case _:
                return [BLANK]

    def _joined(self, parts: list[ast.expr]) -> list[str]:
        return ["".join(texts) for texts in itertools.product(*map(self.of, parts))]

    def _returned(self, function: ast.FunctionDef) -> list[str]:
        texts: list[str] = []
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                texts += self.within(function, 0, node.lineno).of(node.value)
        return texts
