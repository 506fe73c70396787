"""Pictures of an evaluation: progress error by class, by length of the action and by true progress, and delays.

They are drawn from `metrics.json`. Bars are 95 % intervals; a point without a bar has no interval.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from protas_gtcc.metrics.online import HOLD_FRAMES, HOLD_SECONDS
from protas_gtcc.report.colours import shorten
from protas_gtcc.report.figures import at
from protas_gtcc.report.figures import figure as written
from protas_gtcc.report.fonts import drawable, font_for
from protas_gtcc.report.plots import DOTS_PER_INCH, save, tidy
from protas_gtcc.report.ruler import interval_kind

PERCENT = "{:.0%}".format
MOST_LETTERS = 60
"""Of a class's name beside its errors."""
LOOKS: dict[str, dict[str, Any]] = {
    "predicted": {"color": "#0072B2", "marker": "o"},
    "oracle": {"color": "#E69F00", "marker": "D"},
    "best_lookup_predicted_segments": {"color": "#555555", "marker": "s"},
    "best_lookup_oracle_segments": {"color": "#555555", "marker": "^", "markerfacecolor": "white", "linestyle": "--"},
}
"""Of the compared predictors."""


def plot_details(folder: Path | str, metrics: dict[str, Any]) -> None:
    """Draw `per_class.png`, `by_length.png`, `by_tenth.png` and `online.png` into the folder."""
    folder = Path(folder)
    plot_per_class(folder / "per_class.png", metrics)
    plot_by_length(folder / "by_length.png", metrics)
    plot_by_tenth(folder / "by_tenth.png", metrics)
    plot_online(folder / "online.png", metrics)


def plot_per_class(path: Path | str, metrics: dict[str, Any]) -> None:
    """Progress error of each class with its interval, PNG: predicted class, true class, best look-up.

    Classes are sorted by error, worst first; many classes are in two or three columns.
    """
    series = _per_class_series(metrics)
    errors = next(iter(series.values()))[0]
    names = sorted(errors, key=lambda name: errors[name] or 0.0)[::-1]
    num_columns = 1 + (len(names) > 40) + (len(names) > 90)
    num_rows = max(-(-len(names) // num_columns), 1)
    size = (8.0 if num_columns == 1 else 7.0 * num_columns, 1.9 + 0.3 * num_rows)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots(1, num_columns, sharex=True, squeeze=False)[0]
    for column, axis in enumerate(axes):
        _draw_classes(axis, names[column * num_rows : (column + 1) * num_rows], series, metrics)
        axis.set_ylim(num_rows - 0.5, -0.5)
    caption = f"bars: {interval_kind(metrics)}; none for a class that one shows"
    _finish(figure, path, metrics, "Progress error per class", caption, columns=len(series))


def plot_by_length(path: Path | str, metrics: dict[str, Any]) -> None:
    """Progress error by length of the action, and of a class's first and later segments in a video, PNG."""
    unit = "frames" if metrics["breakdowns"]["length_seconds"] is None else "seconds"
    figure = Figure(figsize=(11, 5), dpi=DOTS_PER_INCH, layout="constrained")
    by_length, by_occurrence = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1.2])
    for axis, name in ((by_length, f"length_{unit}"), (by_occurrence, "occurrence")):
        parts = _occurring(metrics, name)
        _draw_predictors(axis, metrics, name, "error")
        labels = [f"{part.replace('>=', '≥').replace('-', '–')}\n{parts[part]['segments']:,}" for part in parts]
        axis.set_xticks(range(len(parts)), labels)
        axis.set_xlim(-0.5, len(parts) - 0.5)
    by_length.set_xlabel(f"length of the true action, {unit}; below: number of segments")
    by_occurrence.set_xlabel("of the class, in the video")
    by_length.set_ylabel("mean |reported - true progress|")
    by_length.set_ylim(bottom=0)
    _finish(figure, path, metrics, "Progress error by length and occurrence of the action")


