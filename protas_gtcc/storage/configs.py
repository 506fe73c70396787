"""Typed configurations as nested mappings, each value checked when it is read."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from protas_gtcc.errors import InputError

T = TypeVar("T")


def from_dict(cls: type[T], content: Any, where: str) -> T:
    """Build a configuration of class `cls` from nested mappings; error messages begin with `where`."""
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected fields of {cls.__name__}, found {content!r}")
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = [name for name in content if name not in known]
    if unknown:
        way_out = "another version of protas_gtcc wrote it: train again, or use that version"
        raise InputError(f"{where}: unknown field {unknown[0]!r}; {way_out}")
    needed = [
        name
        for name, one in known.items()
        if one.default is one.default_factory is dataclasses.MISSING and name not in content
    ]
    if needed:
        raise InputError(f"{where} lacks {needed[0]}; write it again")
    values, hints = dict(content), get_type_hints(cls)
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            values[name] = from_dict(hints[name], value, f"{where}: {name}")
            continue
        if get_origin(hints[name]) is list and isinstance(value, list):
            kind = get_args(hints[name])[0]
            is_nested = dataclasses.is_dataclass(kind)
            value = [from_dict(kind, one, f"{where}: {name}") for one in value] if is_nested else value
        values[name] = _checked(name, value, hints[name], where)
    return cls(**values)


def _checked(name: str, value: Any, hint: Any, where: str) -> Any:
    kinds = _kinds(hint)
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices and not any(_fits(value, kind) for kind in kinds):
        raise InputError(f"{where}: {name} is {value!r}; it is one of {', '.join(map(str, choices))}")
    if not any(_fits(value, kind) for kind in kinds):
        expected = " or ".join(getattr(kind, "__name__", "list") for kind in kinds if kind is not types.NoneType)
        raise InputError(f"{where}: {name} is {value!r}, expected a {expected}")
    return float(value) if type(value) is int and float in kinds and int not in kinds else value


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(one, get_args(kind)[0]) for one in value)
    if kind is float:
        return type(value) is float or (type(value) is int and abs(value) < 1e300)
    return kind is types.NoneType if value is None else type(value) is kind
