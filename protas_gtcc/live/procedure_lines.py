"""What is reported of a procedure at one frame: as an object for programs and pages, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from rich.text import Text

from protas_gtcc.procedure.result import IS_DONE, Event, Procedure


def procedure_line(procedure: Procedure, class_names: Sequence[str]) -> dict[str, Any]:
    """The procedure at one frame, T = 1, ready for JSON; `done` has the class ids of the steps that are."""
    line = {name: _rounded(name, values[0]) for name, values in procedure.columns(class_names).items()}
    line["progress"] = line.pop("procedure_progress")
    line["done"] = np.flatnonzero(procedure.done[:, 0] > IS_DONE).tolist()
    return line | {"events": [event_line(event, class_names) for event in procedure.events]}


def event_line(event: Event, class_names: Sequence[str]) -> dict[str, Any]:
    """An event, ready for JSON."""
    step = {"kind": event.kind, "label": event.label, "name": class_names[event.label]}
    return step | {"frame": event.frame, "confidence": round(event.confidence, 5)}


def _rounded(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    return round(float(value), 2 if name.endswith("_seconds") else 5)


def checklist(steps: Sequence[Sequence[int]], task: int | None, probability: float | None) -> Sequence[int] | None:
    """The steps of the task that is the likeliest, if it is more likely than not; None while that is open.

    `steps` are those of each task, as in `TrainedModel.task_steps`.
    """
    if task is None or probability is None:
        return steps[0] if steps else ()
    return steps[task] if probability > 0.5 else None


def task_text(name: str, probability: float, given: bool) -> str:
    """A task, and how it is known."""
    return f"task {name} ({'given' if given else f'inferred, {probability:.0%}'})"


def procedure_texts(procedure: Procedure, steps: Sequence[int] | None, class_names: Sequence[str]) -> Iterator[Text]:
    """The procedure at one frame, T = 1, in lines for a terminal; `steps` as `checklist` gives them."""
    found = procedure_line(procedure, class_names)
    if steps is None:
        yield Text("which task this is, is not clear yet")
    else:
        done = len({*steps} & {*found["done"]})
        yield Text(f"{done} of {len(steps)} steps done, procedure {found['progress']:.0%}")
    low, high = (minutes(found[f"time_left_{end}_seconds"]) for end in ("low", "high"))
    yield Text(f"next {found['next']} ({found['next_probability']:.0%}) in {minutes(found['next_seconds'])}")
    yield Text(f"time left {minutes(found['time_left_seconds'])} ({low} to {high})")


def alarm_text(event: Event, class_names: Sequence[str], time: Callable[[int], str]) -> Text:
    """An alarm in a line; `time` writes the time of a frame."""
    step = f"{event.kind}: {class_names[event.label]}"
    return Text(f"{time(event.frame)}  {step} ({event.confidence:.0%})", style="red")


def minutes(seconds: float) -> str:
    """Seconds as minutes and seconds, m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
