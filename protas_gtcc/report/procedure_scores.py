"""The main figures of procedures in metrics.json: a few lines for the screen, and what tables of runs list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from protas_gtcc.metrics.procedure_alarms import ALL
from protas_gtcc.metrics.procedure_lookups import AFTER_LAST
from protas_gtcc.report.figures import Form, bounds_at, form, share, value_at, with_interval

LEFT = "time left, min"
LOOKUP = "look-up's time left, min"
NEXT = "next step, top 1"
AMONG_THREE = "next step, top 3"
DONE = "done list, F1"
FALSE_ALARMS = "false alarms an hour"
NAMED = "wrong steps named"
_TWO = form("z.2f")
FIGURES: dict[str, tuple[str, Form]] = {
    LEFT: ("procedure.time_left.error_minutes", _TWO),
    LOOKUP: (f"procedure.lookups.{AFTER_LAST}.time_left.error_minutes", _TWO),
    NEXT: ("procedure.next_step.at_starts.top_1", share),
    AMONG_THREE: ("procedure.next_step.at_starts.top_3", share),
    DONE: ("procedure.done.f1", _TWO),
    FALSE_ALARMS: (f"procedure.alarms.{ALL}.false_per_hour", _TWO),
    NAMED: (f"procedure.alarms.{ALL}.recall", share),
}
"""By label the path of each figure, and how it is written. The look-up is given the true steps so far."""


def sentences(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What the figures mean, with intervals; nothing for a run that does not follow procedures."""
    procedure = metrics.get("procedure")
    if procedure is None:
        return
    texts = {label: _text(metrics, label) for label in FIGURES}
    lookup = f"; look-up, given the true steps: {texts[LOOKUP]} min" if procedure["lookups"] else ""
    yield f"Procedure: the time left is off by {texts[LEFT]} min on average{lookup}."
    yield f"Next step, before it starts: likeliest {texts[NEXT]}, among three {texts[AMONG_THREE]}."
    yield f"Done list: F1 {texts[DONE]}. Alarms: {_alarms(procedure, texts)}."


def _alarms(procedure: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    if procedure["alarms"] is None:
        return "none are raised"
    of_all = procedure["alarms"][ALL]
    named = f", {of_all['num_hits']} of {of_all['num_wrong']} wrong steps named" if of_all["num_wrong"] else ""
    return f"{texts[FALSE_ALARMS]} false ones an hour (budget {procedure['budget_per_hour']:g}){named}"


def _text(metrics: Mapping[str, Any], label: str) -> str:
    path, own = FIGURES[label]
    text = with_interval(value_at(metrics, path), bounds_at(metrics, path), own)
    return text.replace(" %", "%")  # else a line may break there
