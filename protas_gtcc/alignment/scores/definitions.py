"""Definitions of the figures of `score_alignment`, one sentence and a unit each."""

from __future__ import annotations

from protas_gtcc.alignment.scores import enclosed_area, order, probes, procedure_progress
from protas_gtcc.metrics.definitions import Definition, find_definition

DEFINITIONS = {
    path: Definition(*definition)
    for module in (order, enclosed_area, probes, procedure_progress)
    for path, definition in module.DEFINITIONS.items()
}
"""By path, such as `phase_classification.*.accuracy`."""


def definition_of(*path: str) -> Definition | None:
    """Definition of the figure at a path such as ("phase_classification", "10", "accuracy"); None if it has none."""
    return find_definition(DEFINITIONS, path)
