"""The procedure of each video, as values for the report page.

    of a video (truth)   first, end: frames of the first step's start and the last one's end, both None without a step;
                         steps: [class id, start, end] …, which may overlap; missing: class ids of those never done;
                         is_annotated, of mistakes; mistakes: [class id, start, tag, description] …; next: flat segments
    of a run's video     every: frames from one column to the next; left, left_low, left_high, in left_scale
                         steps a second; left_error: mean, in seconds; progress; next: flat segments over columns,
                         next_prob; next_right of next_frames; rows, others, see `_rows`; alarms, see `_alarm`;
                         unnoticed: [reason, class id] …

What is drawn over time has at most `COLUMNS` columns, so that the page of an hour is no larger than that of some
minutes. A column has the values of its last frame. Alarms and steps done have their own frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.dataset.file import Dataset
from protas_gtcc.procedure.result import REASONS, Event, Procedure
from protas_gtcc.procedure.truth import Truth, is_right, read_truth
from protas_gtcc.report.packing import LARGEST, flat_segments, pack, pack_shares

COLUMNS = 500
MOST_ROWS = 40
"""Steps of one video that have a row; the others are counted."""
NOTHING = -1
"""In place of the class id of the next step where there is none."""


class KnownVideo(NamedTuple):
    """What is known of a video."""

    truth: Truth
    is_annotated: bool
    """Whether mistakes and missing steps are."""
    task_steps: Collection[int]
    """Class ids of the steps that its task is known to have."""
    person: str = ""
    """"" where unknown."""


class KnownVideos:
    """The videos of a split; they are read when they are first needed."""

    def __init__(self, dataset: Dataset, split: str):
        self._dataset, self._split = dataset, split

    def of(self, video: str) -> KnownVideo:
        """What is known of a video."""
        steps = self._steps_by_task.get(self._dataset.attribute(video, "task"), ())
        is_annotated, person = self._dataset.track(video) is not None, self._dataset.attribute(video, "subject")
        return KnownVideo(read_truth(self._dataset, video), is_annotated, steps, person)

    @cached_property
    def _steps_by_task(self) -> dict[str, set[int]]:
        """Class ids of the actions in the videos of each task, in all parts of the split; "" is no known task."""
        found: dict[str, set[int]] = {}
        for part in self._dataset.info.splits.get(self._split, ()):
            for video in self._dataset.part(self._split, part):
                steps = found.setdefault(self._dataset.attribute(video, "task"), set())
                steps.update(read_truth(self._dataset, video).steps[:, 2].tolist())
        return found


def truth_values(known: KnownVideo, num_frames: int) -> dict[str, Any]:
    """What is known of a video of `num_frames`."""
    truth, has_steps = known.truth, len(known.truth.steps) > 0
    return {
        "first": int(truth.steps[:, 0].min()) if has_steps else None,
        "end": int(truth.steps[:, 1].max()) if has_steps else None,
        "steps": truth.steps[:, [2, 0, 1]].tolist(),
        "missing": sorted(truth.never_done),
        "is_annotated": known.is_annotated,
        "mistakes": [[one.label, one.start, one.tag, one.description] for one in truth.mistakes],
        "next": flat_segments(next_steps(truth.steps, num_frames)),
    }


def next_steps(steps: np.ndarray, num_frames: int) -> np.ndarray:
    """Class id of the first step that starts after each frame, int64 `[T]`, `NOTHING` after the last start.

    `steps` are those of `Truth`; of several that start together, the first one counts.
    """
    following = np.searchsorted(steps[:, 0], np.arange(num_frames), side="right")
    return np.append(steps[:, 2], NOTHING)[following]


def procedure_values(procedure: Procedure, known: KnownVideo, fps: float) -> dict[str, Any]:
    """What a run reports of a video."""
    truth, is_annotated = known.truth, known.is_annotated
    num_frames = len(procedure.left_seconds)
    every = max(-(-num_frames // COLUMNS), 1)
    columns = np.minimum(np.arange(every - 1, num_frames + every - 1, every), num_frames - 1)
    left = dict(zip(("left_low", "left_high"), procedure.left_interval, strict=True)) | {"left": procedure.left_seconds}
    left_scale = LARGEST / max(float(np.max([one[columns] for one in left.values()], initial=0)), 1)
    likeliest, truly_next = procedure.next_probs.argmax(axis=0), next_steps(truth.steps, num_frames)
    has_next, alarms = truly_next != NOTHING, [one for one in procedure.events if one.is_alarm]
    rows, others = _rows(procedure, truth, known.task_steps, columns)
    return {
        "every": every,
        "left_scale": left_scale,
        **{name: pack(values[columns], left_scale) for name, values in left.items()},
        "left_error": _left_error(procedure, truth, fps),
        "progress": pack_shares(procedure.progress[columns]),
        "next": flat_segments(likeliest[columns]),
        "next_prob": pack_shares(procedure.next_probs.max(axis=0)[columns]),
        "next_right": int((likeliest == truly_next)[has_next].sum()),
        "next_frames": int(has_next.sum()),
        "rows": rows,
        "others": others,
        "alarms": [_alarm(one, truth, is_annotated) for one in alarms],
        "unnoticed": _unnoticed(alarms, truth) if is_annotated else [],
    }


def _left_error(procedure: Procedure, truth: Truth, fps: float) -> float | None:
    """Mean error of the time left, in seconds, from the start of the first step to the last one's end; None without."""
    if not len(truth.steps):
        return None
    first, end = int(truth.steps[:, 0].min()), int(truth.steps[:, 1].max())
    true = (end - 1 - np.arange(first, end)) / fps
    return round(float(np.abs(procedure.left_seconds[first:end] - true).mean()), 3)


