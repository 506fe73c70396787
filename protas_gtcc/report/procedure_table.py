"""The tables of scored procedures, in Markdown: times and steps, alarms by budget, and kinds of mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protas_gtcc.metrics.procedure_lookups import AFTER_LAST, TOTAL
from protas_gtcc.procedure.alarms import rounded_up
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.report.figures import Form, at, form, line, rule, share, with_interval

_TWO = form("z.2f")
_SECONDS = form("z.0f")
ROWS: dict[str, tuple[str, Form]] = {
    "time left, min": ("time_left.error_minutes", _TWO),
    "… last 5 min": ("time_left.last_5_error_minutes", _TWO),
    "… last 30 min": ("time_left.last_30_error_minutes", _TWO),
    **{f"… tenth {n + 1}": (f"time_left.tenth.{n / 10:.1f}-{(n + 1) / 10:.1f}.error_minutes", _TWO) for n in range(10)},
    "… inside the interval": ("time_left.interval_coverage", share),
    "next step, top 1": ("next_step.at_starts.top_1", share),
    "next step, top 3": ("next_step.at_starts.top_3", share),
    "… over frames, top 1": ("next_step.over_frames.top_1", share),
    "… over frames, top 3": ("next_step.over_frames.top_3", share),
    "next start, s": ("next_step.error_seconds", _SECONDS),
    "done list, F1": ("done.f1", _TWO),
    "… delay, s": ("done.delay_seconds", _SECONDS),
    "… order (POS)": ("done.pos", _TWO),
}
"""Head of each row: path of its figure, and how it is written."""
ALARMS: dict[str, tuple[str, Form]] = {
    "recall": ("recall", share),
    "… never done": ("recall_never", share),
    "… too late": ("recall_late", share),
    "precision": ("precision", share),
    "false an hour": ("false_per_hour", _TWO),
    "… without mistakes": ("false_per_hour_normal", _TWO),
    "delay, s": ("delay_seconds", _SECONDS),
}
"""Head of each column of alarms: figure, and how it is written. Only `missing` has recall by kind."""


def markdown(scores: Mapping[str, Any]) -> str:
    """The tables; `scores` are those of `runs.procedures.score`."""
    return "\n".join(one for one in (_figures(scores), _alarms(scores), _by_tag(scores)) if one)


def _figures(scores: Mapping[str, Any]) -> str:
    """A row for each figure, with what look-ups make of the true steps beside it."""
    columns = {"": (), TOTAL: ("lookups", TOTAL), AFTER_LAST: ("lookups", AFTER_LAST)}
    lines = [line("", ["procedure", *(f"`{name}`" for name in columns if name)]), rule(len(columns) + 1)]
    for head, (path, written) in ROWS.items():
        names = _path(path)
        cells = [
            with_interval(at(scores, [*of, *names]), at(scores["intervals"], [*of, *names]), written)
            for of in columns.values()
        ]
        lines.append(line(head, cells))
    return "\n".join(lines) + "\n"


def _alarms(scores: Mapping[str, Any]) -> str:
    """A row for each reason at each budget."""
    lines = [line("alarms", ["budget, an hour", "wrong steps", *ALARMS]), rule(len(ALARMS) + 3)]
    by_lookup = at(scores, ["lookups", AFTER_LAST, "alarms"]) or {}
    if by_lookup:
        intervals = at(scores["intervals"], ["lookups", AFTER_LAST, "alarms", "missing"])
        lines.append(line(f"missing, `{AFTER_LAST}`", ["–", *_cells(by_lookup["missing"], intervals)]))
    for reason in (*REASONS, "all"):
        for budget, found in scores["alarms_at"].items():
            of = found[reason]
            least = scores["held_out"]["smallest_budget"]["all" if reason == "all" else "one reason"]
            what = "no held-out recordings" if least is None else f"at least {rounded_up(least)}"
            cells = [what] + [""] * len(ALARMS)
            if of is not None:
                cells = _cells(of["alarms"][reason], of["intervals"]["alarms"][reason])
            lines.append(line(reason, [budget, *cells]))
    return "\n".join(lines) + "\n"


def _by_tag(scores: Mapping[str, Any]) -> str:
    """A row for each annotated kind of mistake: its steps that any alarm names, by budget; "" without a mistake."""
    budgets = {budget: found["all"] for budget, found in scores["alarms_at"].items() if found["all"] is not None}
    if not budgets or not (tags := next(iter(budgets.values()))["alarms_by_tag"]):
        return ""
    heads = ["steps", *(f"named at {budget} an hour" for budget in budgets)]
    lines = [line("mistake", heads), rule(len(heads) + 1)]
    for tag, first in tags.items():
        cells = [
            with_interval(
                of["alarms_by_tag"][tag]["steps"], at(of["intervals"], ["alarms_by_tag", tag, "steps"]), share
            )
            for of in budgets.values()
        ]
        lines.append(line(tag, [str(first["num_steps"]), *cells]))
    return "\n".join(lines) + "\n"


def _cells(figures: Mapping[str, Any], intervals: Any) -> list[str]:
    cells = [with_interval(figures.get(name), at(intervals, [name]), written) for name, written in ALARMS.values()]
    return [str(figures["num_wrong"]), *cells]


def _path(path: str) -> list[str]:
    """The names of a dotted path; a tenth has dots of its own."""
    if ".tenth." not in path:
        return path.split(".")
    before, after = path.split(".tenth.")
    tenth, name = after.rsplit(".", 1)
    return [before, "tenth", tenth, name]
