"""A summary of pooled runs (`runs.cross_validation.summarise`) as one Markdown table, and as rows of a CSV file.

Segmentation is in percent, progress errors are fractions; in brackets the 95 % interval. All runs of a summary are of
one dataset, so nothing is averaged over simulated and real videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from protas_gtcc.errors import plural
from protas_gtcc.metrics.breakdowns import PARTS
from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.report.figures import (
    MISSING,
    Form,
    at,
    bounded,
    bounds_at,
    excludes_zero,
    figure,
    fraction,
    line,
    percent,
    rule,
    share,
    value_at,
    with_interval,
)
from protas_gtcc.report.procedure_scores import FIGURES
from protas_gtcc.report.ruler import HALF, RULER, interval_kind, ruler_of, two_digits, verdict
from protas_gtcc.storage.csv_tables import Columns, columns_of

METHOD_FIGURES: dict[str, tuple[str, Form]] = {
    "skill": ("skill", two_digits),
    **{name: (f"progress error, {name.replace('_', ' ')}", fraction) for name in AVERAGES},
    "r2": ("R²", two_digits),
    "rank_correlation": ("rank correlation with time in true actions", two_digits),
    "first_error": ("progress error at the first frame of true actions", fraction),
    "last_error": ("progress error at the last frame of true actions", fraction),
}
"""Figures that the model and every look-up have: title and form."""
GIVEN = {"predicted": "predicted segments", "oracle": "true segments"}
MANY = 3
"""Kinds from which on an overview comes first."""
MOST_ON_SCREEN = 4
"""Kinds up to which a terminal shows a column for each; of more, it shows the overview alone."""


def markdown(summary: dict[str, Any]) -> str:
    """The table: a row for each figure; a column for each kind of run, then for each difference from its reference.

    Differences whose interval excludes 0 are bold. Those of other pairs are in the summary alone. With many kinds, an
    overview of the main figures comes first.
    """
    kinds, differences = summary["kinds"], _differences(summary)
    lines = [*_heading(summary)]
    if len(kinds) >= MANY:
        lines += [*_overview(kinds, differences), ""]
    lines += [*_columns(kinds, differences, _rows(summary)), "", *_verdicts(kinds), *_notes(summary)]
    return "\n".join(lines).rstrip() + "\n"


def main_figures(summary: dict[str, Any]) -> str:
    """What a person needs of `markdown`: its columns with the main figures alone, or of many kinds the overview."""
    kinds, differences = summary["kinds"], _differences(summary)
    lines = [*_heading(summary)]
    if len(kinds) > MOST_ON_SCREEN:
        lines += [*_overview(kinds, differences), ""]
    else:
        lines += [*_columns(kinds, differences, ((label, *entry) for label, entry in MAIN.items())), ""]
        lines += ["Bold: the 95 % interval of the difference excludes 0.", ""] if differences else []
        lines += _verdicts(kinds)
    return "\n".join([*lines, *_notes(summary)]).rstrip() + "\n"


def overview_heading(what: str) -> list[str]:
    """The first two lines of a table whose rows are made by `overview_row`."""
    return [line(what, list(OVERVIEW)), rule(len(OVERVIEW) + 1)]


def overview_row(name: str, scores: dict[str, Any], differences: dict[str, Any] | None) -> str:
    """The main figures of a kind; bold where the interval of the difference from its reference excludes 0."""
    cells = []
    for label, (path, form) in OVERVIEW.items():
        value, own = value_at(scores, path), bounds_at(scores, path)
        text = with_interval(value, own, form) if label == "skill" else figure(value, form)
        bounds = at(differences and differences["intervals"], path.split("."))
        cells.append(f"**{text}**" if excludes_zero(bounds) else text)
    return line(name, cells)


def long_table(summary: dict[str, Any]) -> Columns:
    """A row for each figure: its dotted path, value and interval; `minus` is blank for the figures of one kind."""
    kinds = [one | {"of": title, "minus": ""} for title, one in summary["kinds"].items()]
    rows = []
    for one in (*kinds, *summary["differences"]):
        for path, value in leaves({name: branch for name, branch in one.items() if name != "intervals"}):
            if isinstance(value, float):
                head = {"of": one["of"], "minus": one["minus"], "figure": ".".join(path)}
                rows.append(head | bounded(value, at(one["intervals"], path)))
    return columns_of(rows)


def _overview(kinds: dict[str, Any], differences: list[dict[str, Any]]) -> list[str]:
    of_kind = {one["of"]: one for one in differences}
    rows = [overview_row(title, one, of_kind.get(title)) for title, one in kinds.items()]
    note = (
        f"Bold: the 95 % interval of the difference from {next(iter(kinds))} excludes 0; controls are compared with "
        "the same model on the features. Skill has its 95 % interval in brackets."
    )
    return [*overview_heading("kind"), *rows, "", note]


def _differences(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of each kind from the one that it is compared with."""
    references = {title: one["compared_with"] for title, one in summary["kinds"].items()}
    return [one for one in summary["differences"] if one["minus"] == references[one["of"]]]


