"""The screen after an evaluation: the verdict first, then tables at 80 columns, made from what `metrics.json` holds.

A dash stands for a figure that is undefined. Progress errors are fractions; in brackets the 95 % interval over videos.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from protas_gtcc.errors import plural
from protas_gtcc.metrics.evaluation import Evaluation
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.report.detail_tables import breakdown_table, margin_table, online_table
from protas_gtcc.report.figures import MISSING, at, excludes_zero, figure, interval, percent
from protas_gtcc.report.screen import new_table

WIDTH = 80
ENTRIES = r" \[null: .*\]$"
"""The names of entries of `metrics.json` at the end of a note; the screen has a dash in their places."""
MOST_CLASSES = 20
"""Rows of the per-class table; the rest is in per_class.csv."""
SHORT_NAMES = {
    "constant": "const",
    "average_index": "avg",
    "average_index_class": "avg/c",
    "median_index_class": "med/c",
    "mean_duration_class": "dur/c",
}
"""Look-ups in the per-class table, which leaves out `random`: about a third for every class."""


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print the verdict, then the tables, and what is undefined and why."""
    metrics = evaluation.metrics
    console = console or Console(width=WIDTH)
    console.print(heading(metrics))
    console.print(Text(verdict(metrics), style="bold"))
    console.print(main_figures(metrics))
    for table in (segmentation_table, progress_table, margin_table, breakdown_table, online_table):
        console.print(table(metrics))
    console.print(per_class_table(evaluation.per_class))
    for note in metrics["notes"]:
        console.print(Text(f"note: {re.sub(ENTRIES, '', note)}"))


def heading(metrics: dict[str, Any]) -> RenderableType:
    """What was scored, with a warning if the data is simulated or the features are a control."""
    features = f", feature set {metrics['feature_set']}" if metrics["feature_set"] else ""
    videos = plural(metrics["num_videos"], "test video")
    lines = [Text(f"{metrics['dataset']}, split {metrics['split']}{features}: {videos}")]
    if metrics["simulated"]:
        lines.append(Text("SIMULATED DATA: these figures say nothing about real video.", style="bold yellow"))
    if metrics["control"] != "none":
        lines.append(Text(f"CONTROL {metrics['control']}: the features were replaced.", style="bold yellow"))
    return Group(*lines)


def verdict(metrics: dict[str, Any]) -> str:
    """One sentence: how the progress error over frames compares with the best look-up's on predicted segments."""
    margin = at(metrics, ("margin", "predicted", "frame", "error"))
    if margin is None:
        return "There is no progress error to judge: only the segmentation is scored."
    bounds = at(metrics, ("intervals", "margin", "predicted", "frame", "error"))
    side = "below" if margin > 0 else "not below"
    reason = "there is no interval with fewer than two videos"
    if bounds is not None:
        certain = "excludes" if excludes_zero(bounds) else "includes"
        reason = f"the 95 % interval of the margin {certain} 0"
    constant = at(metrics, ("baselines", "constant", "oracle_segments", "frame"))
    error = at(metrics, ("progress", "predicted", "frame"))
    sentence = f"The model's progress error is {side} the best look-up's; {reason}."
    if constant is None or error is None or constant > error:
        return sentence
    return f"{sentence} A constant 0.5 has an error of {figure(constant)}, which is not larger."


def main_figures(metrics: dict[str, Any]) -> RenderableType:
    """Accuracy, edit, F1@50, progress error and the best look-up's error, one a line."""
    scores = metrics["segmentation"]
    name = metrics["best_lookups"]["predicted_segments"]["frame"]
    lookup = at(metrics, ("baselines", name, "predicted_segments", "frame"))
    error = at(metrics, ("progress", "predicted", "frame"))
    lines = (
        ("accuracy", f"{figure(scores['acc'], percent)} %"),
        ("edit", figure(scores["edit"], percent)),
        ("F1@50", figure(scores["f1@50"], percent)),
        ("progress error", f"{figure(error)}  (predicted class, mean over frames)"),
        ("best look-up's error", f"{figure(lookup)}  ({name or 'none'}, on predicted segments)"),
    )
    return Group(*(Text(f"  {label:<22}{text}") for label, text in lines))


