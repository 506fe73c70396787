"""Partners of a test video, and the nearest neighbours of its frames in each of them.

Partners are the other test videos, or the training videos, of its task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.figures import mean_over_pairs, mean_over_partners
from protas_gtcc.config import PartnerPart

PARTNER = "another test video of the task (or, where partners are training videos, one of those)"
ROWS = 512
"""Rows of a distance matrix that are held at once."""
Neighbours = dict[tuple[int, int], np.ndarray]
"""By pair of videos (i, j), int64 `[T_i]`: the frames of video j at the least Euclidean distance."""


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


def nearest_frames(embeddings: Sequence[np.ndarray]) -> Neighbours:
    """Nearest neighbours of every frame, for every ordered pair of different videos.

    Embeddings are `[T, D]` each. Of equal frames the first is taken. Distances come from products in float64, so
    differences below about 1e-8 of the embedding's extent are not resolved.
    """
    videos = _distinct_of(embeddings)
    found = {}
    for i, one in enumerate(videos):
        for j, other in enumerate(videos[:i]):
            # One matrix gives both directions.
            to_other, to_one = _nearest_both_ways(one, other)
            found[i, j], found[j, i] = other.first[to_other][one.number], one.first[to_one][other.number]
    return found


def nearest_frames_of(embeddings: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Neighbours:
    """The same of every frame of some videos, i, in every one of others, j."""
    videos = _distinct_of([*embeddings, *others])
    ours, theirs = videos[: len(embeddings)], videos[len(embeddings) :]
    return {
        (i, j): other.first[_nearest_both_ways(one, other)[0]][one.number]
        for i, one in enumerate(ours)
        for j, other in enumerate(theirs)
    }


class _Distinct(NamedTuple):
    """The distinct frames of a video, in the order of their first occurrence."""

    frames: np.ndarray
    """float64 `[U, D]`."""
    first: np.ndarray
    """First occurrence of each, `[U]`."""
    number: np.ndarray
    """Number of the distinct frame that each frame equals, `[T]`."""
    squares: np.ndarray
    """Squared lengths, `[U]`."""


def _distinct_of(embeddings: Sequence[np.ndarray]) -> list[_Distinct]:
    centre = np.concatenate(embeddings).mean(axis=0, dtype=np.float64) if embeddings else 0.0
    return [_distinct(embedding, centre) for embedding in embeddings]


def _distinct(embedding: np.ndarray, centre: np.ndarray | float) -> _Distinct:
    seen: dict[bytes, int] = {}
    frames = np.ascontiguousarray(embedding)
    number = np.array([seen.setdefault(frame.tobytes(), len(seen)) for frame in frames])
    first = np.unique(number, return_index=True)[1]
    # The mean of all frames would only add rounding errors to the products.
    distinct = frames[first].astype(np.float64) - centre
    return _Distinct(distinct, first, number, np.einsum("ud,ud->u", distinct, distinct))


def _nearest_both_ways(one: _Distinct, other: _Distinct) -> tuple[np.ndarray, np.ndarray]:
    """Nearest of `other` for each distinct frame of `one`, and the other way round."""
    to_other = np.empty(len(one.frames), dtype=np.int64)
    to_one, least = np.zeros(len(other.frames), dtype=np.int64), np.full(len(other.frames), np.inf)
    transposed = -2 * other.frames.T
    for start in range(0, len(one.frames), ROWS):
        rows = slice(start, start + ROWS)
        distances = one.frames[rows] @ transposed
        distances += other.squares
        distances += one.squares[rows, None]
        to_other[rows] = distances.argmin(axis=1)
        lowest = distances.min(axis=0)
        nearer = np.flatnonzero(lowest < least)
        to_one[nearer] = start + distances[:, nearer].argmin(axis=0)
        least[nearer] = lowest[nearer]
    return to_other, to_one
