"""Predicted segments and procedures in lines for a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from protas_gtcc.errors import listed, plain, plural
from protas_gtcc.live.procedure_lines import minutes, task_text
from protas_gtcc.metrics.predicted_procedures import SUFFIX
from protas_gtcc.metrics.predicted_segments import PredictedSegment
from protas_gtcc.procedure.result import DONE

SHOWN_SEGMENTS = 20
"""Of all videos together."""
SHOWN_PROCEDURES = 20
SHOWN_NAMES = 4
"""Of the steps that are not done, and of the alarms."""

NO_ALARMS = "no alarms are raised; 'protas-gtcc check' names the budgets that can be kept"


def lines(
    segments: Mapping[str, Sequence[PredictedSegment]], procedures: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """The first segments of all videos, and the first procedures, as `predicted_procedure` returns them."""
    left, shown = SHOWN_SEGMENTS, list(procedures)[:SHOWN_PROCEDURES]
    for video, found in segments.items():
        if left > 0 or video in shown:
            yield f"{video}: {plural(len(found), 'segment')}"
        if left > 0:
            yield f"{'start, s':>10}{'end, s':>10}  {'progress at the end':>19}  action"
        for one in found[: max(left, 0)]:
            progress = "" if one.progress is None else f"{one.progress:.2f}"
            yield f"{one.start_seconds:10.1f}{one.end_seconds:10.1f}  {progress:>19}  {one.name}"
        left -= len(found)
        if video in shown:
            for line in _procedure(video, procedures[video]):
                yield from wrap(line, 80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    if left < 0:
        yield f"and {plural(-left, 'more segment')}, in the files VIDEO.segments.csv"
    if len(procedures) > len(shown):
        yield f"and {plural(len(procedures) - len(shown), 'more procedure')}, in the files VIDEO{SUFFIX}"


def notes(given_fps: float | None, fps: float, replaced: Collection[str]) -> Iterator[str]:
    """Lines on what was resampled, and on videos whose earlier predictions were replaced."""
    if given_fps is not None and given_fps != fps:
        what = f"features were resampled from {plain(given_fps)} to the model's {plain(fps)} fps"
        yield f"{what}, the rate of the results"
    if replaced:
        yield f"the earlier predictions of {listed(sorted(replaced))} were replaced"


def _procedure(video: str, found: Mapping[str, Any]) -> Iterator[str]:
    task = ""
    if "task" in found:
        task = task_text(found["task"], found["task_probability"], found["task_given"]) + "; "
    steps, not_done = found["steps"], found["not_done"]
    lacking = f"; not done: {listed(not_done, SHOWN_NAMES)}" if not_done else ""
    yield f"{task}{len(steps) - len(not_done)} of {len(steps)} steps done{lacking}"
    alarms = [event for event in found["events"] if event["kind"] != DONE]
    texts = (f"{minutes(event['seconds'])} {event['kind']}: {event['name']}" for event in alarms)
    yield f"alarms: {listed(texts, SHOWN_NAMES)}" if found["alarms"] else NO_ALARMS
    yield f"more in {video}{SUFFIX}"
