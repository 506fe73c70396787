"""Alignment scores as one Markdown table: a row for each embedding and each look-up, a column for each figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from protas_gtcc.errors import plural
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.report.figures import (
    Form,
    at,
    bounded,
    excludes_zero,
    figure,
    fraction,
    line,
    percent,
    rule,
    with_interval,
)
from protas_gtcc.report.ruler import interval_kind
from protas_gtcc.storage.csv_tables import Columns, columns_of


class _Column(NamedTuple):
    head: str
    path: str
    form: Form
    lookups: Mapping[str, str] = MappingProxyType({})
    """By look-up, which has a row, the path of its figure below `lookups`."""


_MOST_FREQUENT = {"most frequent": "phase_classification.most_frequent.accuracy"}
_BY_TIME = {name: f"progress_error.{name.replace(' ', '_')}" for name in ("elapsed", "constant", "average index")}
COLUMNS = (
    _Column("Kendall's tau", "kendalls_tau", fraction),
    _Column("enclosed area", "enclosed_area", fraction, {"elapsed": "enclosed_area.elapsed_share"}),
    _Column("probe 10 %", "phase_classification.10.accuracy", percent, _MOST_FREQUENT),
    _Column("probe 50 %", "phase_classification.50.accuracy", percent, _MOST_FREQUENT),
    _Column("probe 100 %", "phase_classification.100.accuracy", percent, _MOST_FREQUENT),
    _Column("R²", "phase_progression", fraction, {"elapsed": "phase_progression.elapsed"}),
    _Column("progress error by distance", "progress_error", fraction, _BY_TIME),
)
"""`alignment.scores.DEFINITIONS` defines the figures."""
LOOKUPS = ("elapsed", "most frequent", "constant", "average index")
_FIGURES = (*dict.fromkeys(column.path.split(".")[0] for column in COLUMNS), "pairs_without_order", "lookups")


def alignment_table(compared: Mapping[str, Any]) -> str:
    """The table of what `scored_embeddings.compare_trials` gives, below a few lines on its data."""
    scores = compared["scores"]
    first = next(iter(scores))
    differences = {one["of"]: one["intervals"] for one in compared["differences"] if one["minus"] == first}
    lines = [*_heading(compared, first), "", line("on held-out videos", [column.head for column in COLUMNS])]
    lines.append(rule(len(COLUMNS) + 1))
    lines += [
        line(f"look-up: {name}", [_lookup(scores[first], column, name) for column in COLUMNS]) for name in LOOKUPS
    ]
    lines += [
        line(name, [_cell(figures, differences.get(name), column) for column in COLUMNS])
        for name, figures in scores.items()
    ]
    return "\n".join([*lines, "", *_beside_time(scores)]) + "\n"


def _beside_time(scores: Mapping[str, Any]) -> Iterator[str]:
    """Where elapsed time alone does at least as well as every embedding."""
    better = {"enclosed area": -1, "R²": 1}  # the sign of a better figure
    for column in COLUMNS:
        if column.head in better:
            path, sign = column.path.split("."), better[column.head]
            elapsed = at(next(iter(scores.values()))["lookups"], column.lookups["elapsed"].split("."))
            values = [value for figures in scores.values() if (value := at(figures, path)) is not None]
            if elapsed is not None and values and all(sign * (elapsed - value) >= 0 for value in values):
                yield f"By {column.head}, elapsed time alone is as good as or better than every embedding."


def long_table(compared: Mapping[str, Any]) -> Columns:
    """Every figure of every embedding and look-up in a row of its own, with its interval."""
    rows = []
    for name, figures in compared["scores"].items():
        for path, value in leaves({key: figures[key] for key in figures if key in _FIGURES}):
            row = {"embedding": name, "figure": ".".join(path), **bounded(value, at(figures["intervals"], path))}
            rows.append(row | {"simulated": compared["simulated"]})
    return columns_of(rows)


def _heading(compared: Mapping[str, Any], first: str) -> list[str]:
    counts = compared["scores"][first]
    splits = f"split{'s' * (len(compared['splits']) > 1)} {', '.join(compared['splits'])}"
    others = "other test videos" if counts["partners"] == "test" else "training videos"
    frames = "" if compared["score_every"] == 1 else f", one frame in {compared['score_every']}"
    videos = plural(counts["num_test_videos"], "test video")
    kind = interval_kind(counts | {"num_videos": counts["num_test_videos"]})
    intervals = "There are no intervals: one person is tested."
    if not kind.startswith("no"):
        bold = f"Bold: the interval of the difference from {first} excludes 0."
        intervals = f"In brackets: {kind.replace('over', 'intervals over', 1)} and seeds. {bold}"
    matched = f", matched with {others} of their task" if counts["num_pairs"] else ""
    tasks = "" if counts["num_tasks"] == 1 else f" of {counts['num_tasks']} tasks"
    lines = [
        f"{compared['dataset']}, {splits}: {videos}{tasks}{matched}{frames}. {intervals}",
        "Probes: percent of frames that a linear probe classifies correctly, with 10, 50 or 100 % of the training "
        "videos labelled. R²: variance of the procedure's progress that a linear regression explains. Higher is "
        "better, except for the enclosed area and the error.",
    ]
    if compared["simulated"]:
        lines.insert(0, "SIMULATED DATA: these figures say nothing about real video.")
    if compared["left_out"]:
        lines.append(f"Left out, because no training video shows their task: {', '.join(compared['left_out'])}.")
    if counts["num_pairs"] == 0:
        lines.append("No task has two test videos: Kendall's tau and the enclosed area need --partners train.")
    return lines


def _cell(figures: Mapping[str, Any], difference: Mapping[str, Any] | None, column: _Column) -> str:
    path = column.path.split(".")
    cell = with_interval(at(figures, path), at(figures["intervals"], path), column.form)
    return f"**{cell}**" if excludes_zero(at(difference, path)) else cell


def _lookup(figures: Mapping[str, Any], column: _Column, name: str) -> str:
    path = column.lookups.get(name)
    return figure(at(figures["lookups"], path.split(".")) if path else None, column.form)
