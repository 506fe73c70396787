"""Alignment scores as one Markdown table: a row a figure, a column an embedding; in brackets the 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protas_gtcc.report.figures import at, fraction, is_sure, line, percent, rule, with_interval


def alignment_table(compared: Mapping[str, Any]) -> str:
    """The table of what `compare_alignments` gives; bold where the last embedding is surely unlike the first.

    Look-ups, which see no embedding, are a column of their own.
    """
    scores, names = compared["scores"], list(compared["scores"])
    first, last = names[0], names[-1]
    ends = (one for one in compared["differences"] if (one["of"], one["minus"]) == (last, first))
    difference = next(ends, None)
    lines = [line("on held-out videos", [*names, "look-up"]), rule(len(names) + 2)]
    for label, path, lookups, form in ROWS:
        where = path.split(".")
        cells = [with_interval(at(scores[name], where), at(scores[name]["intervals"], where), form) for name in names]
        if is_sure(at(difference, ["intervals", *where])):
            cells[-1] = f"**{cells[-1]}**"
        lines.append(line(label, [*cells, _lookups(scores[first], lookups, form)]))
    return "\n".join(lines) + "\n"


def _lookups(scores: Mapping[str, Any], paths: tuple[str, ...], form: Callable[[float], str]) -> str:
    values = {path.rsplit(".", 1)[-1]: at(scores["lookups"], path.split(".")) for path in paths}
    return ", ".join(f"{name.replace('_', ' ')} {form(value)}" for name, value in values.items() if value is not None)


_PROBE = "phase_classification"
ROWS: tuple[tuple[str, str, tuple[str, ...], Callable[[float], str]], ...] = (
    ("Kendall's tau", "kendalls_tau", (), fraction),
    ("enclosed area (want 0)", "enclosed_area", ("enclosed_area.elapsed_share",), fraction),
    ("accuracy, 10 % of videos labelled", f"{_PROBE}.10.accuracy", (f"{_PROBE}.most_frequent.accuracy",), percent),
    ("accuracy, 50 %", f"{_PROBE}.50.accuracy", (), percent),
    ("accuracy, 100 %", f"{_PROBE}.100.accuracy", (), percent),
    ("phase progression R²", "phase_progression", ("phase_progression.elapsed",), fraction),
    (
        "progress error of distance covered",
        "progress_error",
        tuple(f"progress_error.{name}" for name in ("constant", "elapsed", "average_index")),
        fraction,
    ),
)
"""Label, figure, the look-ups beside it, and how it is written."""
