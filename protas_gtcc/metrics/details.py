"""The detailed figures of an evaluation: improvement over the best look-up, breakdowns, curves, online, certainty.

Four predictors are compared: the reported progress, the progress of the true class, and the look-up with the least
error over frames, on predicted and on true segments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from protas_gtcc.metrics.breakdowns import breakdown_figures
from protas_gtcc.metrics.certainty import certainty_figures
from protas_gtcc.metrics.curves import curve_figures
from protas_gtcc.metrics.improvement import best_lookups, improvement_figures
from protas_gtcc.metrics.online import finished_figures, online_figures
from protas_gtcc.metrics.progress import ProgressAverages, progress_averages
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums

ON_PREDICTED = ("predicted", "best_lookup_predicted_segments")
"""Compared predictors that are given no truth."""
COMPARED = ("predicted", "oracle", "best_lookup_predicted_segments", "best_lookup_oracle_segments")


def best_lookup_names(rows: VideoRows) -> dict[str, dict[str, str | None]]:
    """The look-up with least error over these videos, for segments of either kind and every average, by name."""
    return {
        segments: {average: None if index is None else rows.lookups[index] for average, index in best.items()}
        for segments, best in _best_lookups(rows).items()
    }


def _best_lookups(rows: VideoRows) -> dict[str, dict[str, int | None]]:
    """The same, as numbers of look-ups."""
    totals = rows.progress.sum(axis=0)
    pooled = [progress_averages(total[None], len(rows.class_names)) for total in totals[2:]]
    count = len(rows.lookups)
    return {"predicted_segments": best_lookups(pooled[count:]), "oracle_segments": best_lookups(pooled[:count])}


def detailed_figures(rows: VideoRows, weights: np.ndarray, averages: list[ProgressAverages]) -> dict[str, Any]:
    """Improvement, breakdowns, curves, online and certainty, `[R]` each; `averages` are those of every predictor."""
    best = _best_lookups(rows)
    compared = _compared(rows, best)

    def totals(statistics: np.ndarray) -> dict[str, np.ndarray | None]:
        return {
            name: None if index is None else weighted_sums(statistics[:, index], weights)
            for name, index in compared.items()
        }

    curves, finished = totals(rows.curves), totals(rows.finished)
    return {
        "improvement": _improvements(rows, averages, best),
        "breakdowns": breakdown_figures(totals(rows.breakdowns), bool(rows.fps)),
        "curves": {
            name: None if total is None else curve_figures(total, at_changes=name in ON_PREDICTED)
            for name, total in curves.items()
        },
        "online": {
            **online_figures(weighted_sums(rows.online, weights), rows.fps),
            "finished": {
                name: None if (total := finished[name]) is None else finished_figures(total, rows.fps)
                for name in ON_PREDICTED
            },
        },
        "certainty": certainty_figures(weighted_sums(rows.certainty, weights)) if rows.certainty.any() else None,
    }


def _compared(rows: VideoRows, best: dict[str, dict[str, int | None]]) -> dict[str, int | None]:
    """Number of each compared predictor; None where the predictions do not have it."""
    first_on_predicted = 2 + len(rows.lookups)
    numbers = (
        0 if rows.has_progress else None,
        1 if rows.has_oracle else None,
        first_on_predicted + (best["predicted_segments"]["frame"] or 0),
        2 + (best["oracle_segments"]["frame"] or 0),
    )
    return dict(zip(COMPARED, numbers, strict=True))


def _improvements(
    rows: VideoRows, averages: list[ProgressAverages], best: dict[str, dict[str, int | None]]
) -> dict[str, Any]:
    on_true, on_predicted = averages[2 : 2 + len(rows.lookups)], averages[2 + len(rows.lookups) :]
    of_model = improvement_figures(averages[0], on_predicted, best["predicted_segments"])
    of_oracle = improvement_figures(averages[1], on_true, best["oracle_segments"])
    return {"predicted": of_model if rows.has_progress else None, "oracle": of_oracle if rows.has_oracle else None}


def notes_on_details(metrics: dict[str, Any], fps: float | None) -> list[str]:
    """One sentence for every kind of detailed figure that is undefined, from the content of `metrics.json`."""
    notes = []
    if not fps:
        notes.append("frames per second are unknown: delays are in frames, figures in seconds or per hour are null")
    parts = [part for breakdown in metrics["breakdowns"].values() if breakdown for part in breakdown.values()]
    empty = sum(not part["frames"] for part in parts)
    if empty:
        notes.append(f"{empty} of {len(parts)} parts of the breakdowns have no frame and so no error")
    if metrics["certainty"] is None:
        notes.append("certainty is null: the predictions have no interval of progress and no remaining time")
    per_hour = () if fps else ("false_starts_per_hour", "false_per_hour")
    undefined = [
        ".".join(path) for name in ("curves", "online") for path in _undefined(metrics[name], (name,), per_hour)
    ]
    if undefined:
        notes.append(f"null, because nothing can be averaged: {', '.join(undefined)}")
    return notes


def _undefined(tree: dict[str, Any], path: tuple[str, ...], known: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Paths of figures that are None, except the known ones and predictors that are absent."""
    for name, branch in tree.items():
        if isinstance(branch, dict):
            yield from _undefined(branch, (*path, name), known)
        elif branch is None and name not in (*COMPARED, *known):
            yield (*path, name)
