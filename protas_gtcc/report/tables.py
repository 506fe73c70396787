"""The screen after an evaluation: skill and its meaning first, then tables at 80 columns, made from `metrics.json`.

A dash stands for a figure that is undefined. Progress errors are fractions. Intervals are 95 %, over people where the
dataset names them, else over videos.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from protas_gtcc.errors import plural
from protas_gtcc.metrics.evaluation import Evaluation
from protas_gtcc.report.detail_tables import breakdown_table, margin_table, methods_table, online_table
from protas_gtcc.report.figures import MISSING, Bounds, figure, fraction, percent
from protas_gtcc.report.procedure_scores import sentences
from protas_gtcc.report.ruler import interval_kind, ruler_table, two_digits
from protas_gtcc.report.screen import new_table

WIDTH = 80
ENTRIES = r" \[null: .*\]$"
"""The names of entries of `metrics.json` at the end of a note; the screen has a dash in their places."""
MOST_CLASSES = 20
"""Rows of the per-class table; the rest is in per_class.csv."""
HEADS = {
    "skill": "skill", "all_frames": "all", "r2": "R²", "frame": "frame", "macro": "macro", "video": "video",
    "segment": "segment",
}  # fmt: skip
"""Columns of the table of errors."""
SHORT_NAMES = {
    "half": "half",
    "best_constant": "best",
    "constant": "const",
    "average_index": "avg",
    "average_index_class": "avg/c",
    "median_index_class": "med/c",
    "mean_duration_class": "dur/c",
}
"""Look-ups in the per-class table, which leaves out `random`: about a third for every class."""


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print skill with its meaning, procedures in a few lines, then the other tables, and what is undefined and why."""
    metrics = evaluation.metrics
    console = console or Console(width=WIDTH, markup=False, emoji=False)
    console.print(heading(metrics))
    for table in TABLES:
        console.print(table(metrics))
        if table is ruler_table:
            console.print(*(Text(one) for one in sentences(metrics)), sep="\n")
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
    if metrics.get("task_given"):
        lines.append(Text("The true task of each video was given (--task-given)."))
    if "task" in metrics:
        frames, end = (figure(metrics["task"][name], "{:.1%}".format) for name in ("frame_accuracy", "end_accuracy"))
        lines.append(Text(f"Task inferred: right at {frames} of frames, and at the end of {end} of videos."))
    return Group(*lines)


def segmentation_table(metrics: dict[str, Any]) -> Table:
    """Segmentation scores in percent, with intervals."""
    scores, bounds = metrics["segmentation"], metrics["intervals"]["segmentation"]
    heads = {name: name.replace("acc_no_background", "acc no bg").replace("edit_merged", "merged") for name in scores}
    table = new_table(f"Segmentation, percent ({interval_kind(metrics)})", ["", *heads.values()])
    table.add_row("score", *(figure(score, percent) for score in scores.values()))
    for name, ends in _ends(bounds[score] for score in scores):
        table.add_row(name, *(figure(one, percent) for one in ends), style="dim")
    table.caption = (
        "acc: correct frames; no bg: without the background; edit: order of segments; "
        "merged: edit, where equal neighbours count once; f1@k: segments that overlap by k %"
    )
    return table


def progress_table(metrics: dict[str, Any]) -> Table:
    """Skill and the progress error in every average: the model, then each look-up on predicted and on true segments.

    A star marks the best look-up of either kind in each average.
    """
    table = new_table(
        "Skill, and progress error in every average; look-ups by the segments given", ["", *HEADS.values()]
    )
    table.add_row(Text("model:", style="italic"))
    for which, label in (("predicted", "  predicted class"), ("oracle", "  true class")):
        _add_model_rows(table, label, metrics, which)
    for segments, label in (("predicted_segments", "predicted segments:"), ("oracle_segments", "true segments:")):
        table.add_section()
        table.add_row(Text(label, style="italic"))
        best = metrics["best_lookups"][segments]
        for lookup, figures in metrics["baselines"].items():
            cells = (_cell(figures[segments], name) + ("*" if best.get(name) == lookup else " ") for name in HEADS)
            table.add_row(f"  {lookup}", *cells)
    table.caption = (
        "all: all frames, target 0 in the background; frame, macro, video, segment: action frames. * best look-up"
    )
    return table


def per_class_table(per_class: Mapping[str, np.ndarray]) -> Table:
    """Progress error of the classes with most frames: the model beside the best look-up on predicted segments."""
    lookups = [name for name in SHORT_NAMES if f"{name}_on_predicted" in per_class]
    scored = np.flatnonzero(~np.isnan(per_class["constant_on_true"]))
    shown = sorted(scored[np.argsort(-per_class["frames"][scored], kind="stable")[:MOST_CLASSES]].tolist())
    heads = ["class", "frames", "recall", "prec.", "model", "oracle", "class's best"]
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
    used = (f"{short} {name}" for name, short in SHORT_NAMES.items() if name in lookups and short != name)
    table.caption = ", ".join(used)
    if len(scored) < len(per_class["name"]):
        table.caption += f"\n{len(scored)} of {len(per_class['name'])} classes are actions in the test videos"
    if len(shown) < len(scored):
        table.caption += f"\nthe {len(shown)} classes with most frames; all {len(scored)} are in per_class.csv"
    return table


def _add_model_rows(table: Table, label: str, metrics: dict[str, Any], which: str) -> None:
    figures, bounds = metrics["progress"][which], metrics["intervals"]["progress"][which]
    if figures is None:
        table.add_row(label, *(MISSING for _ in HEADS))
        return
    table.add_row(label, *(f"{_cell(figures, name)} " for name in HEADS), style="bold")
    for end, ends in _ends(bounds[name] for name in HEADS):
        cells = (f"{_cell(dict(zip(HEADS, ends, strict=True)), name)} " for name in HEADS)
        table.add_row(f"  {end}", *cells, style="dim")


def _cell(figures: Mapping[str, Any], name: str) -> str:
    return figure(figures[name], two_digits if name in ("skill", "r2") else fraction)


def _ends(intervals: Iterable[Bounds]) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    """The row of lower ends and that of upper ones, None where there is no interval; no rows if all lack one."""
    pairs = [bounds or (None, None) for bounds in intervals]
    if any(low is not None for low, _ in pairs):
        yield from zip(("low", "high"), zip(*pairs, strict=True), strict=True)


def _coloured(value: float | None, limit: float | None) -> Text:
    below = value is not None and limit is not None and value < limit
    return Text(figure(value) + " ", style="green" if below else "")


TABLES: tuple[Callable[[dict[str, Any]], RenderableType], ...] = (
    ruler_table, segmentation_table, progress_table, methods_table, breakdown_table, online_table, margin_table,
)  # fmt: skip
"""Those of `metrics.json`, in their order on the screen."""
