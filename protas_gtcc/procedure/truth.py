"""What really happened in a recording: its steps as annotated, and which of them were wrong in which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from protas_gtcc.annotations.mistakes import Mistake, Track
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.procedure.result import Reason
from protas_gtcc.procedure.tables import steps_of

TAGS: Mapping[str, Reason] = {"order": "out of order", "timing": "taking too long"}
"""Words in the tags of mistakes that an alarm is about. Other mistakes are not seen in order and lengths. A step
that is done again counts as wrongly repeated if a mistake of order is annotated; many recipes do a step twice."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The steps and mistakes of one recording."""

    steps: np.ndarray
    """int64 `[M, 3]`: start, end (exclusive) and label, by start; they may overlap."""
    wrong: Mapping[Reason, frozenset[int]]
    """For each reason of an alarm the class ids of the steps that are wrong in that way."""
    mistakes: tuple[Mistake, ...] = ()
    """As annotated."""

    @property
    def is_normal(self) -> bool:
        """Whether no mistake is annotated, and no step is missing."""
        return not self.mistakes and not self.wrong["missing"]


def read_truth(dataset: Dataset, video: str) -> Truth:
    """The truth of a video of a dataset; without a track, its segments are its steps, and nothing is wrong."""
    track = dataset.track(video)
    if track is None:
        return truth_of(steps_of(dataset.labels(video), dataset.info.background))
    steps = np.array([(one.start, one.end, one.label) for one in track.steps], dtype=np.int64).reshape(-1, 3)
    return truth_of(steps, track)


def truth_of(steps: np.ndarray, track: Track | None = None) -> Truth:
    """The truth from steps, as in `Truth`, and what the track has beside them."""
    times_done = Counter(steps[:, 2].tolist())
    mistakes = () if track is None else track.mistakes
    wrong: dict[Reason, frozenset[int]] = {reason: _tagged(mistakes, word) for word, reason in TAGS.items()}
    wrong["missing"] = frozenset(() if track is None else track.missing).difference(times_done)
    wrong["repeated"] = frozenset(label for label in wrong["out of order"] if times_done[label] > 1)
    return Truth(steps, wrong, mistakes)


def _tagged(mistakes: Iterable[Mistake], word: str) -> frozenset[int]:
    return frozenset(one.label for one in mistakes if word in one.tag.casefold())
