"""The done list: F1, delay and procedure order similarity (POS), as IndustReal defines them.

A completion is the end of a step's last segment. A report that the step is done is a *true positive* if it comes at or
after the completion, however late. It is a *false positive* if it comes before, or if the step is not completed. A
completed step that is never reported is a *false negative*; one that is reported too early is none, since it is
counted as a false positive. F1 = 2 TP / (2 TP + FP + FN). The delay is that of true positives.

POS compares the order of all reports with that of all completions:

    POS = 1 - min(distance / number of completions, 1)

The distance is Damerau and Levenshtein's without restriction: inserting, deleting and swapping two neighbours cost 1,
replacing costs 2. F1 and POS are means over recordings.

Schoonbeek et al., "IndustReal: A Dataset for Procedure Step Recognition Handling Execution Errors in Egocentric Videos
in an Industrial-Like Setting" (WACV 2024), section on procedure step recognition, and their `PSR/psr_utils.py`, with
three differences. There, F1 has 1e-6 in its denominators. A recording without a true positive has a delay of 100
frames; here it has none. And where a step is reported too early, they may take the time of another step's report, so
that the false positive becomes a true one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.metrics.procedure_medians import Delays, delay_figures
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import DONE, Event

STATISTICS = (
    "completions",
    "true_positives",
    "false_positives",
    "false_negatives",
    "f1_videos",
    "f1",
    "pos_videos",
    "pos",
)
DEFINITIONS = {
    "done.f1": (
        "fraction",
        "F1 of the steps reported as done, mean over recordings (IndustReal): true positives are reported at or after "
        "the end of the step's last segment.",
    ),
    "done.pos": (
        "fraction",
        "Procedure order similarity (IndustReal): 1 less the distance between the orders of reported and true "
        "completions, in shares of the true ones; mean over recordings.",
    ),
    "done.precision": ("fraction", "True positives as a share of all steps reported as done."),
    "done.recall": ("fraction", "True positives as a share of all completed steps that are not reported too early."),
    "done.delay_seconds": ("seconds", "Mean time from a completion to its report, over true positives."),
    "done.median_delay_seconds": ("seconds", "Median of the same; without an interval."),
    "done.num_completions": ("steps", "Completed steps."),
    "done.num_false": ("steps", "Steps reported as done before their completion, or without one."),
    "done.num_never_reported": ("steps", "Completed steps that are never reported as done."),
}


class DoneRow(NamedTuple):
    """What one recording adds."""

    statistics: np.ndarray
    """float64 `[len(STATISTICS)]`."""
    delays: np.ndarray
    """Frames from completion to report of each true positive, int64 `[N]`."""

    def added(self, other: DoneRow) -> DoneRow:
        """What two recordings add together."""
        return DoneRow(self.statistics + other.statistics, np.append(self.delays, other.delays))


def done_row(events: Iterable[Event], truth: ProcedureTruth) -> DoneRow:
    """The row of one recording, from the `done` events in the order of their frames."""
    completions = {label: frame for frame, label in truth.completions()}
    reports = [event for event in events if event.kind == DONE]
    delays = [
        event.frame - completions[event.label]
        for event in reports
        if event.label in completions and event.frame >= completions[event.label]
    ]
    true, false = len(delays), len(reports) - len(delays)
    never = len(completions.keys() - {event.label for event in reports})
    counted = 2 * true + false + never
    pos = order_similarity([event.label for event in reports], list(completions))
    statistics = [
        *(len(completions), true, false, never),
        *(counted > 0, 2 * true / max(counted, 1)),
        *(pos is not None, pos or 0.0),
    ]
    return DoneRow(np.array(statistics, dtype=np.float64), np.array(delays, dtype=np.int64))


def done_figures(rows: Sequence[DoneRow], weights: np.ndarray, fps: float) -> dict[str, Any]:
    """Figures, `[R]` each, when recording v counts `weights[r, v]` times; NaN where nothing counts."""
    total = dict(zip(STATISTICS, (weights @ np.stack([row.statistics for row in rows])).T, strict=True))
    true, false, never = (total[name] for name in ("true_positives", "false_positives", "false_negatives"))
    with np.errstate(invalid="ignore"):
        return {
            "f1": total["f1"] / total["f1_videos"],
            "pos": total["pos"] / total["pos_videos"],
            "precision": true / (true + false),
            "recall": true / (true + never),
            **delay_figures(Delays([row.delays for row in rows]), weights, fps),
            "num_completions": total["completions"],
            "num_false": false,
            "num_never_reported": never,
        }


def order_similarity(reported: Sequence[int], true: Sequence[int]) -> float | None:
    """POS of two sequences of classes, in [0, 1]; None without a true one."""
    return 1 - min(order_distance(reported, true) / len(true), 1.0) if true else None


def order_distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Least cost of turning one sequence into the other: insert 1, delete 1, replace 2, swap neighbours 1.

    Edits may also be made between two that are swapped (Lowrance and Wagner, 1975).
    """
    far = len(first) + len(second)
    # Row and column 0 stand for "no earlier match", row and column 1 for the empty sequence.
    cost = np.full((len(first) + 2, len(second) + 2), far)
    cost[1:, 1], cost[1, 1:] = np.arange(len(first) + 1), np.arange(len(second) + 1)
    last_row: dict[int, int] = {}
    for i, one in enumerate(first, start=1):
        last_column = 0
        for j, other in enumerate(second, start=1):
            row, column = last_row.get(other, 0), last_column
            if one == other:
                last_column = j
            cost[i + 1, j + 1] = min(
                cost[i, j] + (0 if one == other else 2),
                cost[i + 1, j] + 1,
                cost[i, j + 1] + 1,
                cost[row, column] + (i - row - 1) + 1 + (j - column - 1),
            )
        last_row[one] = i
    return int(cost[-1, -1])
