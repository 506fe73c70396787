"""Typed configurations as YAML and as nested mappings, each value checked when it is read."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from protas_gtcc.errors import InputError

T = TypeVar("T")


def to_yaml(config: Any) -> str:
    """Write a configuration as YAML, sections as nested mappings."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def from_yaml(text: str, where: str, cls: type[T]) -> T:
    """Read what `to_yaml` wrote. Raises `InputError` for an unknown field or a value of the wrong type."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {' '.join(str(error).split())}; correct it") from error
    return from_dict(cls, content, where)


def from_dict(cls: type[T], content: Any, where: str) -> T:
    """Build a configuration of class `cls` from nested mappings; error messages begin with `where`."""
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected fields of {cls.__name__}, found {content!r}")
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(content) - set(known))
    if unknown:
        way_out = "another version of protas_gtcc wrote it: train again, or use that version"
        raise InputError(f"{where}: unknown field {unknown[0]!r}; {way_out}")
    values, hints = dict(content), get_type_hints(cls)
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            values[name] = from_dict(hints[name], value, f"{where}: {name}")
        else:
            values[name] = _checked(name, value, known[name].default, hints[name], where)
    return cls(**values)


def _checked(name: str, value: Any, default: Any, hint: Any, where: str) -> Any:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if choices and value not in choices:
        raise InputError(f"{where}: {name} is {value!r}; it is one of {', '.join(choices)}")
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, int | float | str) and type(value) is not type(default):
        raise InputError(f"{where}: {name} is {value!r}, expected a {type(default).__name__}")
    return value
