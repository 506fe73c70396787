"""Look-ups for procedures: they see no features, only which steps started so far, and when. References for a model.

Given the true steps, two look-ups report the time left, as counted in training recordings of the same task:

- `total_minus_elapsed`: mean time from the start of the first step to the end of the last, less the time since the
  first step started; at least 0.
- `after_last_step`: mean time left at the starts of the step that started last, less the time since; at least 0. Where
  training recordings do not have that step, as above.

`after_last_step` reports two more things. The *next step* is what most often follows the step that started last, of the
steps that have not started. Of those that follow equally often, and after those that ever follow, it is the one that
most recordings have. It starts after the mean time from a start of that step to the next start. An undone step is
*missing* if at least half of the recordings have it, and the step begins that is the last one in most recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import Event, Procedure
from protas_gtcc.procedure.tables import Recording

TOTAL, AFTER_LAST = "total_minus_elapsed", "after_last_step"
PROCEDURE_LOOKUPS = (TOTAL, AFTER_LAST)
EXPECTED = 0.5
"""A step is expected if at least this share of a task's recordings have it."""


@dataclass(frozen=True, eq=False)
class _Task:
    """What the training recordings of one task show; seconds."""

    total: float
    left: np.ndarray
    """`[C]`: mean time left at a start of each class; NaN without one."""
    advance: np.ndarray
    """`[C + 1]`: mean time from a start of each class to the next start, or to the end; of all classes where the class
    has none. Then from the recording's start to the first step."""
    after: np.ndarray
    """`[C + 1, C]`: how often class j comes next after each class; then how often it is the first."""
    share: np.ndarray
    """`[C]`: share of recordings that have each class."""
    last: int
    """The class that is last in most recordings."""


@dataclass(frozen=True, eq=False)
class ProcedureLookUps:
    """Fitted look-ups; `fit_procedure_lookups` makes them."""

    tasks: dict[int, _Task]
    num_classes: int
    fps: float

    def report(self, truth: ProcedureTruth) -> dict[str, Procedure]:
        """What each of `PROCEDURE_LOOKUPS` reports of a recording, given its true steps so far.

        Their intervals are NaN. Raises `InputError` if no training recording has the task.
        """
        if truth.task not in self.tasks:
            what = f"recording {truth.name} is of task {truth.task}, which no training recording has"
            raise InputError(f"{what}; leave it out, or add some")
        task, starts = self.tasks[truth.task], truth.steps[:, 0]
        frames = np.arange(truth.num_frames)
        # The step that started last, -1 before the first.
        last = np.searchsorted(starts, frames, side="right") - 1
        label, begun = np.append(truth.steps[:, 2], -1)[last], np.append(starts, 0)[last]
        is_before = last < 0
        elapsed = np.where(is_before, 0, frames + 1 - truth.first) / self.fps
        since = (frames + 1 - begun) / self.fps
        total = np.maximum(task.total - elapsed, 0)
        known = ~is_before & np.isfinite(task.left[label])
        after_last = np.where(known, np.maximum(task.left[label] - since, 0), total)
        upcoming = np.maximum(task.advance[label] - since, 0)
        probs = _next_probs(task, truth.steps[:, 2])[:, last + 1]
        done, events = _done(truth, self.num_classes), _announce(task, truth)
        return {
            name: _procedure(left, elapsed, probs, upcoming, done, events)
            for name, left in ((TOTAL, total), (AFTER_LAST, after_last))
        }


def fit_procedure_lookups(recordings: Sequence[Recording], num_classes: int, fps: float) -> ProcedureLookUps:
    """Fit on training recordings; those without a step are left out. Raises `InputError` if none has one."""
    tasks = sorted({one.task for one in recordings if len(one.steps)})
    if not tasks:
        raise InputError("no training recording has a step; give training videos with labels")
    of_task = {task: [one.steps for one in recordings if one.task == task and len(one.steps)] for task in tasks}
    return ProcedureLookUps({task: _fit(own, num_classes, fps) for task, own in of_task.items()}, num_classes, fps)


def _fit(recordings: Sequence[np.ndarray], num_classes: int, fps: float) -> _Task:
    ends = [int(steps[:, 1].max()) for steps in recordings]
    labels = np.concatenate([steps[:, 2] for steps in recordings])
    left = np.concatenate([end - steps[:, 0] for steps, end in zip(recordings, ends, strict=True)])
    advance = np.concatenate([np.diff(steps[:, 0], append=end) for steps, end in zip(recordings, ends, strict=True)])
    after = np.zeros((num_classes + 1, num_classes))
    has = np.zeros(num_classes)
    for steps in recordings:
        # Row -1 counts the first steps.
        np.add.at(after, (np.append(-1, steps[:-1, 2]), steps[:, 2]), 1)
        has[np.unique(steps[:, 2])] += 1
    advances = _means(labels, advance, num_classes)
    wait = np.mean([steps[0, 0] for steps in recordings])
    return _Task(
        total=float(np.mean([end - steps[0, 0] for steps, end in zip(recordings, ends, strict=True)])) / fps,
        left=_means(labels, left, num_classes) / fps,
        advance=np.append(np.where(np.isnan(advances), advance.mean(), advances), wait) / fps,
        after=after,
        share=has / len(recordings),
        last=int(np.bincount([steps[-1, 2] for steps in recordings]).argmax()),
    )


def _means(labels: np.ndarray, values: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean value of each class `[C]`; NaN without one."""
    with np.errstate(invalid="ignore"):
        return np.bincount(labels, values, num_classes) / np.bincount(labels, minlength=num_classes)


def _next_probs(task: _Task, labels: np.ndarray) -> np.ndarray:
    """Shares by which steps are ranked as next, after the first 0 … M steps of a recording: float32 `[C, M + 1]`."""
    scores = task.after[np.append(-1, labels)].T + task.share[:, None] / 2
    for number, label in enumerate(labels, start=1):
        scores[label, number:] = 0
    return (scores / np.maximum(scores.sum(axis=0), 1e-300)).astype(np.float32)


def _done(truth: ProcedureTruth, num_classes: int) -> np.ndarray:
    """1 where a step has ended and is not going on, `[C, F]`."""
    done = np.zeros((num_classes, truth.num_frames), dtype=np.float32)
    for _, end, label in truth.steps.tolist():
        done[label, end:] = 1
    for start, end, label in truth.steps.tolist():
        done[label, start:end] = 0
    return done


def _announce(task: _Task, truth: ProcedureTruth) -> tuple[Event, ...]:
    """Expected steps that have not started when the task's usual last step first does."""
    starts, _, labels = truth.steps.T
    at_last = np.flatnonzero(labels == task.last)
    if len(at_last) == 0 or starts[at_last[0]] >= truth.num_frames:
        return ()
    frame = int(starts[at_last[0]])
    undone = np.setdiff1d(np.flatnonzero(task.share >= EXPECTED), labels[starts <= frame])
    return tuple(Event("missing", int(label), frame, frame, float(task.share[label])) for label in undone)


def _procedure(
    left: np.ndarray,
    elapsed: np.ndarray,
    probs: np.ndarray,
    upcoming: np.ndarray,
    done: np.ndarray,
    events: tuple[Event, ...],
) -> Procedure:
    no_interval = np.full((2, len(left)), np.nan, dtype=np.float32)
    progress = elapsed / np.maximum(elapsed + left, 1e-9)
    return Procedure(
        left_seconds=left.astype(np.float32),
        left_interval=no_interval,
        progress=progress.astype(np.float32),
        next_probs=probs,
        next_seconds=upcoming.astype(np.float32),
        next_interval=no_interval,
        done=done,
        events=events,
    )
