"""Look-ups: progress predictors that see no features, as references for a model.

Each is given the class at a frame and k, the frames since that class began (0 at a segment's first frame). It reads the
progress from a table that was fitted on the training split:

- `half`: 0.5 at every frame. `best_constant`: the one number with the least mean |number - target| over all training
  frames. These two do not depend on the segments.
- `constant`: 0.5. `random`: uniform in [0, 1), seeded.
- `average_index`: mean target at the k-th frame over training segments longer than k; 1 beyond the longest.
- `average_index_class`, `median_index_class`: mean and median of the same, over segments of that class.
- `mean_duration_class`: (k + 1) / mean length of the class's training segments, at most 1.

A class without a training segment gets the class-agnostic table of its kind. Background gets 0, except from the first
two. The segments are the true ones, or those of a model's predicted labels; the latter need no truth. Source: de Boer
et al., "Is there progress in activity progress prediction?" (average index, constant, random).
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from protas_gtcc.annotations.segments import require_actions, segment_array
from protas_gtcc.metrics.segmentation import is_action

UNFITTED = ("half", "constant", "random")
"""The look-ups that need no fitting."""
EVERYWHERE = ("half", "best_constant")
"""Those that report the same at every frame, background included."""
PER_CLASS = ("average_index_class", "median_index_class", "mean_duration_class")
LOOKUPS = (*EVERYWHERE, "constant", "random", "average_index", *PER_CLASS)


@dataclass(frozen=True, eq=False)
class LookUps:
    """Fitted look-ups: `tables[name]` is float64 `[C, K]`, its last column for every k from K - 1 on."""

    tables: dict[str, np.ndarray]
    background: frozenset[int]
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The look-ups it has, in the order of the rows of `report`."""
        return tuple(name for name in LOOKUPS if name == "random" or name in self.tables)

    def report(self, labels: np.ndarray, video: str = "") -> np.ndarray:
        """Progress by every look-up from class ids `[T]`, true or predicted: float64 `[num look-ups, T]`.

        `video` seeds `random`, so that a video gets the same numbers in any order of videos.
        """
        index = frames_since_change(labels)
        rows = {name: table[labels, np.minimum(index, table.shape[1] - 1)] for name, table in self.tables.items()}
        random = np.random.default_rng([self.seed, zlib.crc32(video.encode())]).random(len(labels))
        rows["random"] = random * is_action(labels, self.background)
        return np.stack([rows[name] for name in self.names])


def fit_lookups(
    training_labels: Iterable[np.ndarray], num_classes: int, background: Collection[int], seed: int = 0
) -> LookUps:
    """Fit on the training videos' class ids, `[T]` each.

    Without any video only `UNFITTED` are returned. Raises `InputError` if there are videos but no action in any.
    """
    tables = {name: np.full((num_classes, 1), 0.5) for name in ("half", "constant")}
    of_videos = list(training_labels)
    if of_videos:
        require_actions(of_videos, background)
        segments = [segment_array(labels) for labels in of_videos]
        every = np.concatenate(segments)
        lengths, labels = every[:, 1] - every[:, 0], every[:, 2]
        actions = is_action(labels, background)
        tables |= _fit_tables(lengths[actions], labels[actions], num_classes)
        best = best_constant(lengths[actions], int(lengths[~actions].sum()))
        tables["best_constant"] = np.full((num_classes, 1), best)
    for name in tables.keys() - set(EVERYWHERE):
        tables[name][list(background)] = 0
    return LookUps(tables, frozenset(background), seed)


def frames_since_change(labels: np.ndarray) -> np.ndarray:
    """How many frames ago the class at each frame began: class ids `[T]` -> int64 `[T]`, 0 at a start."""
    segments = segment_array(labels)
    return np.arange(len(labels)) - np.repeat(segments[:, 0], segments[:, 1] - segments[:, 0])


def best_constant(lengths: np.ndarray, num_background_frames: int) -> float:
    """The number with the least mean |number - target| over all frames: the median of their targets.

    `lengths` are those of the action segments; the target of background frames is 0.
    """
    starts = np.cumsum(lengths) - lengths
    elapsed = 1 + np.arange(lengths.sum()) - np.repeat(starts, lengths)
    return float(np.median(np.append(elapsed / np.repeat(lengths, lengths), np.zeros(num_background_frames))))


def average_index(lengths: np.ndarray, num_columns: int) -> np.ndarray:
    """Mean of (k + 1) / L over segment lengths L > k, for k = 0 … num_columns - 1; 1 beyond the longest."""
    inverse, first_longer, has_longer = _longer_than(lengths, num_columns)
    sums_from = np.cumsum(inverse[::-1])[::-1]
    mean = sums_from[first_longer] / (len(lengths) - first_longer)
    return np.where(has_longer, (np.arange(num_columns) + 1) * mean, 1.0)


def median_index(lengths: np.ndarray, num_columns: int) -> np.ndarray:
    """Median of (k + 1) / L over segment lengths L > k, for k = 0 … num_columns - 1; 1 beyond the longest."""
    inverse, first_longer, has_longer = _longer_than(lengths, num_columns)
    twice_middle = first_longer + len(lengths) - 1
    median = (inverse[twice_middle // 2] + inverse[(twice_middle + 1) // 2]) / 2
    return np.where(has_longer, (np.arange(num_columns) + 1) * median, 1.0)


def mean_duration(lengths: np.ndarray, num_columns: int) -> np.ndarray:
    """(k + 1) / mean length, at most 1, for k = 0 … num_columns - 1."""
    return np.minimum((np.arange(num_columns) + 1) / lengths.mean(), 1.0)


def _fit_tables(lengths: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[str, np.ndarray]:
    num_columns = int(lengths.max()) + 1  # one more than the longest, so that the last column is "beyond": 1
    tables = {"average_index": np.tile(average_index(lengths, num_columns), (num_classes, 1))}
    for name, fit in zip(PER_CLASS, (average_index, median_index, mean_duration), strict=True):
        tables[name] = np.tile(fit(lengths, num_columns), (num_classes, 1))
        for label in np.unique(labels):
            tables[name][label] = fit(lengths[labels == label], num_columns)
    return tables


def _longer_than(lengths: np.ndarray, num_columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 / L by ascending L; for each k the first of these with L > k (kept in range); whether there is one.

    The target at the k-th frame is (k + 1) / L. So its mean and median over segments longer than k are k + 1 times
    those of 1/L over a tail of the sorted lengths.
    """
    ascending = np.sort(lengths)
    first = np.searchsorted(ascending, np.arange(num_columns), side="right")
    return 1 / ascending, np.minimum(first, len(lengths) - 1), first < len(lengths)
