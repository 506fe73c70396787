"""The detailed figures as CSV files: what `metrics.json` holds, for spreadsheets and plotting programs.

    tables/improvement.csv          a row for each average, of predicted and of oracle progress
    tables/by_<breakdown>.csv       a row for each part: length_frames, length_seconds, tenth, occurrence
    tables/curves.csv               a row for each figure and predictor
    tables/online.csv               a row for each figure
    tables/certainty.csv            a row for each figure, for models that report an interval of progress
    tables/definitions.csv          path, unit and meaning of every figure

Every figure has columns `<figure>`, `<figure>_low` and `<figure>_high`, the last two its 95 % interval over videos;
blank where undefined. Simulated data has a column `simulated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protas_gtcc.metrics.breakdowns import COUNTS
from protas_gtcc.metrics.definitions import DEFINITIONS, definition_of
from protas_gtcc.metrics.details import COMPARED
from protas_gtcc.report.figures import at, leaves
from protas_gtcc.storage.csv_tables import columns_of, write_csv_table

Row = dict[str, Any]
UNITS = {"length_frames": " frames", "length_seconds": " s"}
"""Written behind the names of parts: a spreadsheet takes "3-5" for a date."""


def detail_tables(metrics: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """The columns of every table by the name of its file; breakdowns by seconds only where fps is known."""
    parts = {name: _breakdown_rows(metrics, name) for name in metrics["breakdowns"] if metrics["breakdowns"][name]}
    rows = {
        "improvement": _improvement_rows(metrics),
        **{f"by_{name}": rows for name, rows in parts.items()},
        "curves": _leaf_rows(metrics, "curves"),
        "online": _leaf_rows(metrics, "online"),
        **({} if metrics["certainty"] is None else {"certainty": _leaf_rows(metrics, "certainty")}),
    }
    mark = {"simulated": True} if metrics["simulated"] else {}
    definitions = [{"figure": path, "unit": one.unit, "definition": one.sentence} for path, one in DEFINITIONS.items()]
    tables = {name: columns_of([row | mark for row in its_rows]) for name, its_rows in rows.items()}
    return {**tables, "definitions": columns_of(definitions)}


def save_detail_tables(metrics: dict[str, Any], folder: Path | str) -> None:
    """Write every table into the folder, each in one step."""
    for name, columns in detail_tables(metrics).items():
        write_csv_table(Path(folder) / f"{name}.csv", columns)


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
        for predictor in COMPARED:
            errors, bounds = figures[predictor] or {}, intervals[part][predictor] or {}
            names = ("error", "bias")
            row |= _with_intervals({f"{predictor}_{name}": (errors.get(name), bounds.get(name)) for name in names})
        yield row


def _leaf_rows(metrics: dict[str, Any], family: str) -> Iterator[Row]:
    """A row for each figure, at whatever depth it is."""
    for path, value in leaves(metrics[family]):
        definition = definition_of(family, *path)
        if definition is not None:  # a predictor without figures is not one
            row = _with_intervals({"value": (value, at(metrics["intervals"][family], path))})
            yield {"figure": ".".join(path), **row, "unit": definition.unit, "definition": definition.sentence}


def _with_intervals(figures: dict[str, tuple[float | None, list[float] | None]]) -> Row:
    row: Row = {}
    for name, (value, interval) in figures.items():
        low, high = interval or (None, None)
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row