def plot_by_tenth(path: Path | str, metrics: dict[str, Any]) -> None:
    """Reported beside true progress, with the diagonal where both agree, and the error by tenth, PNG."""
    figure = Figure(figsize=(11, 5.6), dpi=DOTS_PER_INCH, layout="constrained")
    reliability, error = figure.subplots(1, 2)
    reliability.plot([0, 1], [0, 1], color="#BBBBBB", lw=1, zorder=1, label="reported = true")
    for axis, figure_name in ((reliability, "bias"), (error, "error")):
        _draw_predictors(axis, metrics, "tenth", figure_name)
        axis.set_xlabel("true progress")
        axis.set_xlim(0, 1)
    reliability.set_ylabel("mean reported progress")
    reliability.set_ylim(0, 1)
    reliability.set_aspect("equal")
    error.set_ylabel("mean |reported - true progress|")
    error.set_ylim(bottom=0)
    _finish(figure, path, metrics, "Reported and true progress")


def plot_online(path: Path | str, metrics: dict[str, Any]) -> None:
    """Share of true action segments with a correct, and with a stable, label within each delay, PNG."""
    online, intervals = metrics["online"], metrics["intervals"]["online"]
    unit = "seconds" if "first_delay_seconds" in online else "frames"
    hold = f"{HOLD_SECONDS:g} s" if unit == "seconds" else f"{HOLD_FRAMES} frames"
    figure = Figure(figsize=(8.5, 5.2), dpi=DOTS_PER_INCH, layout="constrained")
    axis = figure.subplots()
    for name, mean, text, colour, marker, shift in (
        ("found", "first_delay", "first correct label", "#E69F00", "o", -0.06),
        ("stable", "stable_delay", f"correct for {hold} or to the segment's end", "#0072B2", "s", 0.06),
    ):
        limits, bounds = online[f"{name}_within"], intervals[f"{name}_within"]
        ticks, places = np.arange(len(limits)), np.arange(len(limits)) + shift
        values = _numbers(limits.values())
        low, high = np.array([bound or (np.nan, np.nan) for bound in bounds.values()]).T
        delay, share = written(online[f"{mean}_{unit}"], "{:.2f}".format), written(online[f"never_{name}"], PERCENT)
        label = f"{text}: mean {delay} {unit}, never {share}"
        axis.vlines(places, low, high, color=colour, lw=1.6, alpha=0.55)
        axis.plot(places, values, color=colour, marker=marker, markersize=5, lw=1.6, label=label)
        axis.set_xticks(ticks, ["at once", *list(limits)[1:]])
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel(f"{unit} from the true start of the action, at most")
    axis.set_ylabel("share of true action segments")
    tidy(axis)
    false_starts = written(online["false_start_share"], PERCENT)
    unmatched = f"{false_starts} of predicted segments overlap no true segment of their class"
    caption = f"bars: {interval_kind(metrics)}; {unmatched}"
    _finish(figure, path, metrics, "Delay until the correct action is predicted", caption, columns=1)


def _draw_predictors(axis: Axes, metrics: dict[str, Any], breakdown: str, figure: str) -> None:
    """Every compared predictor over the parts of a breakdown; `bias` is drawn as mean reported progress."""
    parts, intervals = _occurring(metrics, breakdown), metrics["intervals"]["breakdowns"][breakdown]
    is_tenth, of_all = breakdown == "tenth", {part: at for at, part in enumerate(metrics["breakdowns"][breakdown])}
    true = _numbers(part["true_progress"] for part in parts.values())
    drawn = [name for name in LOOKS if any(part[name] is not None for part in parts.values())]
    for number, name in enumerate(drawn):
        values = _numbers(part[name][figure] for part in parts.values())
        bounds = np.array([intervals[part][name][figure] or (np.nan, np.nan) for part in parts]).reshape(-1, 2)
        base = true if figure == "bias" else 0
        shift = (number - (len(drawn) - 1) / 2) * (0.008 if is_tenth else 0.11)
        places = shift + np.array(
            [(of_all[part] + 0.5) / len(of_all) for part in parts] if is_tenth else range(len(parts))
        )
        joined = {} if breakdown != "occurrence" else {"linestyle": "none"}
        label = _name(name, metrics, "frame")
        axis.vlines(places, bounds[:, 0] + base, bounds[:, 1] + base, color=LOOKS[name]["color"], lw=1.6, alpha=0.55)
        axis.plot(places, values + base, markersize=5, lw=1.2, label=label, **(LOOKS[name] | joined))
    tidy(axis)


