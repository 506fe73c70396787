"""Alignment scores as one Markdown table: a row a figure, a column an embedding; in brackets the 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MISSING = "–"


def alignment_table(compared: Mapping[str, Any]) -> str:
    """The table of what `compare_alignments` gives; bold where the last embedding is surely unlike the first.

    Look-ups, which see no embedding, are a column of their own.
    """
    scores, names = compared["scores"], list(compared["scores"])
    first, last = names[0], names[-1]
    ends = (one for one in compared["differences"] if (one["of"], one["minus"]) == (last, first))
    difference = next(ends, None)
    lines = [f"| on held-out videos | {' | '.join(names)} | look-up |", "|---" * (len(names) + 2) + "|"]
    for label, path, lookups, form in ROWS:
        cells = [_cell(scores[name], path, form) for name in names]
        bounds = None if difference is None else _at(difference["intervals"], path)
        if bounds is not None and (bounds[0] > 0 or bounds[1] < 0):
            cells[-1] = f"**{cells[-1]}**"
        lines.append(f"| {' | '.join([label, *cells, _lookups(scores[first], lookups, form)])} |")
    return "\n".join(lines) + "\n"


def _lookups(scores: Mapping[str, Any], paths: tuple[str, ...], form: Callable[[float], str]) -> str:
    values = {path.rsplit(".", 1)[-1]: _at(scores["lookups"], path) for path in paths}
    return ", ".join(f"{name.replace('_', ' ')} {form(value)}" for name, value in values.items() if value is not None)


def _cell(scores: Mapping[str, Any], path: str, form: Callable[[float], str]) -> str:
    value, bounds = _at(scores, path), _at(scores["intervals"], path)
    if value is None:
        return MISSING
    return form(value) + ("" if bounds is None else f" [{form(bounds[0])}, {form(bounds[1])}]")


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _fraction(value: float) -> str:
    return f"{value + 0.0:.3f}".replace("0.", ".", 1)


def _percent(value: float) -> str:
    return f"{value:.1f}"


_PROBE = "phase_classification"
ROWS: tuple[tuple[str, str, tuple[str, ...], Callable[[float], str]], ...] = (
    ("Kendall's tau", "kendalls_tau", (), _fraction),
    ("enclosed area (want 0)", "enclosed_area", ("enclosed_area.elapsed_share",), _fraction),
    ("accuracy, 10 % of videos labelled", f"{_PROBE}.10.accuracy", (f"{_PROBE}.most_frequent.accuracy",), _percent),
    ("accuracy, 50 %", f"{_PROBE}.50.accuracy", (), _percent),
    ("accuracy, 100 %", f"{_PROBE}.100.accuracy", (), _percent),
    ("phase progression R²", "phase_progression", ("phase_progression.elapsed",), _fraction),
    (
        "progress error of distance covered",
        "progress_error",
        tuple(f"progress_error.{name}" for name in ("constant", "elapsed", "average_index")),
        _fraction,
    ),
)
"""Label, figure, the look-ups beside it, and how it is written."""
