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


class Lines:
    """The first segments of all videos, and the first procedures; only what is shown is kept."""

    def __init__(self, has_files: bool = True):
        """`has_files`: the rest is in files of single videos."""
        self._shown, self._has_files = list[str](), has_files
        self._num_segments = self._num_procedures = 0

    def add(self, video: str, segments: Sequence[PredictedSegment], procedure: Mapping[str, Any] | None) -> None:
        """The next video, and its procedure as `predicted_procedure` returns it."""
        left = max(SHOWN_SEGMENTS - self._num_segments, 0)
        shows = procedure is not None and self._num_procedures < SHOWN_PROCEDURES
        if left or shows:
            self._shown.append(f"{video}: {plural(len(segments), 'segment')}")
        if left:
            self._shown.append(f"{'start, s':>10}{'end, s':>10}  {'progress at the end':>19}  action")
        for one in segments[:left]:
            progress = "" if one.progress is None else f"{one.progress:.2f}"
            self._shown.append(f"{one.start_seconds:10.1f}{one.end_seconds:10.1f}  {progress:>19}  {one.name}")
        if procedure is not None and shows:
            for line in _procedure(video, procedure, self._has_files):
                self._shown += wrap(line, 80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        self._num_segments += len(segments)
        self._num_procedures += procedure is not None

    def all(self) -> Iterator[str]:
        """The lines."""
        yield from self._shown
        where = ", in the files VIDEO" if self._has_files else ""
        if (more := self._num_segments - SHOWN_SEGMENTS) > 0:
            yield f"and {plural(more, 'more segment')}{where and where + '.segments.csv'}"
        if (more := self._num_procedures - SHOWN_PROCEDURES) > 0:
            yield f"and {plural(more, 'more procedure')}{where and where + SUFFIX}"


def notes(given_fps: float | None, fps: float, replaced: Collection[str]) -> Iterator[str]:
    """Lines on what was resampled, and on videos whose earlier predictions were replaced."""
    if given_fps is not None and given_fps != fps:
        what = f"features were resampled from {plain(given_fps)} to the model's {plain(fps)} fps"
        yield f"{what}, the rate of the results"
    if replaced:
        yield f"the earlier predictions of {listed(sorted(replaced))} were replaced"


def _procedure(video: str, found: Mapping[str, Any], has_file: bool) -> Iterator[str]:
    task = ""
    if "task" in found:
        task = task_text(found["task"], found["task_probability"], found["task_given"]) + "; "
    steps, not_done = found["steps"], found["not_done"]
    lacking = f"; not done: {listed(not_done, SHOWN_NAMES)}" if not_done else ""
    yield f"{task}{len(steps) - len(not_done)} of {len(steps)} steps done{lacking}"
    alarms = [event for event in found["events"] if event["kind"] != DONE]
    texts = (f"{minutes(event['seconds'])} {event['kind']}: {event['name']}" for event in alarms)
    yield f"alarms: {listed(texts, SHOWN_NAMES)}" if found["alarms"] else NO_ALARMS
    if has_file:
        yield f"more in {video}{SUFFIX}"
