"""What really happened in a recording: its steps as annotated, and which of them were wrong in which way.

The words of the annotations decide, for the ruler and for report pages alike. A drawn graph does not: it is a prior of
some models, and recordings in which nothing is wrong break it too.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np

from protas_gtcc.annotations.mistakes import Mistake, Track
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.procedure.result import Event, Reason
from protas_gtcc.procedure.tables import steps_of

ORDER, TIMING = "order", "timing"
"""Words in the tags of mistakes that an alarm is about. Other mistakes are not seen in order and lengths."""
_TOO_LATE = re.compile(r"\b(after|late)\b", re.IGNORECASE)
"""Words in the description of a mistake of order: what waits for the step had begun when it came."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The steps and mistakes of one recording."""

    steps: np.ndarray
    """int64 `[M, 3]`: start, end (exclusive) and label, by start; they may overlap."""
    wrong: Mapping[Reason, frozenset[int]]
    """For each reason of an alarm the class ids of the steps that are wrong in that way; see `truth_of`."""
    mistakes: tuple[Mistake, ...] = ()
    """As annotated."""

    @property
    def is_normal(self) -> bool:
        """Whether no mistake is annotated, and no step is missing."""
        return not self.mistakes and not self.wrong["missing"]

    @property
    def never_done(self) -> frozenset[int]:
        """The missing steps that do not come later."""
        return self.wrong["missing"].difference(self.steps[:, 2].tolist())


def read_truth(dataset: Dataset, video: str) -> Truth:
    """The truth of a video of a dataset; without a track, its segments are its steps, and nothing is wrong."""
    track = dataset.track(video)
    if track is None:
        return truth_of(steps_of(dataset.labels(video), dataset.info.background))
    steps = np.array([(one.start, one.end, one.label) for one in track.steps], dtype=np.int64).reshape(-1, 3)
    needs_lengths = any(_is_about(one, TIMING) for one in track.mistakes)
    return truth_of(steps, track, _usual_lengths(dataset) if needs_lengths else {})


def truth_of(
    steps: np.ndarray, track: Track | None = None, usual_lengths: Mapping[int, float] = MappingProxyType({})
) -> Truth:
    """The truth from steps, as in `Truth`, and what the track has beside them.

    - *out of order*: a mistake of order is annotated; *repeated*, if the step is also done more than once. Many recipes
      do a step twice.
    - *missing*: never done though it was to be; or done too late, by the description of its mistake of order ("Step
      performed after adding cheese"). The first time counts: a step is not missing once it has begun.
    - *taking too long*: a mistake of timing is annotated, and the step is longer than usual. As many mistakes of timing
      are too short. `usual_lengths` are in frames, by class; without one, nothing is too long.
    """
    mistakes = () if track is None else track.mistakes
    starts, times_done = _first_starts(steps), Counter(steps[:, 2].tolist())
    of_order, of_timing = ([one for one in mistakes if _is_about(one, word)] for word in (ORDER, TIMING))
    never = frozenset(() if track is None else track.missing).difference(starts)
    late = {one.label for one in of_order if one.start == starts.get(one.label) and _TOO_LATE.search(one.description)}
    slow = {one.label for one in of_timing if one.end - one.start > usual_lengths.get(one.label, np.inf)}
    out_of_order = frozenset(one.label for one in of_order)
    wrong: dict[Reason, frozenset[int]] = {
        "missing": never | late,
        "out of order": out_of_order,
        "repeated": frozenset(label for label in out_of_order if times_done[label] > 1),
        "taking too long": frozenset(slow),
    }
    return Truth(steps, wrong, mistakes)


def is_right(alarm: Event, wrong: Collection[int], steps: np.ndarray) -> bool:
    """Whether an alarm names one of the classes that are `wrong` in its way, whenever it comes.

    A step that comes too late is missing until it begins: an alarm `missing` is wrong from that frame on. `steps` are
    those of `Truth`.
    """
    begins = _first_starts(steps).get(alarm.label, np.inf)
    return alarm.label in wrong and (alarm.kind != "missing" or alarm.frame < begins)


def _first_starts(steps: np.ndarray) -> dict[int, int]:
    return {label: start for start, _, label in reversed(steps.tolist())}


def _is_about(mistake: Mistake, word: str) -> bool:
    return word in mistake.tag.casefold()


_LENGTHS: WeakKeyDictionary[Dataset, Mapping[int, float]] = WeakKeyDictionary()
"""What `_usual_lengths` has found: it reads all tracks of a dataset."""


def _usual_lengths(dataset: Dataset) -> Mapping[int, float]:
    """Median frames of each class over the steps of all recordings whose timing is not annotated as wrong."""
    if dataset not in _LENGTHS:
        tracks = (dataset.track(video) for video in dataset.video_names)
        _LENGTHS[dataset] = _median_lengths(track for track in tracks if track is not None)
    return _LENGTHS[dataset]


def _median_lengths(tracks: Iterable[Track]) -> dict[int, float]:
    lengths: dict[int, list[int]] = defaultdict(list)
    for track in tracks:
        mistimed = {(one.label, one.start) for one in track.mistakes if _is_about(one, TIMING)}
        for step in track.steps:
            if (step.label, step.start) not in mistimed:
                lengths[step.label].append(step.end - step.start)
    return {label: float(np.median(of_class)) for label, of_class in lengths.items()}
