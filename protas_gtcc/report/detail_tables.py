"""Tables of the detailed figures for the screen: every method within actions, errors by part, delays, curves, margin.

At most 80 columns wide, made from what `metrics.json` holds.
"""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.report.figures import Form, at, figure, form, interval
from protas_gtcc.report.screen import new_table

PREDICTORS = {
    "predicted": "model",
    "oracle": "oracle",
    "best_lookup_predicted_segments": "look-up",
    "best_lookup_oracle_segments": "look-up, true",
}
"""Column headings."""


def margin_table(metrics: dict[str, Any]) -> Table:
    """The margin over the best look-up in every average: a diagnostic, since the look-up has the model's segments."""
    heads = [name.replace("_", " ") for name in AVERAGES]
    table = new_table("Margin over the best look-up: its error less the model's", ["", *heads])
    for which in ("predicted", "oracle"):
        for label, name, written in ((which, "error", form("+.3f")), ("  share", "share", form("+.0%"))):
            paths = [("margin", which, average, name) for average in AVERAGES]
            table.add_row(label, *(figure(at(metrics, path), written) for path in paths))
            bounds = [at(metrics["intervals"], path) or (None, None) for path in paths]
            for end, of_all in zip(("    low", "    high"), zip(*bounds, strict=True), strict=True):
                if any(one is not None for one in of_all):
                    table.add_row(end, *(figure(one, written) for one in of_all), style="dim")
    table.caption = "share: the margin as a share of the look-up's error"
    return table


def methods_table(metrics: dict[str, Any]) -> Table:
    """Every method within true actions: rank correlation, error at the first and last frame, error by length."""
    length = "length_frames" if metrics["breakdowns"]["length_seconds"] is None else "length_seconds"
    parts = metrics["breakdowns"][length]
    unit = "frames" if length == "length_frames" else "seconds"
    heads = ["", "rank", "first", "last", *parts]
    table = new_table(f"Within actions: rank correlation, error at both ends, error by length ({unit})", heads)
    curves, two = metrics["curves"], form("z.2f")

    def add(label: str, shape: dict[str, Any] | None, errors: list[float | None]) -> None:
        ends = [at(shape, (name,)) for name in SHORT]
        table.add_row(label, *(figure(one, two) for one in (*ends, *errors)))

    for which, label in (("predicted", "model, predicted class"), ("oracle", "model, true class")):
        add(label, curves[which], [at(part, (which, "error")) for part in parts.values()])
    for segments, label in (("predicted_segments", "predicted segments:"), ("oracle_segments", "true segments:")):
        table.add_section()
        table.add_row(Text(label, style="italic"))
        for name, shape in curves["lookups"][segments].items():
            add(f"  {name}", shape, [part["lookups"][segments][name] for part in parts.values()])
    table.caption = "rank: Spearman's correlation of progress with time; first, last: error at the frame"
    return table


def breakdown_table(metrics: dict[str, Any]) -> Table:
    """Progress error by length of the action, true progress, occurrence, and by what is predicted."""
    breakdowns = metrics["breakdowns"]
    heads = ["part", "segments", "frames", *PREDICTORS.values(), "bias"]
    table = new_table(
        "Progress error by length, true progress, occurrence, and predicted class", heads, names=("part",)
    )
    length, unit = ("length_frames", "frames") if breakdowns["length_seconds"] is None else ("length_seconds", "s")
    for name, text in ((length, f"{{}} {unit}"), ("tenth", "at {}"), ("occurrence", "{}"), ("predicted", "{}")):
        for part, figures in breakdowns[name].items():
            if figures["frames"]:
                errors = [figure(at(figures, (one, "error"))) for one in PREDICTORS]
                bias = figure(at(figures, ("predicted", "bias")), form("+.3f"))
                table.add_row(text.format(part), f"{figures['segments']}", f"{figures['frames']}", *errors, bias)
        table.add_section()
    table.caption = (
        "last three rows: what the model predicts; look-ups: the best over frames; bias: reported less true progress"
    )
    return table


def online_table(metrics: dict[str, Any]) -> Table:
    """Delays, false starts, "finished", and the shape of the curves; with intervals."""
    unit = "seconds" if "first_delay_seconds" in metrics["online"] else "frames"
    seconds, share = form(".2f"), form(".0%")
    rows: dict[str, tuple[str, Form]] = {
        f"delay to the first correct label, {unit}": (f"online.first_delay_{unit}", seconds),
        f"delay to a stable label, {unit}": (f"online.stable_delay_{unit}", seconds),
        "actions never found": ("online.never_found", share),
        "actions never stable": ("online.never_stable", share),
        "false starts, share of predicted actions": ("online.false_start_share", share),
        f"finished: lead before the end, {unit}": (f"online.finished.predicted.lead_{unit}", form("+.2f")),
        "finished: never reported": ("online.finished.predicted.never", share),
        "rank correlation of progress with time": ("curves.predicted.rank_correlation", seconds),
        "steps in which progress falls": ("curves.predicted.fall_share", share),
        "fall within an action": ("curves.predicted.fall_depth", seconds),
        "error at the first frame": ("curves.predicted.first_error", seconds),
        "error at the last frame": ("curves.predicted.last_error", seconds),
        "reported at a predicted start": ("curves.predicted.change_start", seconds),
        "reported at a predicted end": ("curves.predicted.change_end", seconds),
    }
    if metrics["certainty"] is not None:
        rows["interval contains the truth (meant: 80%)"] = ("certainty.interval_coverage", share)
        rows["the same over all frames"] = ("certainty.interval_coverage_all_frames", share)
        rows["the same of an action's remaining time"] = ("certainty.remaining_coverage", share)
        rows["error of an action's remaining time, seconds"] = ("certainty.remaining_error_seconds", form(".1f"))
    table = new_table("Online behaviour and curves of the model (tables/definitions.csv)", ["", "figure", "95 %"])
    for label, (path, written) in rows.items():
        names = path.split(".")
        table.add_row(label, figure(at(metrics, names), written), interval(at(metrics["intervals"], names), written))
    return table
