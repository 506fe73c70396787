"""Definitions of the detailed figures, one sentence and a unit each: for reports, tables and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protas_gtcc.metrics import breakdowns, certainty, curves, improvement, online

Definition = tuple[str, str]
"""Unit and meaning of a figure."""
DEFINITIONS: dict[str, Definition] = {
    **improvement.DEFINITIONS,
    **breakdowns.DEFINITIONS,
    **curves.DEFINITIONS,
    **online.DEFINITIONS,
    **certainty.DEFINITIONS,
}
"""By path in `metrics.json`, such as `curves.*.fall_share`; `*` stands for any one name."""


def definition_of(path: Sequence[str], definitions: Mapping[str, Definition] = DEFINITIONS) -> Definition | None:
    """Definition of the figure at a path such as ("curves", "oracle", "fall_share"); None if there is none."""
    for pattern, definition in definitions.items():
        names = pattern.split(".")
        if len(names) == len(path) and all(name in ("*", one) for name, one in zip(names, path, strict=True)):
            return definition
    return None
