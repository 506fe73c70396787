"""The live view of a stream on a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from protas_gtcc.errors import plural
from protas_gtcc.live.delays import delay_text
from protas_gtcc.live.procedure_lines import alarm_text, checklist, procedure_texts, task_text
from protas_gtcc.live.sinks import FrameResult, Sink, Summary
from protas_gtcc.procedure.result import Event, Procedure
from protas_gtcc.report.colours import HasClasses, class_looks

CELL = "█"
STRIP_SECONDS, STRIP_CELLS = 60, 40
"""The strip of what was last: so many seconds (without a rate, frames), on so many characters."""
SHOWN_ALARMS = 4
"""On a terminal, the last ones."""


class Terminal(Sink):
    """A live view: the current action with its progress, confidence and time so far, and the actions before it.

    A strip has the last minute. Of a procedure it shows the task, what is done, next and left, and the last alarms.
    """

    def __init__(
        self,
        console: Console,
        facts: HasClasses,
        fps: float | None,
        steps: Sequence[Sequence[int]] = (),
        tasks: Sequence[str] = (),
    ):
        """`steps` are those of each task, as in `TrainedModel.task_steps`; `tasks` are their names."""
        self._names, self._background, self._fps, self._steps = facts.class_names, facts.background, fps, steps
        self._looks = class_looks(facts)
        self._tasks = tasks
        self._alarms: deque[Event] = deque(maxlen=SHOWN_ALARMS)
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._began, self._drawn = 0, 0.0
        self._last: FrameResult | None = None
        self._past: deque[tuple[int, int, int, float]] = deque(maxlen=6)
        self._recent: deque[int] = deque(maxlen=max(1, round(STRIP_SECONDS * (fps or 1))))
        self._note = ""

    def on_result(self, result: FrameResult) -> None:
        """Show the result."""
        if not self._live.is_started:
            self._live.start()
        before = self._last
        if before is None:
            self._began = result.frame
        elif before.label != result.label:
            self._past.append((before.label, self._began, result.frame, before.progress))
            self._began = result.frame
        self._last, self._note = result, ""
        self._recent.append(result.label)
        if result.procedure is not None:
            self._alarms.extend(event for event in result.procedure.events if event.is_alarm)
        # Drawing costs far more than a step, and twenty pictures a second look smooth.
        if monotonic() - self._drawn >= 1 / 20:
            self._drawn = monotonic()
            self._live.update(self.view(), refresh=True)

    def on_stall(self, seconds: float) -> None:
        """Show the stall below the view."""
        self._note = f"no frame for {seconds:.0f} s"
        if self._live.is_started:
            self._live.update(self.view(), refresh=True)

    def on_end(self, summary: Summary) -> None:
        """Leave the last view on the screen."""
        self._note = plural(summary.frames, "frame") + (f", {summary.dropped} dropped" if summary.dropped else "")
        if self._live.is_started:
            self._live.update(self.view(), refresh=True)
        self._live.stop()
        if summary.delays:
            self._live.console.print(delay_text(summary.delays))

    def view(self) -> Group:
        """The current view."""
        result = self._last
        if result is None:
            return Group(Text(self._note))
        is_action = result.label not in self._background
        name, progress = (self._names[result.label], result.progress) if is_action else ("no action", 0.0)
        look = self._looks[result.label].fill
        now = Table.grid(padding=(0, 2))
        now.add_row(
            "progress",
            ProgressBar(total=1, completed=progress, width=40, complete_style=look, finished_style=look),
            _with_interval(progress, result.interval) if is_action else "",
        )
        now.add_row(
            "confidence",
            ProgressBar(total=1, completed=result.probability, width=40, style="grey50"),
            f"{result.probability:4.0%}",
        )
        past = Table("at", "for", "action", "progress at its end", show_edge=False, box=None, header_style="dim")
        for label, began, ended, progress in reversed(self._past):
            done = "" if label in self._background else f"{progress:4.0%}"
            action = self._swatch(label) + self._names[label]
            past.add_row(self._time(began), self._time(ended - began), action, done)
        lines = f"frame {result.frame}, {self._time(result.frame)}, {result.waiting} waiting"
        if result.delay is not None:
            lines += f", {result.delay.total:.2f} s behind, {result.dropped} skipped"
        heading = self._swatch(result.label) + Text(name, "bold")
        heading.append(f"  for {self._time(result.frame - self._began + 1)}")
        if is_action and result.remaining_seconds is not None:
            heading.append(f", about {result.remaining_seconds:.0f} s left")
        procedure = [] if result.procedure is None else [*self._procedure(result, result.procedure)]
        now.add_row("until now", self._strip(), self._time(len(self._recent)))
        return Group(heading, now, *procedure, Text(f"{lines}  {self._note}", style="dim"), past)

    def _swatch(self, label: int) -> Text:
        """What stands before the name of an action, in its look."""
        look = self._looks[label]
        return Text.assemble((CELL, look.cell(0)), (CELL, look.cell(1)), " ")

    def _strip(self) -> Text:
        """The actions of the last time, the present at the right."""
        labels, cells = [*self._recent], min(STRIP_CELLS, len(self._recent))
        shown = [labels[(column + 1) * len(labels) // cells - 1] for column in range(cells)]
        return Text.assemble(*((CELL, self._looks[label].cell(column)) for column, label in enumerate(shown)))

    def _procedure(self, result: FrameResult, procedure: Procedure) -> Iterator[Text]:
        steps = checklist(self._steps, result.task, result.task_probability)
        if result.task is not None and result.task_probability is not None:
            yield Text(task_text(self._tasks[result.task], result.task_probability, result.task_given))
        yield from procedure_texts(procedure, steps, self._names)
        for event in self._alarms:
            yield alarm_text(event, self._names, self._time)

    def _time(self, frames: int) -> str:
        if self._fps is None:
            return plural(frames, "frame")
        minutes, seconds = divmod(frames / self._fps, 60)
        return f"{int(minutes)}:{seconds:04.1f}"


def _with_interval(progress: float, interval: tuple[float, float] | None) -> str:
    return f"{progress:4.0%}" + ("" if interval is None else "  ({:.0%} to {:.0%})".format(*interval))
