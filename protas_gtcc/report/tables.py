"""Tables for the screen, at most 100 columns wide, made from what `metrics.json` and `per_class.csv` hold.

A dash stands for a figure that is undefined. Progress errors are fractions, in brackets the 95 % interval
over videos.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from protas_gtcc.metrics.evaluation import Evaluation
from protas_gtcc.metrics.improvement import AVERAGES
from protas_gtcc.report.detail_tables import breakdown_table, improvement_table, online_table

SHORT_NAMES = {
    "constant": "const",
    "average_index": "avg",
    "average_index_class": "avg/c",
    "median_index_class": "med/c",
    "mean_duration_class": "dur/c",
}
"""Column headings of the per-class table, which leaves out `random`: about a third for every class."""


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print everything: what was scored, the tables, and what is undefined and why."""
    metrics = evaluation.metrics
    console = console or Console(width=100)
    console.print(heading(metrics))
    console.print(segmentation_table(metrics))
    console.print(progress_table(metrics))
    for table in (improvement_table, breakdown_table, online_table):
        console.print(table(metrics))
    console.print(per_class_table(evaluation.per_class, metrics))
    for note in metrics.get("notes", []):
        console.print(Text(f"note: {note}"))
    console.print(Text(in_short(metrics), style="bold"))


def in_short(metrics: dict[str, Any]) -> str:
    """One line: segmentation, and progress error of the predicted class, over frames, beside the best look-up's."""
    scores, progress = metrics["segmentation"], metrics["progress"]["predicted"]
    said = [f"acc {scores['acc']:.1f}, edit {scores['edit']:.1f}, F1@50 {scores['f1@50']:.1f}"]
    error, name = progress and progress["frame"], metrics["best_lookups"]["predicted_segments"]["frame"]
    if error is not None and name is not None:
        lookup = metrics["baselines"][name]["predicted_segments"]["frame"]
        said.append(f"progress error {error:.3f} (predicted class, over frames); best look-up {lookup:.3f} ({name})")
    return "; ".join(said)


def heading(metrics: dict[str, Any]) -> RenderableType:
    """What was scored; says in so many words when the data is simulated or the features are a control."""
    features = f", feature set {metrics['feature_set']}" if metrics["feature_set"] else ""
    count = metrics["num_videos"]
    videos = f"{count} test video" + ("" if count == 1 else "s")
    what = Text(f"{metrics['dataset']}, split {metrics['split']}{features}: {videos}", style="bold")
    warnings = ["SIMULATED DATA: these figures say nothing about real video."] if metrics["simulated"] else []
    if metrics.get("control", "none") != "none":
        warnings.append(f"CONTROL {metrics['control']}: the features were replaced.")
    return Group(what, *(Text(warning, style="bold yellow") for warning in warnings))


def segmentation_table(metrics: dict[str, Any]) -> Table:
    """Segmentation scores in percent, with intervals."""
    scores, intervals = metrics["segmentation"], metrics["intervals"]["segmentation"]
    table = _table("Segmentation, percent [95 % over videos]")
    table.add_column("")
    for name in scores:
        table.add_column(name.replace("acc_no_background", "acc no bg"), justify="right")
    table.add_row("score", *(_figure(score, "{:.1f}") for score in scores.values()))
    table.add_row("95 %", *(_interval(intervals[name], "{:.0f}") for name in scores), style="dim")
    return table


def progress_table(metrics: dict[str, Any]) -> Table:
    """Progress error in every average: the model, then each look-up on true and on predicted segments.

    The best look-up of either kind is marked with a star in each column; the model's figure is green where it
    beats the best one that has no truth either.
    """
    table = _table("Progress error, mean |reported - target| over action frames [95 % over videos]")
    table.add_column("", no_wrap=True)
    for name in AVERAGES:
        table.add_column(name, justify="right", no_wrap=True)
    on_predicted = {name: best_lookup(metrics, "predicted_segments", name) for name in AVERAGES}
    for which, label in (("predicted", "model, predicted class"), ("oracle", "model, true class")):
        rival = on_predicted if which == "predicted" else {}
        _add_model_row(table, label, metrics, which, rival)
    for segments, label in (
        ("predicted_segments", "on predicted segments:"),
        ("oracle_segments", "on true segments:"),
    ):
        table.add_section()
        table.add_row(Text(label, style="italic"))
        _add_lookup_rows(table, metrics, segments)
    false_progress = metrics["progress"]["background_false_progress"]
    table.caption = f"* best look-up.  Reported in true background (want 0): {_figure(false_progress)}"
    return table


