"""The figures that come first in every table: skill, and what is read beside it. And what they mean, in words.

They are found by their path in `metrics.json`, or in the pooled scores of several runs, which are nested alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from protas_gtcc.errors import plural
from protas_gtcc.metrics.lookups import PER_CLASS
from protas_gtcc.report.figures import Form, at, bounds_at, figure, form, fraction, interval, percent, value_at
from protas_gtcc.report.screen import new_table

Scores = Mapping[str, Any]
two_digits = form("z.2f")
""".38"""
RULER: dict[str, tuple[str, Form]] = {
    "skill": ("progress.predicted.skill", two_digits),
    "skill of 0.5 in actions": ("baselines.constant.predicted_segments.skill", two_digits),
    "error, all frames": ("progress.predicted.all_frames", fraction),
    "error, action frames": ("progress.predicted.frame", fraction),
    "0.5 everywhere, action frames": ("baselines.half.predicted_segments.frame", fraction),
    "false progress, background": ("progress.background_false_progress", fraction),
    "R²": ("progress.predicted.r2", two_digits),
    "rank correlation": ("curves.predicted.rank_correlation", two_digits),
    "never finished": ("online.finished.predicted.never", form(".0%")),
    "finished: lead, seconds": ("online.finished.predicted.lead_seconds", form("+z.1f")),
    "finished: lead, frames": ("online.finished.predicted.lead_frames", form("+z.1f")),
}
"""By label the path of each figure, and how it is written. Leads are in seconds, or in frames where fps is unknown."""
SEGMENTATION = {"accuracy": "segmentation.acc", "edit": "segmentation.edit", "F1@50": "segmentation.f1@50"}
"""Those of the segmentation that stand beside them, in percent."""
HALF = "0.5 everywhere, action frames"
"""The label that is shown beside the model's error over action frames."""


def ruler_of(scores: Scores) -> dict[str, tuple[str, Form]]:
    """The entries of `RULER` that these scores can have."""
    seconds = "first_delay_seconds" in scores["online"]
    other = f"finished: lead, {'frames' if seconds else 'seconds'}"
    return {label: entry for label, entry in RULER.items() if label != other}


def ruler_table(metrics: Scores) -> RenderableType:
    """The first table on the screen, and below it what it means."""
    table = new_table(
        f"Skill, and the figures beside it ({interval_kind(metrics)})", ["", "model", "95 %", "beside it"]
    )
    table.columns[3].justify = "left"
    beside = _beside(metrics)
    for label, (path, written) in ruler_of(metrics).items():
        if label != HALF:
            cells = figure(value_at(metrics, path), written), interval(bounds_at(metrics, path), written)
            table.add_row(label, *cells, beside.get(label, ""), style="bold" if label == "skill" else "")
    table.add_section()
    for label, path in SEGMENTATION.items():
        cells = figure(value_at(metrics, path), percent), interval(bounds_at(metrics, path), percent)
        table.add_row(f"{label}, percent", *cells, "")
    table.caption = "constant: the best one; look-up: the best per class, given the true segments"
    return Group(table, Text(verdict(metrics), style="bold"))


def verdict(scores: Scores) -> str:
    """What skill and the errors mean, and whether a constant has less error."""
    own = at(scores, ("progress", "predicted"))
    if not own or own["frame"] is None:
        return "There is no progress error to judge: only the segmentation is scored."
    return f"{_on_skill(scores)} {_on_constants(scores)}".rstrip()


def clusters(scores: Scores) -> str:
    """What intervals are over, and how many: people where all are known, else videos."""
    people = scores.get("num_people")
    if people is None:
        return plural(scores["num_videos"], "video")
    return "1 person" if people == 1 else f"{people} people"


def interval_kind(scores: Scores) -> str:
    """What the intervals beside figures are, or why there are none."""
    over = clusters(scores)
    return f"no intervals: {over}" if over.startswith("1 ") else f"95 % over {over}"


def references(scores: Scores) -> tuple[float | None, float | None]:
    """Errors over all frames that skill compares with: of the best constant, of the best look-up given the truth."""
    errors = {name: at(scores, ("baselines", name, "oracle_segments", "all_frames")) for name in PER_CLASS}
    known = [error for error in errors.values() if error is not None]
    return at(scores, ("baselines", "best_constant", "oracle_segments", "all_frames")), min(known, default=None)


def _on_skill(scores: Scores) -> str:
    path = RULER["skill"][0]
    skill, bounds = value_at(scores, path), bounds_at(scores, path)
    if skill is None:
        return "Skill is undefined; a note says why."
    counting = "the best look-up that is given the class and the start of every action"
    if skill >= 1:
        sentence = f"Skill {two_digits(skill)}: over all frames, the error is not above that of {counting}."
    elif skill > 0:
        share = f"{100 * skill:.0f} % of the way"
        sentence = (
            f"Skill {two_digits(skill)}: over all frames, the error is {share} from the best constant to {counting}."
        )
    else:
        sentence = f"Skill {two_digits(skill)}: over all frames, the model has no less error than the best constant."
    if bounds is not None and bounds[0] <= 0 < skill:
        return f"{sentence} The 95 % interval of skill includes 0."
    return sentence


def _on_constants(scores: Scores) -> str:
    """A constant that has less error, or as much as can be shown, is named with it."""
    own, (constant, _) = scores["progress"]["predicted"], references(scores)
    in_actions = at(scores, ("baselines", "constant", "predicted_segments", "all_frames"))
    half, bounds = value_at(scores, RULER[HALF][0]), bounds_at(scores, RULER["error, action frames"][0])
    compared = (
        ("over all frames", "the best constant", constant, own["all_frames"]),
        ("over all frames", "0.5 where an action is predicted", in_actions, own["all_frames"]),
        ("over action frames", "0.5 everywhere", half, own["frame"]),
    )
    found: dict[tuple[str, float], list[str]] = {}
    for where, name, error, model in compared:
        if error is not None and round(error - model, 3) <= 0:
            found.setdefault((where, model), []).append(f"{name} {fraction(error)}")
    if found:
        places = [f"{where} ({', '.join(names)}, model {fraction(model)})" for (where, model), names in found.items()]
        return f"A constant is as good or better {' and '.join(places)}."
    others = [name for _, name, error, _ in compared if error is not None]
    sentence = f"{', '.join(others[:-1])} and {others[-1]} have more error.".capitalize()
    if bounds is not None and half is not None and half <= bounds[1]:
        return f"{sentence} But over action frames, the 95 % interval includes 0.5 everywhere ({fraction(half)})."
    return sentence


def _beside(metrics: Scores) -> dict[str, str]:
    constant, given_truth = references(metrics)
    half = value_at(metrics, RULER[HALF][0])
    return {
        "skill": "0 constant, 1 look-up",
        "skill of 0.5 in actions": "in predicted ones; else 0",
        "error, all frames": f"constant {figure(constant)} look-up {figure(given_truth)}",
        "error, action frames": f"0.5 everywhere {figure(half)}",
        "false progress, background": "0 is right",
        "R²": "1 is perfect",
        "rank correlation": "1 is perfect",
        "never finished": "of true actions",
        "finished: lead, seconds": "late is negative",
        "finished: lead, frames": "late is negative",
    }
