"""Check the shapes and types of every call into the package while the tests run.

jaxtyping's own pytest plugin checks the same, but it makes each start several seconds longer. It prepares the check of
every function at import. While a module of the package loads, it also compiles the libraries that the module imports.
Here a check is prepared at the first call of its function, and modules load from their ordinary bytecode.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

import torch
from beartype import beartype
from jaxtyping import jaxtyped


def install(package: str) -> None:
    """Check all modules of `package` that are imported from now on."""
    if package in sys.modules:
        raise RuntimeError(f"{package} was imported before its checks were installed")
    sys.meta_path.insert(0, _Finder(package))


class _Finder(MetaPathFinder):
    """Finds modules like the finders after it, and replaces their loader."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != self.package:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Replaces the functions and methods of a module that has been executed."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _check_members(module, vars(module), self.path)


def _check_members(owner: Any, members: Any, path: str) -> None:
    """Replace the members that are functions of the file at `path`; classes in place."""
    for name, member in list(members.items()):
        if inspect.isclass(member) and member.__module__ == members.get("__name__", members.get("__module__")):
            _check_members(member, vars(member), path)
            if dataclasses.is_dataclass(member) and isinstance(member.__init__, FunctionType):
                prepare = functools.partial(_resolve_fields, member, member.__init__)
                member.__init__ = _checked(member.__init__, prepare)  # type: ignore[method-assign]
        elif isinstance(member, (staticmethod, classmethod)) and _written_in(path, member.__func__):
            setattr(owner, name, type(member)(_checked(member.__func__)))
        elif isinstance(member, property) and _written_in(path, member.fget):
            setattr(owner, name, property(_checked(member.fget), member.fset, member.fdel, member.__doc__))
        elif _written_in(path, member):
            setattr(owner, name, _checked(member))


def _written_in(path: str, member: object) -> bool:
    return isinstance(member, FunctionType) and member.__code__.co_filename == path and not _left_alone(member)


def _left_alone(function: FunctionType) -> bool:
    """numba compiles from the function itself; a wrapper would hide that a function is asynchronous."""
    return getattr(function, "__no_type_check__", False) or inspect.iscoroutinefunction(function)


def _checked(function: Any, prepare: Callable[[], object] = lambda: None) -> Callable[..., Any]:
    """The function with its arguments and result checked; the check is made, after `prepare`, at the first call."""
    check: Callable[..., Any] | None = None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal check
        if torch.compiler.is_compiling():  # it cannot follow the checks
            return function(*args, **kwargs)
        if check is None:
            _import_types(function.__globals__)
            prepare()
            check = jaxtyped(function, typechecker=beartype) if _has_shapes(function) else beartype(function)
        return check(*args, **kwargs)

    return call


def _resolve_fields(owner: type, init: Any) -> None:
    """Replace the names of types of a dataclass's fields by the types; a base class may stand in another module."""
    for base in owner.__mro__:
        _import_types(vars(sys.modules[base.__module__]))
    hints = get_type_hints(owner, include_extras=True)
    init.__annotations__ = {name: hints.get(name, hint) for name, hint in init.__annotations__.items()}


def _has_shapes(function: FunctionType) -> bool:
    """Whether an annotation names a type with a shape; without one, beartype alone is enough and faster."""
    text = " ".join(map(str, function.__annotations__.values()))
    named = [text, *(repr(function.__globals__.get(word)) for word in re.findall(r"\w+", text))]
    return any("jaxtyping" in name for name in named)


def _import_types(names: dict[str, Any]) -> None:
    """Run a module's imports under `if TYPE_CHECKING:`, once; annotations need them."""
    if not names.pop("TYPE_CHECKING", True):
        for statement in ast.parse(inspect.getsource(sys.modules[names["__name__"]])).body:
            if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
                exec(compile(ast.Module(statement.body, []), names["__file__"], "exec"), names)