def _columns(
    kinds: dict[str, Any], differences: list[dict[str, Any]], rows: Iterable[tuple[str, str, Form]]
) -> Iterator[str]:
    """A table with a column for each kind, then for each difference."""
    heads = [
        f"{title} ({plural(len(one['runs']), 'run')}, {plural(one['num_videos'], 'video')})"
        for title, one in kinds.items()
    ]
    heads += [f"{one['of']} − {one['minus']} ({plural(one['num_videos'], 'video')})" for one in differences]
    yield from (line(_interval_heading(next(iter(kinds.values()))), heads), rule(len(heads) + 1))
    for label, path, form in rows:
        if not path:
            yield line(f"**{label}**", [""] * len(heads))
            continue
        cells = [_cell(one, path, form) for one in kinds.values()]
        cells += [_cell(one, path, form, is_difference=True) for one in differences]
        yield line(label, cells)


def _verdicts(kinds: dict[str, Any]) -> list[str]:
    return [f"- {title}: {verdict(one)}" for title, one in kinds.items()]


def _notes(summary: dict[str, Any]) -> list[str]:
    return [f"- {note}" for note in summary["notes"]]


def _interval_heading(kind: dict[str, Any]) -> str:
    words = interval_kind(kind)
    return words if words.startswith("no") else f"{words} and seeds in brackets"


def _heading(summary: dict[str, Any]) -> Iterator[str]:
    splits = sorted({run["split"] for one in summary["kinds"].values() for run in one["runs"]})
    yield f"{summary['dataset']}, test videos of split{'s' * (len(splits) > 1)} {', '.join(splits)}, pooled."
    if summary["simulated"]:
        yield "SIMULATED DATA: these figures say nothing about real video."
    yield ""


def _rows(summary: dict[str, Any]) -> Iterator[tuple[str, str, Form]]:
    """(label, dotted path, form) of each row; a section's heading has no path."""
    first = next(iter(summary["kinds"].values()))
    yield "skill, and the figures beside it", "", str
    for label, (path, form) in ruler_of(first).items():
        yield label, path, form
    yield "segmentation, percent", "", str
    for name in first["segmentation"]:
        yield name.replace("_", " "), f"segmentation.{name}", percent
    if any(one.get("procedure") for one in summary["kinds"].values()):
        yield "procedure (the look-up is given the true steps so far)", "", str
        for label, (path, form) in FIGURES.items():
            yield label, path, form
    yield "action frames by what is predicted: share, and progress error", "", str
    for part in PARTS["predicted"]:
        yield f"{part}: share", f"breakdowns.predicted.{part}.share", share
        yield f"{part}: error", f"breakdowns.predicted.{part}.predicted.error", fraction
    for name, (title, form) in METHOD_FIGURES.items():
        yield title, "", str
        yield from _of_every_method(first, name, form)
        for which, given in GIVEN.items() if name in AVERAGES else ():
            yield f"margin over the best look-up on {given}", f"margin.{which}.{name}.error", fraction
            yield "the same, share of the look-up's error", f"margin.{which}.{name}.share", share


def _of_every_method(scores: dict[str, Any], name: str, form: Form) -> Iterator[tuple[str, str, Form]]:
    """A row for the model's two kinds of progress, and for each look-up on both kinds of segments."""
    is_shape = name in SHORT
    for which, given in (("predicted", "predicted class"), ("oracle", "true class")):
        yield f"model, {given}", f"{'curves' if is_shape else 'progress'}.{which}.{name}", form
    for which, given in GIVEN.items():
        for lookup in scores["baselines"]:
            own = f"curves.lookups.{which}_segments.{lookup}" if is_shape else f"baselines.{lookup}.{which}_segments"
            yield f"`{lookup}`, {given}", f"{own}.{name}", form


def _cell(one: dict[str, Any], path: str, form: Form, is_difference: bool = False) -> str:
    if is_difference and (".oracle_segments." in path or path.startswith("procedure.lookups.")):
        return ""  # the same look-ups on the same segments, or true steps
    value, interval = at(one, path.split(".")), at(one["intervals"], path.split("."))
    if value is None:
        return MISSING
    text = with_interval(value, interval, form)
    if is_difference and excludes_zero(interval):
        text = f"**{text}**"
    section, *rest = path.split(".")
    if section != "margin" or rest[-1] != "error":
        return text
    lookup = at(one, ["best_lookups", f"{rest[0]}_segments", rest[1]])  # differences have none
    return f"{text} (`{lookup}`)" if lookup else text


OVERVIEW: dict[str, tuple[str, Form]] = {
    **{label: entry for label, entry in RULER.items() if not label.endswith(", frames")},
    "acc": ("segmentation.acc", percent),
    "edit": ("segmentation.edit", percent),
    "F1@10": ("segmentation.f1@10", percent),
    "F1@50": ("segmentation.f1@50", percent),
}
"""Columns of an overview: where each is in the pooled scores, and how it is written."""
MAIN: dict[str, tuple[str, Form]] = {
    **{label: RULER[label] for label in list(RULER)[: 1 + list(RULER).index(HALF)]},
    **{f"{label}, percent": (f"segmentation.{label.lower()}", percent) for label in ("acc", "edit")},
    **{f"F1@{share}, percent": (f"segmentation.f1@{share}", percent) for share in (10, 25, 50)},
}
"""Rows of a table of main figures: those of the ruler down to 0.5 everywhere, and the segmentation."""
