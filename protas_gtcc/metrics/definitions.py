"""Definitions of the detailed figures, one sentence and a unit each: for reports, tables and programs.

Paths are those of `metrics.json`, with dots; `*` stands for any one name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protas_gtcc.metrics import breakdowns, certainty, curves, improvement, online


@dataclass(frozen=True)
class Definition:
    """Unit and meaning of a figure."""

    unit: str
    sentence: str


DEFINITIONS = {
    path: Definition(*definition)
    for module in (improvement, breakdowns, curves, online, certainty)
    for path, definition in module.DEFINITIONS.items()
}
"""By path, such as `curves.*.fall_share`."""


def definition_of(*path: str) -> Definition | None:
    """Definition of the figure at a path such as ("curves", "oracle", "fall_share"); None if it has none here."""
    return find_definition(DEFINITIONS, path)


def find_definition(definitions: Mapping[str, Definition], path: Sequence[str]) -> Definition | None:
    """Definition whose pattern fits a figure's path; None if there is none."""
    for pattern, definition in definitions.items():
        names = pattern.split(".")
        if len(names) == len(path) and all(name in ("*", one) for name, one in zip(names, path, strict=True)):
            return definition
    return None
