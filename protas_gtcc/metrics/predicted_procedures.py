"""The procedure of a video in `<video>.procedure.json`: events, the done list at the end, what alarms promise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.alarms import AlarmBudget
from protas_gtcc.procedure.result import DONE, Event, Procedure
from protas_gtcc.storage.atomic import replace_when_whole

SUFFIX = ".procedure.json"


def write_procedure_file(
    folder: Path | str,
    video: str,
    prediction: Prediction,
    info: PredictionInfo,
    steps: Sequence[Sequence[int]],
    alarms: AlarmBudget | None,
) -> None:
    """Write `folder/<video>.procedure.json`, or remove it if the prediction has no procedure.

    `steps` are those of each task, `alarms` is the budget, as `TrainedModel` has them.
    """
    path = Path(folder) / f"{video}{SUFFIX}"
    if prediction.procedure is None:
        path.unlink(missing_ok=True)
        return
    found = {"video": video} | _task(prediction, info)
    found |= _content(prediction.procedure, info, _steps(prediction, steps), alarms)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_whole(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _content(
    procedure: Procedure, info: PredictionInfo, steps: Sequence[int], alarms: AlarmBudget | None
) -> dict[str, Any]:
    done = {event.label: event.frame / info.fps for event in procedure.events if event.kind == DONE}
    rows = [
        {
            "label": label,
            "name": info.class_names[label],
            "done_probability": round(float(procedure.done[label, -1]), 5),
            "done_seconds": done.get(label),
        }
        for label in steps
    ]
    return {
        "alarms": alarms and dataclasses.asdict(alarms) | {"promise": alarms.promise},
        "events": [_event(event, info) for event in procedure.events],
        "transcript": [info.class_names[label] for label in done],
        "steps": rows,
    }


def _event(event: Event, info: PredictionInfo) -> dict[str, Any]:
    step = {"seconds": event.frame / info.fps, "kind": event.kind, "label": event.label}
    return step | {"name": info.class_names[event.label], "confidence": round(event.confidence, 5)}


def _task(prediction: Prediction, info: PredictionInfo) -> dict[str, Any]:
    """The likeliest task at the end, of models that know several."""
    if prediction.task_probs is None:
        return {}
    number = int(prediction.task_probs[:, -1].argmax())
    return {"task": info.tasks[number], "task_probability": round(float(prediction.task_probs[number, -1]), 5)}


def _steps(prediction: Prediction, steps: Sequence[Sequence[int]]) -> Sequence[int]:
    """The steps of the task that is the likeliest at the end."""
    return steps[0 if prediction.task_probs is None else int(prediction.task_probs[:, -1].argmax())]
