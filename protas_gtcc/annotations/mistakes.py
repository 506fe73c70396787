"""The second track of a video: its steps as they were annotated, and what was done wrongly.

A frame has one label, but annotated steps may overlap, be shorter than a frame, or not have been done at all. The track
keeps all of them. Frames are half-open, `[start, end)`, and a step has at least one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from protas_gtcc.errors import plural

NOT_DONE = -1
"""Start and end of a mistake whose step was never done."""
NO_TRACK = b"null"
"""The JSON of a video without a track."""


@dataclass(frozen=True)
class Step:
    """Frames `[start, end)` in which a step was done; other steps may overlap it."""

    label: int
    start: int
    end: int


@dataclass(frozen=True)
class Mistake:
    """What was wrong with one step: several are possible for a step, of the same start and end as it."""

    label: int
    start: int
    """`NOT_DONE`, as is the end, if the step was never done."""
    end: int
    tag: str
    """The dataset's own word for this kind of mistake, such as "Order Error"."""
    description: str = ""

    @property
    def done(self) -> bool:
        """Whether the step was done at all."""
        return self.start != NOT_DONE


@dataclass(frozen=True)
class Track:
    """The steps of one video in the order of their starts, the missing ones, and the mistakes."""

    steps: tuple[Step, ...]
    missing: tuple[int, ...] = ()
    """Class ids of the steps that were to be done and were not, once for each time."""
    mistakes: tuple[Mistake, ...] = ()

    def require(self, num_classes: int, num_frames: int) -> None:
        """Raise `ValueError` for a class id or a frame that the video does not have, and for text of two lines."""
        timed: list[Step | Mistake] = [*self.steps, *self.mistakes]
        for one in timed:
            never_done = isinstance(one, Mistake) and (one.start, one.end) == (NOT_DONE, NOT_DONE)
            if not never_done and not 0 <= one.start < one.end <= num_frames:
                what = "step" if isinstance(one, Step) else "mistake"
                raise ValueError(f"a {what} from frame {one.start} to {one.end} is not within {num_frames} frames")
        for label in (*self.missing, *(one.label for one in timed)):
            if not 0 <= label < num_classes:
                raise ValueError(f"class id {label} of a step is not one of {plural(num_classes, 'class')}")
        for mistake in self.mistakes:
            if not (mistake.tag and mistake.tag.isprintable() and mistake.description.isprintable()):
                text = f"{mistake.tag!r}, {mistake.description!r}"
                raise ValueError(f"tag and description of a mistake are not each a line of text: {text}")

    def at_frames(self, chosen: np.ndarray) -> Track:
        """The track of a video that keeps only the chosen frames, ascending int `[T']`, of which there is at least one.

        A step of which no frame is kept gets the frame that follows it, or the last one.
        """
        return replace(
            self,
            steps=tuple(_at_frames(self.steps, chosen)),
            mistakes=tuple(_at_frames(self.mistakes, chosen)),
        )


@dataclass
class TrackCounts:
    """What the tracks and labels of some videos hold; `add` counts one video."""

    steps: int = 0
    """Annotated and done."""
    hidden_steps: int = 0
    """Those of which no frame has the label: too short, or hidden by steps that began later."""
    missing_steps: int = 0
    frames: int = 0
    frames_in_several_steps: int = 0
    mistakes: dict[str, int] = field(default_factory=dict)
    """Tag -> number."""

    def add(self, track: Track, labels: np.ndarray) -> None:
        """Count the track of a video with these labels `[T]`."""
        going_on = np.zeros(len(labels) + 1, dtype=np.int64)
        for step in track.steps:
            going_on[step.start] += 1
            going_on[step.end] -= 1
            self.hidden_steps += not (labels[step.start : step.end] == step.label).any()
        self.frames += len(labels)
        self.frames_in_several_steps += int((going_on.cumsum() > 1).sum())
        self.steps += len(track.steps)
        self.missing_steps += len(track.missing)
        for mistake in track.mistakes:
            self.mistakes[mistake.tag] = self.mistakes.get(mistake.tag, 0) + 1

    def sentences(self) -> list[str]:
        """What a person should know of it, a sentence each; none where no track was counted."""
        if not self.frames:
            return []
        lines = [f"{plural(self.steps, 'step')} annotated, {plural(self.missing_steps, 'missing step')}"]
        if self.frames_in_several_steps:
            what = f"{self.frames_in_several_steps} of {self.frames} frames are in several steps"
            lines.append(f"{what}: the one that began last is the label")
        if self.hidden_steps:
            what = f"{plural(self.hidden_steps, 'step')} of which no frame has the label"
            lines.append(f"{what}: too short, or hidden by steps that began later")
        counts = ", ".join(f"{tag} {count}" for tag, count in sorted(self.mistakes.items()))
        return [*lines, f"{plural(sum(self.mistakes.values()), 'mistake')}{': ' * bool(counts)}{counts}"]


def at_least_a_frame(start: int, end: int, num_frames: int) -> tuple[int, int]:
    """Start and end of a step within a video of `num_frames`, moved and widened so that it has a frame."""
    start = min(start, num_frames - 1)
    return start, max(start + 1, min(end, num_frames))


def track_as_json(track: Track | None) -> bytes:
    """One line of JSON, `NO_TRACK` for a video without a track."""
    if track is None:
        return NO_TRACK
    content = {
        "steps": [[step.label, step.start, step.end] for step in track.steps],
        "missing": list(track.missing),
        "mistakes": [[one.label, one.start, one.end, one.tag, one.description] for one in track.mistakes],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def track_of_json(stored: bytes) -> Track | None:
    """What `track_as_json` made. Raises `ValueError` for anything else; values are not compared with a video."""
    try:
        content = json.loads(stored)
    except (ValueError, RecursionError):
        raise ValueError("its track is not JSON that can be read") from None
    if content is None:
        return None
    if not (isinstance(content, Mapping) and content.keys() == {"steps", "missing", "mistakes"}):
        raise ValueError("its track is no object of steps, missing steps and mistakes")
    if not all(isinstance(rows, list) for rows in content.values()):
        raise ValueError("its track is no object of three lists")
    steps = (Step(*_row(row, (int, int, int))) for row in content["steps"])
    missing = (_row([label], (int,))[0] for label in content["missing"])
    mistakes = (Mistake(*_row(row, (int, int, int, str, str))) for row in content["mistakes"])
    return Track(tuple(steps), tuple(missing), tuple(mistakes))


def _row(row: Any, kinds: tuple[type, ...]) -> list[Any]:
    if not isinstance(row, list) or tuple(map(type, row)) != kinds:
        raise ValueError(f"its track has an entry that is not of {len(kinds)} values: {str(row)[:80]}")
    return row


Timed = TypeVar("Timed", Step, Mistake)


def _at_frames(all_of_them: Iterable[Timed], chosen: np.ndarray) -> Iterable[Timed]:
    for one in all_of_them:
        if isinstance(one, Mistake) and not one.done:
            yield one
            continue
        first, end = np.searchsorted(chosen, [one.start, one.end]).tolist()
        start, end = at_least_a_frame(first, end, len(chosen))
        yield replace(one, start=start, end=end)
