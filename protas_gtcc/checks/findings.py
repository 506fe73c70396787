"""One thing that is wrong, or worth knowing, about a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protas_gtcc.errors import InputError

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """`error`: it cannot be used like this; `warning`: it can, but results may mislead; `note`: worth knowing."""

    level: Level
    where: str
    """File, split, video, feature set or class."""
    what: str
    """What was expected and what is there."""
    way_out: str
    """What to do about it, "" where nothing need be done."""


def from_error(where: str, error: InputError) -> Finding:
    """What keeps something from being read, as an error; the message ends with its way out, after a semicolon."""
    what, semicolon, way_out = str(error).rpartition("; ")
    return Finding("error", where, what, way_out) if semicolon else Finding("error", where, way_out, "mend it")


def sorted_by_level(findings: list[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes, each in the order they were found."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
