"""The detailed figures as CSV files, one a table: what `metrics.json` holds, for spreadsheets and plotting programs.

    tables/improvement.csv          a row an average of predicted and oracle progress
    tables/by_<breakdown>.csv       a row a part: length_frames, length_seconds, tenth, occurrence
    tables/curves.csv               a row a figure and contender
    tables/online.csv               a row a figure
    tables/certainty.csv            a row a figure; of models that tell an interval of progress
    tables/definitions.csv          path, unit and sentence of every figure

Of every figure there are columns `<figure>`, `<figure>_low` and `<figure>_high`, its 95 % interval over videos; blank
where undefined. Simulated data has a column `simulated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from protas_gtcc.metrics.breakdowns import COUNTS
from protas_gtcc.metrics.definitions import DEFINITIONS, definition_of
from protas_gtcc.metrics.details import CONTENDERS
from protas_gtcc.storage.atomic import replace_when_whole

Row = dict[str, Any]
UNITS = {"length_frames": " frames", "length_seconds": " s"}
"""Written behind the names of parts: a spreadsheet takes "3-5" for a date."""


def detail_tables(metrics: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Every table by the name of its file; breakdowns by seconds only where frames per second are known."""
    parts = {name: _breakdown_rows(metrics, name) for name in metrics["breakdowns"] if metrics["breakdowns"][name]}
    tables = {
        "improvement": pd.DataFrame(_improvement_rows(metrics)),
        **{f"by_{name}": pd.DataFrame(rows) for name, rows in parts.items()},
        "curves": pd.DataFrame(_leaf_rows(metrics, "curves")),
        "online": pd.DataFrame(_leaf_rows(metrics, "online")),
        **({} if metrics["certainty"] is None else {"certainty": pd.DataFrame(_leaf_rows(metrics, "certainty"))}),
        "definitions": pd.DataFrame(
            {"figure": path, "unit": one.unit, "definition": one.sentence} for path, one in DEFINITIONS.items()
        ),
    }
    if metrics["simulated"]:
        for name, table in tables.items():
            if name != "definitions":
                table["simulated"] = True
    return tables


def save_detail_tables(metrics: dict[str, Any], folder: Path | str) -> None:
    """Write every table into the folder, each in one step."""
    for name, table in detail_tables(metrics).items():
        with replace_when_whole(Path(folder) / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


def _improvement_rows(metrics: dict[str, Any]) -> Iterator[Row]:
    for which, segments in (("predicted", "predicted_segments"), ("oracle", "oracle_segments")):
        for average, lookup in metrics["best_lookups"][segments].items():
            figures, bounds = (
                (improvement[which] or {}).get(average) or {}
                for improvement in (metrics["improvement"], metrics["intervals"]["improvement"])
            )
            yield {
                "progress": which,
                "average": average,
                "best_lookup": lookup,
                "model_error": (metrics["progress"][which] or {}).get(average),
                "lookup_error": metrics["baselines"][lookup][segments][average] if lookup else None,
                **_with_intervals(
                    {f"improvement_{name}": (figures.get(name), bounds.get(name)) for name in ("error", "share")}
                ),
            }


def _breakdown_rows(metrics: dict[str, Any], breakdown: str) -> Iterator[Row]:
    intervals = metrics["intervals"]["breakdowns"][breakdown]
    for part, figures in metrics["breakdowns"][breakdown].items():
        row: Row = {
            "part": part + UNITS.get(breakdown, ""),
            **{name: figures[name] for name in (*COUNTS, "true_progress")},
        }
        for contender in CONTENDERS:
            errors, bounds = figures[contender] or {}, intervals[part][contender] or {}
            names = ("error", "bias")
            row |= _with_intervals({f"{contender}_{name}": (errors.get(name), bounds.get(name)) for name in names})
        yield row


def _leaf_rows(metrics: dict[str, Any], family: str) -> Iterator[Row]:
    """A row a figure, in whatever depth it lies."""
    for path, value in _leaves(metrics[family], ()):
        interval: Any = metrics["intervals"][family]
        for name in path:
            interval = interval[name]
        definition = definition_of(family, *path)
        if definition is not None:  # a contender that has no figures is not one
            row = _with_intervals({"value": (value, interval)})
            yield {"figure": ".".join(path), **row, "unit": definition.unit, "definition": definition.sentence}


def _leaves(tree: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, branch in tree.items():
        if isinstance(branch, dict):
            yield from _leaves(branch, (*path, name))
        else:
            yield (*path, name), branch


def _with_intervals(figures: dict[str, tuple[float | None, list[float] | None]]) -> Row:
    row: Row = {}
    for name, (value, interval) in figures.items():
        low, high = interval or (None, None)
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row
