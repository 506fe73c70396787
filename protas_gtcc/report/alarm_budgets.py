"""Alarms of a run at several budgets, as `protas-gtcc procedure --model RUN --out RUN/procedure` has scored them.

A run raises alarms at one budget. What others would bring is not in its predictions; that command computes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.procedure_alarms import ALL
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.report.runs import EvaluatedRun

NAMES = ("procedure/procedure.json", "procedure.json")
"""Where the scores may be in a run's folder: of the run itself, or of a folder of `procedure` that was evaluated."""
FIGURES = ("num_wrong", "num_hits", "num_false", "precision", "recall", "false_per_hour")
_WAY_OUT = "let 'protas-gtcc procedure' write it again, or remove it"


def alarm_budgets(run: EvaluatedRun) -> dict[str, Any] | None:
    """`alarms`: [reason, budget, figures] …, which are the threshold, `FIGURES` and their intervals.

    None without such a file; a budget that could not be kept has None for its figures. Raises `InputError` for a file
    that is broken, or of other videos.
    """
    path = next((run.path / name for name in NAMES if (run.path / name).is_file()), None)
    if path is None:
        return None
    scores = _read(path)
    if (scores["dataset"], scores["split"]) != (run.metrics["dataset"], run.metrics["split"]):
        other = f"{scores['dataset']}, split {scores['split']}"
        raise InputError(f"{path}: it has scores of {other}, the run those of other videos; {_WAY_OUT}")
    try:
        by_budget = sorted(scores["alarms_at"].items(), key=lambda one: float(one[0]))
        found = [[reason, budget, _figures(at[reason])] for reason in (ALL, *REASONS) for budget, at in by_budget]
        return {"task_given": scores["task_given"], "alarms": found}
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is not as 'procedure' writes it ({error!r}); {_WAY_OUT}") from error


def _figures(scored: dict[str, Any] | None) -> dict[str, Any] | None:
    """`scored` are figures of one budget, for one reason or `all`."""
    if scored is None:
        return None
    (name, threshold), *more = scored["thresholds"].items()
    which = ALL if more else name
    own, intervals = scored["alarms"][which], scored["intervals"]["alarms"][which]
    return {
        "threshold": None if more else threshold,
        **{figure: own[figure] for figure in FIGURES},
        "intervals": {figure: intervals[figure] for figure in FIGURES},
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(scores, ensure_ascii=False).encode()  # an escape may stand for what no page can have
        missing = {"dataset", "split", "alarms_at", "task_given"} - set(scores)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not whole JSON ({error}); {_WAY_OUT}") from error
    if missing or not isinstance(scores, dict):
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}; {_WAY_OUT}")
    return scores
