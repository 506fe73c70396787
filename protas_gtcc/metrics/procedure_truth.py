"""What truly happened in a recording of a procedure: its steps, those that are missing, and what is wrong.

Frame f shows the time from f / fps to (f + 1) / fps, and a report at frame f has seen all of it. So times that are left
count from the end of the frame, as the remaining time of an action does: at the last frame of the last step, 0 seconds
are left. Delays count from a frame to a frame: 0 is at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.errors import InputError, listed
from protas_gtcc.procedure.result import Procedure, Reason


@dataclass(frozen=True, eq=False)
class ProcedureTruth:
    """The truth of one recording of F frames.

    Raises `InputError` if steps are not sorted or lie outside the recording, or if a missing step happens or is none of
    the task's.
    """

    name: str
    person: str
    """"" where unknown."""
    task: int
    """Number of its task, as in `procedure.tables.Recording`."""
    num_frames: int
    steps: np.ndarray
    """int64 `[M, 3]`: start, end (exclusive) and class of each step, by start, as annotated; they may overlap."""
    task_steps: Collection[int]
    """Classes of the task's steps."""
    missing: Collection[int]
    """Those of them that never happen."""
    wrong: Mapping[Reason, Collection[int]]
    """For each reason of an alarm, the classes that are really wrong in that way. Under `missing` are those that come
    too late; those that never happen need not be repeated."""
    tags: Sequence[tuple[int, str]]
    """Annotated mistakes: class and kind of error."""
    has_mistakes: bool

    def __post_init__(self) -> None:
        starts, ends, labels = self.steps.T
        what = f"recording {self.name}"
        if np.any(np.diff(starts) < 0) or np.any(starts < 0) or np.any(ends < starts):
            raise InputError(f"{what}: steps must come by start, from frame 0 on, and end after they start; sort them")
        if np.any(ends > self.num_frames):
            raise InputError(f"{what}: a step ends at frame {ends.max()} of {self.num_frames}; cut it at the end")
        happened = sorted(set(self.missing) & set(labels.tolist()))
        if happened:
            raise InputError(f"{what}: class {listed(map(str, happened))} is missing, but it happens; remove it there")
        foreign = sorted(set(self.missing) - set(self.task_steps))
        if foreign:
            raise InputError(
                f"{what}: missing class {listed(map(str, foreign))} is no step of its task; remove it there"
            )

    @property
    def first(self) -> int:
        """First frame of the first step; 0 without a step."""
        return int(self.steps[:, 0].min(initial=self.num_frames)) if len(self.steps) else 0

    @property
    def end(self) -> int:
        """End (exclusive) of the last step; 0 without a step."""
        return int(self.steps[:, 1].max(initial=0))

    @property
    def last_start(self) -> int:
        """First frame of the step that starts last; 0 without a step."""
        return int(self.steps[:, 0].max(initial=0))

    def wrong_in(self, reason: Reason) -> set[int]:
        """Classes that are wrong in this way."""
        return {*self.wrong.get(reason, ()), *(self.missing if reason == "missing" else ())}

    def completions(self) -> list[tuple[int, int]]:
        """(frame, class) of each step that is completed: the end of its last segment, in order of time.

        A step that ends with the recording has no frame at which it could be reported, and is left out.
        """
        ends: dict[int, tuple[int, int]] = {}
        for start, end, label in self.steps.tolist():
            ends[label] = max(ends.get(label, (0, 0)), (end, start))
        done = sorted((end, start, label) for label, (end, start) in ends.items() if end < self.num_frames)
        return [(end, label) for end, _, label in done]


def check_procedure(procedure: Procedure, truth: ProcedureTruth) -> None:
    """Raise `InputError` unless a report is of this recording, and its times are numbers."""
    what, num_classes = f"recording {truth.name}", len(procedure.next_probs)
    for name in ("left_seconds", "next_probs", "next_seconds"):
        values = getattr(procedure, name)
        if values.shape[-1] != truth.num_frames:
            raise InputError(
                f"{what}: {name} has {values.shape[-1]} frames, the truth {truth.num_frames}; give the same"
            )
        if not np.isfinite(values).all():
            raise InputError(f"{what}: {name} is not finite at some frame; score only what is reported")
    if len(truth.steps) and not 0 <= truth.steps[:, 2].min() <= truth.steps[:, 2].max() < num_classes:
        raise InputError(f"{what}: a step's class is not one of {num_classes}; use the classes of the report")
    seen = [(event.kind, event.label) for event in procedure.events]
    if len(seen) > len(set(seen)):
        raise InputError(f"{what}: a step is reported twice as {listed({kind for kind, _ in seen})}; keep the first")
