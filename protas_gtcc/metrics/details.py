"""The detailed figures of an evaluation: improvement over the best look-up, breakdowns, curves, online, certainty.

Four predictors are compared: the reported progress, the progress of the true class, and the look-up with the least
error over frames, on predicted and on true segments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protas_gtcc.metrics.breakdowns import breakdown_figures
from protas_gtcc.metrics.certainty import certainty_figures
from protas_gtcc.metrics.curves import curve_figures
from protas_gtcc.metrics.improvement import best_lookups, improvement_figures
from protas_gtcc.metrics.intervals import leaves
from protas_gtcc.metrics.online import finished_figures, online_figures
from protas_gtcc.metrics.progress import Averages
from protas_gtcc.metrics.video_rows import VideoRows, weighted_sums

ON_PREDICTED = ("predicted", "best_lookup_predicted_segments")
"""Compared predictors that are given no truth."""
COMPARED = ("predicted", "oracle", "best_lookup_predicted_segments", "best_lookup_oracle_segments")


def detailed_figures(rows: VideoRows, weights: np.ndarray, averages: list[Averages]) -> dict[str, Any]:
    """Improvement, breakdowns, curves, online and certainty, `[R]` each; `averages` are those of every predictor."""
    best, lookups = best_lookups(rows), rows.by_lookup(averages)
    compared = _compared(rows, best)

    def totals(statistics: np.ndarray) -> dict[str, np.ndarray | None]:
        return {
            name: None if index is None else weighted_sums(statistics[:, index], weights)
            for name, index in compared.items()
        }

    def improvement(predictor: int, segments: str) -> dict[str, Any]:
        return improvement_figures(averages[predictor], lookups[segments], best[segments])

    curves, finished = totals(rows.curves), totals(rows.finished)
    return {
        "improvement": {
            "predicted": improvement(0, "predicted_segments") if rows.has_progress else None,
            "oracle": improvement(1, "oracle_segments") if rows.has_oracle else None,
        },
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


def _compared(rows: VideoRows, best: dict[str, dict[str, str | None]]) -> dict[str, int | None]:
    """Number of each compared predictor; None where the predictions do not have it."""
    numbers = rows.by_lookup(range(rows.progress.shape[1]))
    lookups = [of_kind[best[segments]["frame"] or rows.lookups[0]] for segments, of_kind in numbers.items()]
    model = (0 if rows.has_progress else None, 1 if rows.has_oracle else None)
    return dict(zip(COMPARED, (*model, *lookups), strict=True))


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
    known = COMPARED if fps else (*COMPARED, "false_starts_per_hour", "false_per_hour")
    figures = leaves({name: metrics[name] for name in ("curves", "online")})
    undefined = [".".join(path) for path, value in figures if value is None and path[-1] not in known]
    if undefined:
        notes.append(f"null, because nothing can be averaged: {', '.join(undefined)}")
    return notes
