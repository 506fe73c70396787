"""Tables of the detailed figures for the screen: improvement, error by length and true progress, delays.

At most 100 columns wide, made from what `metrics.json` holds; in brackets the 95 % interval over videos.
"""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from protas_gtcc.metrics.improvement import AVERAGES

CONTENDERS = {
    "predicted": "model",
    "oracle": "oracle",
    "best_lookup_predicted_segments": "look-up",
    "best_lookup_oracle_segments": "look-up, true",
}
"""Column headings."""


def improvement_table(metrics: dict[str, Any]) -> Table:
    """By how much the model's progress error is below the best look-up's, in every average."""
    table = _table("Better than counting? Progress error of the best look-up less the model's, as such and as share")
    table.add_column("", no_wrap=True)
    for average in AVERAGES:
        table.add_column(average, justify="right", no_wrap=True)
    for which in ("predicted", "oracle"):
        figures, intervals = metrics["improvement"][which], metrics["intervals"]["improvement"][which]
        for label, name, form in ((which, "error", "+.3f"), ("  share", "share", "+.0%")):
            table.add_row(label, *(_cell(figures, intervals, average, name, form) for average in AVERAGES))
    return table


def breakdown_table(metrics: dict[str, Any]) -> Table:
    """Progress error by length of the action, by true progress, and of first and repeated actions."""
    breakdowns = metrics["breakdowns"]
    table = _table("Progress error by length, by true progress, and by occurrence in the video")
    for name in ("part", "segments", "frames", *CONTENDERS.values(), "bias"):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    length, unit = ("length_frames", "frames") if breakdowns["length_seconds"] is None else ("length_seconds", "s")
    for name, text in ((length, f"{{}} {unit}"), ("tenth", "at {}"), ("occurrence", "{}")):
        for part, figures in breakdowns[name].items():
            if figures["frames"]:
                errors = [_figure(figures[one] and figures[one]["error"], ".3f") for one in CONTENDERS]
                bias = _figure(figures["predicted"] and figures["predicted"]["bias"], "+.3f")
                table.add_row(text.format(part), f"{figures['segments']}", f"{figures['frames']}", *errors, bias)
        table.add_section()
    table.caption = "best look-up over frames, on predicted and on true segments; bias: model's reported less true"
    return table


def online_table(metrics: dict[str, Any]) -> Table:
    """Delays, false starts, "finished", and the shape of the curves; with intervals."""
    online, curves = metrics["online"], metrics["curves"]
    bounds, curve_bounds = metrics["intervals"]["online"], metrics["intervals"]["curves"]
    unit = "seconds" if "first_delay_seconds" in online else "frames"
    table = _table(f"Online behaviour ({unit}) and curves of the model; what each is: tables/definitions.csv")
    table.show_header = False
    for _ in range(2):
        table.add_column("")
        table.add_column("", justify="right", no_wrap=True)
    said, said_bounds = online["finished"], bounds["finished"]
    left = [
        ("delay to a right label", _cell_of(online, bounds, f"first_delay_{unit}", ".2f")),
        ("delay to a stable label", _cell_of(online, bounds, f"stable_delay_{unit}", ".2f")),
        ("never found", _cell_of(online, bounds, "never_found", ".0%")),
        ("never stable", _cell_of(online, bounds, "never_stable", ".0%")),
        ("false starts, share", _cell_of(online, bounds, "false_start_share", ".0%")),
        ("finished: ahead of the end", _cell(said, said_bounds, "predicted", f"lead_{unit}", "+.2f")),
        ("finished: never said", _cell(said, said_bounds, "predicted", "never", ".0%")),
    ]
    right = [
        (text, _cell(curves, curve_bounds, "predicted", name, ".0%" if name == "fall_share" else ".2f"))
        for name, text in (
            ("rank_correlation", "rank correlation with time"),
            ("fall_share", "steps that fall"),
            ("fall_depth", "fall an action"),
            ("first_error", "error at the first frame"),
            ("last_error", "error at the last frame"),
            ("change_start", "said at a predicted start"),
            ("change_end", "said at a predicted end"),
        )
    ]
    certainty, sure_bounds = metrics["certainty"], metrics["intervals"]["certainty"]
    if certainty is not None:
        left += [("interval covers (want 80%)", _cell_of(certainty, sure_bounds, "interval_coverage", ".0%"))]
        right += [
            ("error of the time that remains, s", _cell_of(certainty, sure_bounds, "remaining_error_seconds", ".1f"))
        ]
    for pair in zip(left, right, strict=True):
        table.add_row(*(text for entry in pair for text in entry))
    return table


def _cell(figures: Any, intervals: Any, name: str, figure: str, form: str) -> str:
    """A figure two levels down, either of which may be None."""
    if figures is None or figures[name] is None:
        return "–"
    return _cell_of(figures[name], intervals[name], figure, form)


def _cell_of(figures: dict[str, Any], intervals: dict[str, Any], name: str, form: str) -> str:
    interval, plain = intervals[name], form.removeprefix("+")
    bounds = "" if interval is None else f" [{_figure(interval[0], plain)} {_figure(interval[1], plain)}]"
    return _figure(figures[name], form) + bounds


def _figure(value: float | None, form: str) -> str:
    if value is None:
        return "–"
    text = format(value, form)
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
