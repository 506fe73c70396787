"""The detailed figures as CSV files: what `metrics.json` holds, for spreadsheets and plotting programs.

    tables/methods.csv              a row for each method: the model and every look-up; skill, every average, R², and
                                    rank correlation and errors at the ends of true actions
    tables/margin.csv               a row for each average, of predicted and of oracle progress
    tables/by_<breakdown>.csv       a row for each part: length_frames, length_seconds, tenth, occurrence,
                                    predicted; those by length with the error of every look-up
    tables/curves.csv               a row for each figure and predictor
    tables/online.csv               a row for each figure
    tables/certainty.csv            a row for each figure, for models that report an interval of progress
    tables/procedure.csv            a row for each figure, for models that follow procedures
    tables/definitions.csv          path, unit and meaning of every figure

Every figure has columns `<figure>`, `<figure>_low` and `<figure>_high`, the last two its 95 % interval; blank where
undefined. Tables of simulated data have a column `simulated`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from protas_gtcc.metrics.breakdowns import COUNTS
from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.details import COMPARED, DEFINITIONS, Definition, definition_of
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.report.figures import at, bounded
from protas_gtcc.storage.csv_tables import columns_of, write_csv_table

Row = dict[str, Any]
METHOD_FIGURES = ("skill", *AVERAGES, "r2", *SHORT)
"""Figures of every method."""
LISTED = ("curves", "online", "certainty", "procedure")
"""Entries of metrics.json whose figures are listed, each in a table of its own."""
UNITS = {"length_frames": " frames", "length_seconds": " s"}
"""Written behind the names of parts: a spreadsheet takes "3-5" for a date."""


def detail_tables(metrics: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """The columns of every table by the name of its file; breakdowns by seconds only where fps is known."""
    rows = {"methods": _method_rows(metrics), "margin": _margin_rows(metrics)}
    rows |= {f"by_{name}": _breakdown_rows(metrics, name) for name, parts in metrics["breakdowns"].items() if parts}
    rows |= {name: _leaf_rows(metrics, name) for name in LISTED if metrics.get(name)}
    mark = {"simulated": True} if metrics["simulated"] else {}
    definitions = [{"figure": path, **_defined(definition)} for path, definition in DEFINITIONS.items()]
    tables = {name: columns_of([row | mark for row in its_rows]) for name, its_rows in rows.items()}
    return {**tables, "definitions": columns_of(definitions)}


def save_detail_tables(metrics: dict[str, Any], folder: Path | str) -> None:
    """Write every table into the folder, each in one step."""
    for name, columns in detail_tables(metrics).items():
        write_csv_table(Path(folder) / f"{name}.csv", columns)


def _method_rows(metrics: dict[str, Any]) -> Iterator[Row]:
    """The model's rows, then each look-up's; `segments` are those that a look-up is given."""
    for which in ("predicted", "oracle"):
        head = {"method": "model", "progress": which, "segments": ""}
        yield head | _method(metrics, ("progress", which), ("curves", which))
    for segments, name in product(("predicted_segments", "oracle_segments"), metrics["baselines"]):
        head = {"method": name, "progress": "", "segments": segments}
        yield head | _method(metrics, ("baselines", name, segments), ("curves", "lookups", segments, name))


def _method(metrics: dict[str, Any], errors: tuple[str, ...], shape: tuple[str, ...]) -> Row:
    row: Row = {}
    for figure in METHOD_FIGURES:
        row |= _with_interval(figure, metrics, (*(shape if figure in SHORT else errors), figure))
    return row


def _margin_rows(metrics: dict[str, Any]) -> Iterator[Row]:
    for which, segments in (("predicted", "predicted_segments"), ("oracle", "oracle_segments")):
        for average, lookup in metrics["best_lookups"][segments].items():
            row = {
                "progress": which,
                "average": average,
                "best_lookup": lookup,
                "model_error": at(metrics["progress"], (which, average)),
                "lookup_error": metrics["baselines"][lookup][segments][average] if lookup else None,
            }
            for name in ("error", "share"):
                row |= _with_interval(f"margin_{name}", metrics, ("margin", which, average, name))
            yield row


def _breakdown_rows(metrics: dict[str, Any], breakdown: str) -> Iterator[Row]:
    for part, figures in metrics["breakdowns"][breakdown].items():
        row: Row = {
            "part": part + UNITS.get(breakdown, ""),
            **{name: figures[name] for name in (*COUNTS, "share", "true_progress")},
        }
        for predictor, name in product(COMPARED, ("error", "bias")):
            row |= _with_interval(f"{predictor}_{name}", metrics, ("breakdowns", breakdown, part, predictor, name))
        for segments, lookups in figures.get("lookups", {}).items():
            for name in lookups:
                path = ("breakdowns", breakdown, part, "lookups", segments, name)
                row |= _with_interval(f"{name}_{segments}_error", metrics, path)
        yield row


def _leaf_rows(metrics: dict[str, Any], family: str) -> Iterator[Row]:
    """A row for each figure, at whatever depth it is."""
    for path, _ in leaves(metrics[family]):
        definition = definition_of((family, *path))
        if definition is not None:  # a predictor without figures is not one
            row = _with_interval("value", metrics, (family, *path))
            yield {"figure": ".".join(path), **row, **_defined(definition)}


def _with_interval(name: str, metrics: dict[str, Any], path: Sequence[str]) -> Row:
    """The figure at a path and its interval, in three columns; blank where there is none."""
    value, low, high = bounded(at(metrics, path), at(metrics["intervals"], path)).values()
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _defined(definition: Definition) -> Row:
    return dict(zip(("unit", "definition"), definition, strict=True))