def per_class_table(per_class: pd.DataFrame, metrics: dict[str, Any]) -> Table:
    """Progress error of each class that occurs: the model beside the look-ups on predicted segments."""
    lookups = [name for name in SHORT_NAMES if f"{name}_on_predicted" in per_class]
    title = "Progress error per class; look-ups on predicted segments"
    table = _table(title, padding=0)
    table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=30)
    for name in ("frames", "recall", "prec.", "model", "oracle"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in lookups:
        table.add_column(SHORT_NAMES[name], justify="right", no_wrap=True)
    scored = per_class[per_class["constant_on_true"].notna()]
    for row in scored.to_dict("records"):
        errors = {name: float(row[f"{name}_on_predicted"]) for name in lookups}
        best = min(errors, key=lambda name: errors[name])
        table.add_row(
            Text(str(row["name"])),
            f"{row['frames']}",
            *(_figure(row[name], "{:.0%}") for name in ("accuracy", "precision")),
            _coloured(row["progress_mae_predicted"], errors[best]),
            _figure(row["progress_mae_oracle"]),
            *(_figure(errors[name]) + ("*" if name == best else " ") for name in lookups),
        )
    table.caption = "* best look-up; avg average_index, med median_index, dur mean_duration, /c per class"
    if len(scored) < len(per_class):
        table.caption += f"\n{len(scored)} of {len(per_class)} classes are actions that occur in the test videos"
    return table


def best_lookup(metrics: dict[str, Any], segments: str, average: str = "macro") -> str:
    """The look-up with least error, on `predicted_segments` or `oracle_segments`; "" if none has one."""
    errors = {name: figures[segments][average] for name, figures in metrics["baselines"].items()}
    known = {name: error for name, error in errors.items() if error is not None}
    return min(known, key=lambda name: known[name]) if known else ""


def _add_model_row(table: Table, label: str, metrics: dict[str, Any], which: str, rival: dict[str, str]) -> None:
    figures, intervals = metrics["progress"][which], metrics["intervals"]["progress"][which]
    if figures is None:
        table.add_row(label, *("–" for _ in AVERAGES))
        return
    cells = []
    for name in AVERAGES:
        lookup = rival.get(name, "")
        limit = metrics["baselines"][lookup]["predicted_segments"][name] if lookup else None
        cells.append(_with_interval(_coloured(figures[name], limit), intervals[name]))
    table.add_row(label, *cells, style="bold")


def _add_lookup_rows(table: Table, metrics: dict[str, Any], segments: str) -> None:
    best = {name: best_lookup(metrics, segments, name) for name in AVERAGES}
    for lookup, figures in metrics["baselines"].items():
        intervals = metrics["intervals"]["baselines"][lookup][segments]
        cells = [
            _with_interval(
                Text(_figure(figures[segments][name]) + ("*" if best[name] == lookup else " ")),
                intervals[name],
            )
            for name in AVERAGES
        ]
        table.add_row(f"  {lookup}", *cells)


def _table(title: str, padding: int = 1) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, padding, 0, 0))


def _coloured(value: float | None, limit: float | None) -> Text:
    beats = value is not None and limit is not None and value < limit
    return Text(_figure(value) + " ", style="green" if beats else "")


def _with_interval(text: Text, interval: list[float] | None) -> Text:
    return text + Text(_interval(interval, "{:.3f}"), style="dim")


def _figure(value: float | None, form: str = "{:.3f}") -> str:
    if value is None or np.isnan(value):
        return "–"
    text = form.format(value)
    return text.removeprefix("0") if text.startswith("0.") else text


def _interval(interval: list[float] | None, form: str) -> str:
    return "" if interval is None else f"[{_figure(interval[0], form)} {_figure(interval[1], form)}]"