def _occurring(metrics: dict[str, Any], breakdown: str) -> dict[str, dict[str, Any]]:
    """The parts of a breakdown that have segments: no columns are empty."""
    return {name: part for name, part in metrics["breakdowns"][breakdown].items() if part["segments"]}


def _per_class_series(metrics: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Errors and intervals by class, of each predictor that is drawn."""
    best = metrics["best_lookups"]["predicted_segments"]["macro"] or "constant"
    paths = {
        "predicted": ("progress", "predicted"),
        "oracle": ("progress", "oracle"),
        "best_lookup_predicted_segments": ("baselines", best, "predicted_segments"),
    }
    return {
        name: (at(metrics, (*path, "per_class")), at(metrics["intervals"], (*path, "per_class")))
        for name, path in paths.items()
        if at(metrics, path) is not None
    }


def _draw_classes(
    axis: Axes,
    names: list[str],
    series: dict[str, tuple[dict[str, Any], dict[str, Any]]],
    metrics: dict[str, Any],
) -> None:
    for number, (predictor, (errors, intervals)) in enumerate(series.items()):
        rows = np.arange(len(names)) + (number - (len(series) - 1) / 2) * 0.26
        look, text = LOOKS[predictor], _name(predictor, metrics, "macro")
        low, high = np.array([intervals.get(name) or (np.nan, np.nan) for name in names]).reshape(-1, 2).T
        axis.hlines(rows, low, high, color=look["color"], lw=1.6, alpha=0.55)
        values = _numbers(errors[name] for name in names)
        axis.plot(values, rows, markersize=4.5, linestyle="none", label=text, **look)
    across, borders = axis.get_yaxis_transform(), np.arange(len(names) + 1)
    is_grey = borders % 2 == 0
    axis.fill_betweenx(borders - 0.5, is_grey, step="post", color="#F3F3F3", zorder=0, transform=across)
    axis.set_yticks([])
    for row, name in enumerate(names):
        # Not a tick, which is slow to draw. A dollar sign in a name begins no formula.
        look = {"fontsize": 9, "ha": "right", "va": "center", "parse_math": False}
        axis.text(-0.011, row, shorten(drawable(name), MOST_LETTERS), look, transform=across, font=font_for(name))
    axis.set_xlim(left=0)
    axis.grid(axis="x", color="#DDDDDD")
    axis.set_xlabel("mean |reported - target|")
    axis.spines[["top", "right", "left"]].set_visible(False)


def _name(predictor: str, metrics: dict[str, Any], average: str) -> str:
    names = {"predicted": "model, predicted class", "oracle": "model, true class"}
    if predictor in names:
        return names[predictor]
    segments = predictor.removeprefix("best_lookup_")
    lookup, given = metrics["best_lookups"][segments][average], segments.removesuffix("_segments")
    return f"best look-up over all, {given.replace('oracle', 'true')} segments: {lookup or 'none'}"


def _numbers(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _finish(
    figure: Figure, path: Path | str, metrics: dict[str, Any], title: str, caption: str = "", columns: int = 2
) -> None:
    kind = " (SIMULATED data)" if metrics["simulated"] else ""
    where = f"{title}, {metrics['dataset']}{kind}, split {metrics['split']}"
    below = caption or f"bars: {interval_kind(metrics)}; none for parts that one shows"
    title = f"{drawable(where)}\n{below}"
    figure.suptitle(title, fontsize=11, parse_math=False, font=font_for(where))
    handles, texts = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    save(figure, path)
