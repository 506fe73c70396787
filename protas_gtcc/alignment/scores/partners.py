"""Partners of a test video, which it is matched with: the other test videos, or the training videos, of its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.figures import mean_over_pairs, mean_over_partners
from protas_gtcc.alignment.scores.neighbours import Neighbours, nearest_frames, nearest_frames_of
from protas_gtcc.config import PartnerPart

PARTNER = "another test video of the task (or, where partners are training videos, one of those)"


@dataclass(frozen=True, eq=False)
class Partners:
    """Pairs (i, j) of a test video and its partner: labels `[T]` of both, and nearest neighbours."""

    labels: list[np.ndarray]
    other_labels: list[np.ndarray]
    nearest: Neighbours
    part: PartnerPart

    def values(self, of_pair: Callable[[int, int], float]) -> np.ndarray:
        """A value for each pair, `[V, W]`; NaN where there is no pair."""
        values = np.full((len(self.labels), len(self.other_labels)), np.nan)
        for i, j in self.nearest:
            values[i, j] = of_pair(i, j)
        return values

    def mean(self, weights: np.ndarray, values: np.ndarray, undefined: float = np.nan) -> np.ndarray:
        """Mean over pairs. A test video counts as often as it is drawn, on either side; a training video once."""
        return (mean_over_pairs if self.part == "test" else mean_over_partners)(weights, values, undefined)


def find_partners(train: Sequence[EmbeddedVideo], test: Sequence[EmbeddedVideo], part: PartnerPart) -> Partners:
    """Match every test video of a task with its partners."""
    tested = [video.embedding for video in test]
    if part == "test":
        nearest, others = nearest_frames(tested), test
    else:
        nearest, others = nearest_frames_of(tested, [video.embedding for video in train]), train
    return Partners([video.labels for video in test], [video.labels for video in others], nearest, part)