def segmentation_table(metrics: dict[str, Any]) -> Table:
    """Segmentation scores in percent, with intervals."""
    scores, bounds = metrics["segmentation"], metrics["intervals"]["segmentation"]
    heads = {name: name.replace("acc_no_background", "acc no bg").replace("edit_merged", "merged") for name in scores}
    table = new_table("Segmentation, percent [95 % over videos]", ["", *heads.values()])
    table.add_row("score", *(figure(score, percent) for score in scores.values()))
    for end, name in enumerate(("low", "high")):
        ends = [None if bounds[score] is None else bounds[score][end] for score in scores]
        table.add_row(name, *(figure(one, percent) for one in ends), style="dim")
    table.caption = (
        "acc: correct frames; no bg: without the background; edit: order of segments; "
        "merged: edit, where equal neighbours count once; f1@k: segments that overlap by k %"
    )
    return table


def progress_table(metrics: dict[str, Any]) -> Table:
    """Progress error in every average: the model, then each look-up on predicted and on true segments.

    A star marks the best look-up of either kind in each column. The model's figure is green where it is below the
    best look-up on predicted segments.
    """
    table = new_table("Progress error, mean |reported - target|; look-ups by the segments given", ["", *AVERAGES])
    table.add_row(Text("model:", style="italic"))
    for which, label in (("predicted", "  predicted class"), ("oracle", "  true class")):
        _add_model_rows(table, label, metrics, which)
    for segments, label in (("predicted_segments", "predicted segments:"), ("oracle_segments", "true segments:")):
        table.add_section()
        table.add_row(Text(label, style="italic"))
        best = metrics["best_lookups"][segments]
        for lookup, figures in metrics["baselines"].items():
            cells = (figure(figures[segments][name]) + ("*" if best[name] == lookup else " ") for name in AVERAGES)
            table.add_row(f"  {lookup}", *cells)
    false_progress = metrics["progress"]["background_false_progress"]
    table.caption = f"* best look-up. Mean reported in the true background (0 is right): {figure(false_progress)}"
    return table


def per_class_table(per_class: Mapping[str, np.ndarray]) -> Table:
    """Progress error of the classes with most frames: the model beside the best look-up on predicted segments."""
    lookups = [name for name in SHORT_NAMES if f"{name}_on_predicted" in per_class]
    scored = np.flatnonzero(~np.isnan(per_class["constant_on_true"]))
    shown = sorted(scored[np.argsort(-per_class["frames"][scored], kind="stable")[:MOST_CLASSES]].tolist())
    heads = ["class", "frames", "recall", "prec.", "model", "oracle", "best look-up"]
    table = new_table("Progress error per class; look-ups on predicted segments", heads, names=("class",))
    table.columns[0].overflow, table.columns[0].max_width = "ellipsis", 24
    for row in shown:
        errors = {name: float(per_class[f"{name}_on_predicted"][row]) for name in lookups}
        best = min(errors, key=errors.__getitem__)
        model = float(per_class["progress_mae_predicted"][row])
        table.add_row(
            Text(str(per_class["name"][row])),
            str(per_class["frames"][row]),
            *(figure(float(per_class[name][row]), "{:.0%}".format) for name in ("accuracy", "precision")),
            _coloured(model, errors[best]),
            figure(float(per_class["progress_mae_oracle"][row])),
            f"{figure(errors[best])} {SHORT_NAMES[best]:<5}",
        )
    table.caption = "avg average_index, med median_index, dur mean_duration; /c per class"
    if len(scored) < len(per_class["name"]):
        table.caption += f"\n{len(scored)} of {len(per_class['name'])} classes are actions in the test videos"
    if len(shown) < len(scored):
        table.caption += f"\nthe {len(shown)} classes with most frames; all {len(scored)} are in per_class.csv"
    return table


def _add_model_rows(table: Table, label: str, metrics: dict[str, Any], which: str) -> None:
    figures, bounds = metrics["progress"][which], metrics["intervals"]["progress"][which]
    if figures is None:
        table.add_row(label, *(MISSING for _ in AVERAGES))
        return
    best = metrics["best_lookups"]["predicted_segments"] if which == "predicted" else dict.fromkeys(AVERAGES)
    limits = {name: at(metrics, ("baselines", best[name], "predicted_segments", name)) for name in AVERAGES}
    table.add_row(label, *(_coloured(figures[name], limits[name]) for name in AVERAGES), style="bold")
    table.add_row("  95 % interval", *(interval(bounds[name]) for name in AVERAGES), style="dim")


def _coloured(value: float | None, limit: float | None) -> Text:
    below = value is not None and limit is not None and value < limit
    return Text(figure(value) + " ", style="green" if below else "")
