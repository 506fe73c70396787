"""The detailed figures of an evaluation: margin over the best look-up, breakdowns, curves, online, certainty.

Four predictors are compared: the reported progress, the progress of the true class, and the look-up with the least
error over frames, on predicted and on true segments. Every look-up has its error by length of the segment, and its rank
correlation and errors at the first and last frame: `lookups` holds them by the segments given, then by name.

The margin over the best look-up is the look-up's progress error less the model's, in every average. The reported
progress (`predicted`) is compared with the best look-up on the model's own predicted segments. The progress of the true
class (`oracle`) is compared with the best one on the true segments. Which look-up is best is decided once for each
average, on all videos together and not again without some of them. So the interval belongs to the difference of two
fixed predictors, which lose the same videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protas_gtcc.metrics import breakdowns, certainty, curves, online, procedure, progress
from protas_gtcc.metrics.lookups import PER_CLASS
from protas_gtcc.metrics.progress import AVERAGES, Averages, progress_averages
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums

Definition = tuple[str, str]
"""Unit and meaning of a figure."""
DEFINITIONS: dict[str, Definition] = {
    **progress.DEFINITIONS,
    "margin.*.*.error": (
        "fraction",
        "Margin over the best look-up: its progress error less the model's, in the average named; above 0 the model's "
        "is lower.",
    ),
    "margin.*.*.share": (
        "fraction",
        "The margin as a share of the look-up's error, in the average named.",
    ),
    **breakdowns.DEFINITIONS,
    **curves.DEFINITIONS,
    **online.DEFINITIONS,
    **certainty.DEFINITIONS,
    **procedure.IN_METRICS,
}
"""By path in `metrics.json`, such as `curves.*.fall_share`; `*` stands for any one name."""
ON_PREDICTED = ("predicted", "best_lookup_predicted_segments")
"""Compared predictors that are given no truth."""
COMPARED = ("predicted", "oracle", "best_lookup_predicted_segments", "best_lookup_oracle_segments")


def best_lookups(rows: VideoRows) -> dict[str, dict[str, str | None]]:
    """For segments of either kind and every average, the name of the look-up with least error over all videos.

    Of equal errors the first; None if none has an error.
    """
    averages = [progress_averages(total[None], len(rows.class_names)) for total in rows.progress.sum(axis=0)]
    best: dict[str, dict[str, str | None]] = {}
    for segments, lookups in rows.by_lookup(averages).items():
        errors = {average: {name: one[average][0] for name, one in lookups.items()} for average in AVERAGES}
        best[segments] = {average: _least(of_lookups) for average, of_lookups in errors.items()}
    return best


def skill_lookups(rows: VideoRows) -> tuple[int, int] | None:
    """Numbers of the two predictors that skill compares with, chosen on all videos; None where they are not fitted.

    They are the best constant, and the per-class look-up with the least error over all frames given the true segments.
    """
    numbers = rows.by_lookup(range(rows.progress.shape[1]))["oracle_segments"]
    if "best_constant" not in numbers:
        return None
    counting = [numbers[name] for name in PER_CLASS]
    errors = progress_averages(rows.progress.sum(axis=0)[counting], len(rows.class_names))["all_frames"]
    return numbers["best_constant"], counting[int(np.argmin(errors))]


def detailed_figures(rows: VideoRows, weights: np.ndarray, averages: list[Averages]) -> dict[str, Any]:
    """Margin, breakdowns, curves, online and certainty, `[R]` each; `averages` are those of every predictor."""
    best, lookups = best_lookups(rows), rows.by_lookup(averages)
    compared = _compared(rows, best)

    def totals(statistics: np.ndarray) -> dict[str, np.ndarray | None]:
        return {
            name: None if index is None else weighted_sums(statistics[:, index], weights)
            for name, index in compared.items()
        }

    def margin(predictor: int, segments: str) -> dict[str, Any]:
        return _margin_figures(averages[predictor], lookups[segments], best[segments])

    finished, certain = totals(rows.finished), weighted_sums(rows.certainty, weights)
    return {
        "margin": {
            "predicted": margin(0, "predicted_segments") if rows.has_progress else None,
            "oracle": margin(1, "oracle_segments") if rows.has_oracle else None,
        },
        "breakdowns": breakdowns.breakdown_figures(
            totals(rows.breakdowns), bool(rows.fps), rows.by_lookup(_by_predictor(rows.breakdowns, weights))
        ),
        "curves": {
            **{
                name: None if total is None else curves.curve_figures(total, at_changes=name in ON_PREDICTED)
                for name, total in totals(rows.curves).items()
            },
            "lookups": rows.by_lookup([curves.short_figures(total) for total in _by_predictor(rows.curves, weights)]),
        },
        "online": {
            **online.online_figures(weighted_sums(rows.online, weights), rows.fps),
            "finished": {
                name: None if (total := finished[name]) is None else online.finished_figures(total, rows.fps)
                for name in ON_PREDICTED
            },
        },
        "certainty": certainty.certainty_figures(certain) if rows.certainty.any() else None,
    }


def _by_predictor(statistics: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Weighted sums over videos of statistics `[V, P, …]`, `[R, …]` of each predictor."""
    return list(np.moveaxis(weighted_sums(statistics, weights), 1, 0))


def _compared(rows: VideoRows, best: dict[str, dict[str, str | None]]) -> dict[str, int | None]:
    """Number of each compared predictor; None where the predictions do not have it."""
    numbers = rows.by_lookup(range(rows.progress.shape[1]))
    lookups = [of_kind[best[segments]["frame"] or rows.lookups[0]] for segments, of_kind in numbers.items()]
    model = (0 if rows.has_progress else None, 1 if rows.has_oracle else None)
    return dict(zip(COMPARED, (*model, *lookups), strict=True))


def _margin_figures(
    model: Averages, lookups: Mapping[str, Averages], best: Mapping[str, str | None]
) -> dict[str, dict[str, np.ndarray] | None]:
    """For every average `error` and `share`, `[R]` each; None where no look-up has an error."""
    return {
        average: None if name is None else _margin(model[average], lookups[name][average])
        for average, name in best.items()
    }


def _least(errors: Mapping[str, float]) -> str | None:
    defined = [name for name, error in errors.items() if not np.isnan(error)]
    return min(defined, key=errors.__getitem__, default=None)


def _margin(model: np.ndarray, lookup: np.ndarray) -> dict[str, np.ndarray]:
    difference = lookup - model
    # There is no share of an error of 0.
    return {"error": difference, "share": np.where(lookup > 0, difference / np.where(lookup > 0, lookup, 1), np.nan)}


def definition_of(path: Sequence[str], definitions: Mapping[str, Definition] = DEFINITIONS) -> Definition | None:
    """Definition of the figure at a path such as ("curves", "oracle", "fall_share"); None if there is none."""
    for pattern, definition in definitions.items():
        names = pattern.split(".")
        if len(names) == len(path) and all(name in ("*", one) for name, one in zip(names, path, strict=True)):
            return definition
    return None
