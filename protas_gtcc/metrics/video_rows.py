"""A row of sums and counts for each video, from which every figure is made.

Predictors of progress come in this order: the reported progress (`predicted`), the progress of the true class
(`oracle`), each look-up given the true segments, each look-up given the predicted segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from protas_gtcc.metrics.procedure import ProcedureRow


@dataclass(frozen=True, eq=False)
class VideoRows:
    """Sums and counts of V videos with C classes, for P predictors of progress; V rows if they are added up."""

    class_names: list[str]
    lookups: tuple[str, ...]
    videos: tuple[str, ...]
    """The name of each video."""
    people: tuple[str, ...]
    """The person in each video, "" where unknown."""
    segmentation: np.ndarray
    """`[V, len(segmentation.STATISTICS)]`."""
    progress: np.ndarray
    """`[V, P, 2 C + progress.NUM_SCALARS]`."""
    frames: np.ndarray
    """`[V, 4, C]`: for each class its true frames, predicted frames, frames that are both, true segments."""
    breakdowns: np.ndarray
    """`[V, P, len(breakdowns.STATISTICS), breakdowns.NUM_PARTS]`."""
    curves: np.ndarray
    """`[V, P, len(curves.STATISTICS)]`."""
    online: np.ndarray
    """`[V, len(online.STATISTICS)]`."""
    finished: np.ndarray
    """`[V, P, len(online.FINISHED_STATISTICS)]`."""
    certainty: np.ndarray
    """`[V, len(certainty.STATISTICS)]`."""
    tasks: np.ndarray
    """`[V, len(tasks.STATISTICS)]`."""
    has_oracle: bool
    """Whether all predictions have the progress of every class; without it `oracle` has no figures."""
    has_progress: bool
    """Whether any prediction does, or reports progress; a model without a progress head has no progress figures."""
    fps: float | None = None
    """Frames a second; None where not known; then times are in frames or undefined."""
    procedures: tuple[ProcedureRow, ...] | None = None
    """What each video adds to the figures of procedures; None where none are scored."""
    is_added_up: bool = False
    """Whether videos that are left out together share a row; else each has its own."""

    @property
    def num_videos(self) -> int:
        """Number of videos, at least 1."""
        return len(self.videos)

    @property
    def clusters(self) -> tuple[str, ...]:
        """What each video is left out with for intervals: its person where all are known, else it alone."""
        return self.people if all(self.people) else self.videos

    @property
    def row_clusters(self) -> tuple[str, ...]:
        """The same of each row; rows of several videos are left out one at a time."""
        return tuple(map(str, range(len(self.segmentation)))) if self.is_added_up else self.clusters

    @property
    def num_people(self) -> int | None:
        """Number of people; None where one is unknown."""
        return len(set(self.people)) if all(self.people) else None

    def only(self, kept: list[int]) -> VideoRows:
        """The rows with these numbers, of rows that are one video each."""
        assert not self.is_added_up
        chosen: dict[str, Any] = {name: values[kept] for name, values in self.arrays.items()}
        chosen |= {name: tuple(getattr(self, name)[number] for number in kept) for name in ("videos", "people")}
        if self.procedures is not None:
            chosen["procedures"] = tuple(self.procedures[number] for number in kept)
        return replace(self, **chosen)

    @property
    def arrays(self) -> dict[str, Any]:
        """The statistics by name, `[V, …]` each."""
        return {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}

    def by_lookup(self, predictors: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """What belongs to each look-up, of one thing for each predictor: by the segments given, then by name."""
        on_true, on_predicted = predictors[2 : 2 + len(self.lookups)], predictors[2 + len(self.lookups) :]
        return {
            "predicted_segments": dict(zip(self.lookups, on_predicted, strict=True)),
            "oracle_segments": dict(zip(self.lookups, on_true, strict=True)),
        }


def weighted_sums(statistics: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of statistics `[V, …]` over videos, when video v counts `weights[r, v]` times: `[R, …]`."""
    return (weights @ statistics.reshape(len(statistics), -1)).reshape(len(weights), *statistics.shape[1:])
