"""The procedure of a video in `<video>.procedure.json`: events, the done list at the end, what alarms promise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.procedure.alarms import AlarmBudget
from protas_gtcc.procedure.result import DONE, IS_DONE, Event, Procedure
from protas_gtcc.storage.atomic import replace_when_whole

SUFFIX = ".procedure.json"


def predicted_procedure(
    video: str,
    prediction: Prediction,
    info: PredictionInfo,
    steps: Sequence[Sequence[int]],
    alarms: AlarmBudget | None,
    task_given: bool = False,
) -> dict[str, Any] | None:
    """The procedure of a video, ready for JSON; None if the prediction has none.

    `steps` are those of each task, `alarms` is the budget, as `TrainedModel` has them.
    """
    if prediction.procedure is None:
        return None
    found = {"video": video} | _task(prediction, info, task_given)
    return found | _content(prediction.procedure, info, _steps(prediction, steps), alarms)


def write_procedure_file(folder: Path | str, video: str, found: Mapping[str, Any] | None) -> None:
    """Write what `predicted_procedure` found to `folder/<video>.procedure.json`; for None, remove that file."""
    path = Path(folder) / f"{video}{SUFFIX}"
    if found is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_whole(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _content(
    procedure: Procedure, info: PredictionInfo, steps: Sequence[int], alarms: AlarmBudget | None
) -> dict[str, Any]:
    is_done = procedure.done[:, -1] > IS_DONE  # a step may have been taken for done, and no longer be
    events = (event for event in procedure.events if event.kind == DONE and is_done[event.label])
    done = {event.label: event.frame / info.fps for event in events}
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
        "not_done": [info.class_names[label] for label in steps if not is_done[label]],
        "time_left_seconds": round(float(procedure.left_seconds[-1]), 2),
        "next": info.class_names[int(procedure.next_probs[:, -1].argmax())],
    }


def _event(event: Event, info: PredictionInfo) -> dict[str, Any]:
    step = {"seconds": event.frame / info.fps, "kind": event.kind, "label": event.label}
    return step | {"name": info.class_names[event.label], "confidence": round(event.confidence, 5)}


def _task(prediction: Prediction, info: PredictionInfo, given: bool) -> dict[str, Any]:
    """The likeliest task at the end, of models that know several."""
    if prediction.task_probs is None:
        return {}
    number = int(prediction.task_probs[:, -1].argmax())
    probability = round(float(prediction.task_probs[number, -1]), 5)
    return {"task": info.tasks[number], "task_probability": probability, "task_given": given}


def _steps(prediction: Prediction, steps: Sequence[Sequence[int]]) -> Sequence[int]:
    """The steps of the task that is the likeliest at the end."""
    return steps[0 if prediction.task_probs is None else int(prediction.task_probs[:, -1].argmax())]
