"""The detailed figures of an evaluation: improvement over the best look-up, breakdowns, curves, online behaviour.

Of the predictors, four contend: the reported progress, progress of the true class, and the look-up with the least error
over frames on predicted and on true segments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from protas_gtcc.metrics.breakdowns import breakdown_figures
from protas_gtcc.metrics.curves import curve_figures
from protas_gtcc.metrics.improvement import best_lookups, improvement_figures
from protas_gtcc.metrics.online import finished_figures, online_figures
from protas_gtcc.metrics.progress import ProgressAverages, progress_averages
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums

ON_PREDICTED = ("predicted", "best_lookup_predicted_segments")
"""Contenders that need no truth."""
CONTENDERS = ("predicted", "oracle", "best_lookup_predicted_segments", "best_lookup_oracle_segments")


def best_lookup_names(rows: VideoRows) -> dict[str, dict[str, str | None]]:
    """The look-up with least error over these videos, for segments of either kind and every average, by name."""
    return {
        segments: {average: None if index is None else rows.lookups[index] for average, index in best.items()}
        for segments, best in _best_lookups(rows).items()
    }


def _best_lookups(rows: VideoRows) -> dict[str, dict[str, int | None]]:
    """Likewise, as numbers of look-ups."""
    totals = rows.progress.sum(axis=0)
    pooled = [progress_averages(total[None], len(rows.class_names)) for total in totals[2:]]
    count = len(rows.lookups)
    return {"predicted_segments": best_lookups(pooled[count:]), "oracle_segments": best_lookups(pooled[:count])}


def detailed_figures(rows: VideoRows, weights: np.ndarray, averages: list[ProgressAverages]) -> dict[str, Any]:
    """Improvement, breakdowns, curves and online figures, `[R]` each; `averages` are those of every predictor."""
    best, count = _best_lookups(rows), len(rows.lookups)
    on_true, on_predicted = averages[2 : 2 + count], averages[2 + count :]
    contenders = {
        "predicted": 0 if rows.has_progress else None,
        "oracle": 1 if rows.has_oracle else None,
        "best_lookup_predicted_segments": 2 + count + (best["predicted_segments"]["frame"] or 0),
        "best_lookup_oracle_segments": 2 + (best["oracle_segments"]["frame"] or 0),
    }
    of_prediction = ("predicted", "best_lookup_predicted_segments")

    def totals(statistics: np.ndarray, name: str) -> np.ndarray | None:
        index = contenders[name]
        return None if index is None else weighted_sums(statistics[:, index], weights)

    def each(names: Collection[str], statistics: np.ndarray, function: Callable[..., Any]) -> dict[str, Any]:
        found = {name: totals(statistics, name) for name in names}
        return {name: None if total is None else function(name, total) for name, total in found.items()}

    improvements = {
        "predicted": improvement_figures(averages[0], on_predicted, best["predicted_segments"]),
        "oracle": improvement_figures(averages[1], on_true, best["oracle_segments"]),
    }
    return {
        "improvement": {name: one if contenders[name] is not None else None for name, one in improvements.items()},
        "breakdowns": breakdown_figures({name: totals(rows.breakdowns, name) for name in contenders}, bool(rows.fps)),
        "curves": each(contenders, rows.curves, lambda name, total: curve_figures(total, name in of_prediction)),
        "online": {
            **online_figures(weighted_sums(rows.online, weights), rows.fps),
            "finished": each(of_prediction, rows.finished, lambda _, total: finished_figures(total, rows.fps)),
        },
    }


def notes_on_details(metrics: dict[str, Any], fps: float | None) -> list[str]:
    """One sentence for every kind of detailed figure that is undefined, from what `metrics.json` holds."""
    notes = []
    if not fps:
        notes.append("figures in seconds and an hour are null, delays count frames: frames per second are not known")
    parts = [part for breakdown in metrics["breakdowns"].values() if breakdown for part in breakdown.values()]
    empty = sum(not part["frames"] for part in parts)
    if empty:
        notes.append(f"{empty} of {len(parts)} parts in breakdowns hold no frame and have no errors")
    per_hour = () if fps else ("false_starts_per_hour", "false_per_hour")
    undefined = [
        ".".join(path) for name in ("curves", "online") for path in _undefined(metrics[name], (name,), per_hour)
    ]
    if undefined:
        notes.append(f"null, with nothing to be a mean of: {', '.join(undefined)}")
    return notes


def _undefined(tree: dict[str, Any], path: tuple[str, ...], known: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Paths of figures that are None, and not among those known to be; contenders that are None have none."""
    for name, branch in tree.items():
        if isinstance(branch, dict):
            yield from _undefined(branch, (*path, name), known)
        elif branch is None and name not in (*CONTENDERS, *known):
            yield (*path, name)