def _alarm(alarm: Event, truth: Truth, is_annotated: bool) -> list[Any]:
    """Reason, class id, frame, confidence, and whether it is right; None where nothing is annotated."""
    verdict = _is_right(alarm, truth) if is_annotated else None
    return [alarm.kind, alarm.label, alarm.frame, round(alarm.confidence, 4), verdict]


def _is_right(alarm: Event, truth: Truth) -> bool:
    return alarm.kind != "done" and is_right(alarm, truth.wrong[alarm.kind], truth.steps)


def _unnoticed(alarms: Iterable[Event], truth: Truth) -> list[list[Any]]:
    """Reason and class id of what is annotated as wrong, and had no alarm while it was."""
    raised = {(one.kind, one.label) for one in alarms if _is_right(one, truth)}
    wrong = [(reason, label) for reason in REASONS for label in sorted(truth.wrong[reason])]
    return [list(one) for one in wrong if one not in raised]


def _rows(
    procedure: Procedure, truth: Truth, task_steps: Collection[int], columns: np.ndarray
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows of the done list, and how many steps have none.

    A row is label, frame at which it was reported done (None if never), and the probability over time. Rows are in the
    order of what happened first, truly or as reported. Where all steps of the task are too many, those about which
    truth and report differ, or about which there is an alarm, come before those that were done, and these before those
    that never were.
    """
    reported = {one.label: one.frame for one in procedure.events if not one.is_alarm}
    done, missing = set(truth.steps[:, 2].tolist()), truth.never_done
    alarmed = {one.label for one in procedure.events if one.is_alarm}
    labels = sorted(set(task_steps) | done | missing | alarmed | set(reported))
    at = _first_frames(procedure, truth)
    notable = alarmed | missing | (done ^ set(reported))
    ranked = sorted(labels, key=lambda label: (label not in notable, label not in done, at.get(label, np.inf)))
    shown = sorted(ranked[:MOST_ROWS], key=lambda label: (at.get(label, np.inf), label))
    rows = [
        {"label": label, "reported": reported.get(label), "done": pack_shares(procedure.done[label, columns])}
        for label in shown
    ]
    rest = ranked[MOST_ROWS:]
    others = {
        "both": sum(label in done and label in reported for label in rest),
        "only_done": sum(label in done and label not in reported for label in rest),
        "only_reported": sum(label not in done and label in reported for label in rest),
        "neither": sum(label not in done and label not in reported for label in rest),
    }
    return rows, others


def _first_frames(procedure: Procedure, truth: Truth) -> dict[int, int]:
    """The frame at which each step starts, or if it never does, at which the first event is about it."""
    events = {one.label: one.frame for one in reversed(procedure.events)}
    return events | {label: start for start, _, label in reversed(truth.steps.tolist())}
