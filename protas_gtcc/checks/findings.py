"""One thing that is wrong with a dataset, or worth knowing, and how findings are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from protas_gtcc.errors import plural

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """`error`: the data cannot be used; `warning`: something is missing, or may mislead; `note`: a fact to know."""

    level: Level
    where: str
    """File, split, video, feature set or class."""
    what: str
    """What was expected and what is there."""
    way_out: str
    """What to do about it, "" if nothing need be done."""


def from_message(level: Level, where: str, message: str) -> Finding:
    """A finding from a message that ends with its way out, after a semicolon."""
    what, semicolon, way_out = message.rpartition("; ")
    return Finding(level, where, what, way_out) if semicolon else Finding(level, where, message, "")


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence on whether the source can be used: `not usable as it is: 2 errors, 1 warning, 3 notes`."""
    counts = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    listed = ", ".join(plural(number, level) for level, number in counts.items())
    if counts["error"]:
        return f"not usable as it is: {listed}"
    return f"usable, but see the warnings: {listed}" if counts["warning"] else f"nothing is wrong: {listed}"


def shown(finding: Finding, source: str, width: int = 80) -> str:
    """A finding in lines of at most `width` characters. The place is left out if it is `source`, the whole dataset."""
    place = "" if finding.where.startswith(source) else f"{finding.where}: "
    text = f"{finding.level:<9}{place}{finding.what}{'; ' if finding.way_out else ''}{finding.way_out}"
    return textwrap.fill(text, width, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)
