"""Typed configurations as YAML. Apart from `configs`, since importing yaml takes 15 ms."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, TypeVar

import yaml

from protas_gtcc.errors import InputError
from protas_gtcc.storage.configs import from_dict

T = TypeVar("T")


def to_yaml(config: Any) -> str:
    """Write a configuration as YAML, sections as nested mappings."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def from_yaml(text: str, where: str, cls: type[T]) -> T:
    """Read what `to_yaml` wrote. Raises `InputError` for an unknown field or a value of the wrong type."""
    return from_dict(cls, read_yaml(text, where), where)


def read_yaml(text: str, where: str) -> Any:
    """Mappings, lists and values of YAML text. Raises `InputError` if it is none, or has aliases."""
    try:
        return yaml.load(text, _PlainLoader)
    except Exception as error:  # numbers, dates and depth have errors of their own
        raise InputError(f"{where} is not YAML: {' '.join(str(error).split())}; correct it") from error


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, a few of which stand for content without end, and names that come twice; 3e-4 is a number."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [one.value for one, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"it has {name!r} twice", None)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "it has an alias", None)
        return super().compose_node(parent, index)


# YAML 1.2 reads it so, PyYAML only with a point and a sign.
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
