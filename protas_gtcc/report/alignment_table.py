"""Alignment scores as one Markdown table: a row an embedding, a column a figure; look-ups are rows of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from protas_gtcc.metrics.intervals import Path
from protas_gtcc.report.figures import MISSING, at, fraction, is_sure, line, percent, rule, with_interval


class _Column(NamedTuple):
    head: str
    path: str
    form: Callable[[float], str]
    lookups: Mapping[str, str] = MappingProxyType({})
    """Names of look-ups, as rows, and below `lookups` their figures."""


_PROBE = "phase_classification"
COLUMNS = (
    _Column("Kendall's tau", "kendalls_tau", fraction),
    _Column("enclosed area", "enclosed_area", fraction, {"elapsed": "enclosed_area.elapsed_share"}),
    _Column("probe 10 %", f"{_PROBE}.10.accuracy", percent, {"most frequent": f"{_PROBE}.most_frequent.accuracy"}),
    _Column("probe 50 %", f"{_PROBE}.50.accuracy", percent, {"most frequent": f"{_PROBE}.most_frequent.accuracy"}),
    _Column("probe 100 %", f"{_PROBE}.100.accuracy", percent, {"most frequent": f"{_PROBE}.most_frequent.accuracy"}),
    _Column("R²", "phase_progression", fraction, {"elapsed": "phase_progression.elapsed"}),
    _Column(
        "progress error by distance",
        "progress_error",
        fraction,
        {
            "elapsed": "progress_error.elapsed",
            "constant": "progress_error.constant",
            "average index": "progress_error.average_index",
        },
    ),
)
"""`alignment.scores.DEFINITIONS` says what the figures are."""
LOOKUPS = ("elapsed", "most frequent", "constant", "average index")


def alignment_table(compared: Mapping[str, Any]) -> str:
    """The table of what `scored_embeddings.compare_trials` gives, below what it was made of."""
    scores = compared["scores"]
    first = next(iter(scores))
    surely = {one["of"]: one["intervals"] for one in compared["differences"] if one["minus"] == first}
    lines = [
        *_heading(compared, first),
        "",
        line("on held-out videos", [column.head for column in COLUMNS]),
        rule(len(COLUMNS) + 1),
    ]
    lines += [
        line(f"look-up: {name}", [_lookup(scores[first], column, name) for column in COLUMNS]) for name in LOOKUPS
    ]
    for name, figures in scores.items():
        cells = [_cell(figures, surely.get(name), column) for column in COLUMNS]
        lines.append(line(name, cells))
    return "\n".join(lines) + "\n"


def _heading(compared: Mapping[str, Any], first: str) -> list[str]:
    counts = compared["scores"][first]
    splits = f"split{'s' * (len(compared['splits']) > 1)} {', '.join(compared['splits'])}"
    others = "other test videos" if counts["partners"] == "test" else "training videos"
    frames = "" if compared["score_every"] == 1 else f", one frame in {compared['score_every']}"
    videos = f"{counts['num_test_videos']} test video{'s' * (counts['num_test_videos'] != 1)}"
    tasks = "" if counts["num_tasks"] == 1 else f" of {counts['num_tasks']} tasks"
    lines = [
        f"{compared['dataset']}, {splits}: {videos}{tasks}, matched with {others} of "
        f"their task{frames}; 95 % over videos and seeds in brackets; bold: surely unlike {first}, better or worse.",
        "Probes: percent of frames whose class a linear probe tells, so many of the training videos labelled; R²: how "
        "well one tells the procedure's progress. Higher is better, but for the enclosed area and the error.",
    ]
    if compared["simulated"]:
        lines.insert(0, "SIMULATED DATA: these figures say nothing about real video.")
    if compared["left_out"]:
        lines.append(f"Left out, since no training video shows their task: {', '.join(compared['left_out'])}.")
    if counts["num_pairs"] == 0:
        lines.append("No task has two test videos, so nothing can be matched: give --partners train.")
    return lines


def long_table(compared: Mapping[str, Any]) -> pd.DataFrame:
    """Every figure of every embedding and look-up in a row of its own, with its interval."""
    rows = []
    for name, figures in compared["scores"].items():
        for path, value in _leaves({key: figures[key] for key in figures if key in _FIGURES}):
            low, high = at(figures["intervals"], path) or (None, None)
            rows.append({"embedding": name, "figure": ".".join(path), "value": value, "low": low, "high": high})
    return pd.DataFrame(rows).assign(simulated=compared["simulated"])


_FIGURES = (*dict.fromkeys(column.path.split(".")[0] for column in COLUMNS), "pairs_without_order", "lookups")


def _leaves(tree: Any, path: Path = ()) -> list[tuple[Path, float | None]]:
    if not isinstance(tree, Mapping):
        return [(path, tree)]
    return [leaf for name, branch in tree.items() for leaf in _leaves(branch, (*path, name))]


def _cell(figures: Mapping[str, Any], difference: Mapping[str, Any] | None, column: _Column) -> str:
    where = column.path.split(".")
    cell = with_interval(at(figures, where), at(figures["intervals"], where), column.form)
    return f"**{cell}**" if is_sure(at(difference, where)) else cell


def _lookup(figures: Mapping[str, Any], column: _Column, name: str) -> str:
    value = at(figures["lookups"], column.lookups[name].split(".")) if name in column.lookups else None
    return MISSING if value is None else column.form(value)
