"""Figures over several runs: splits and seeds of one kind of run pooled, and kinds compared on the same videos.

A row is one test of one video: in one split, by the run of one seed. Rows are pooled as videos are in the evaluation of
one run (`metrics.pooling`). Each video of a split counts once, however many seeds there are. Intervals leave out people
(or videos), and the runs of each split (`metrics.left_out`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import best_lookups
from protas_gtcc.metrics.intervals import NO_LIMITS, Limits, Path, subtract_figures, with_intervals
from protas_gtcc.metrics.left_out import Rows, Test, leave_out
from protas_gtcc.metrics.limits import limits_of
from protas_gtcc.metrics.pooling import weighted_figures
from protas_gtcc.metrics.video_rows import VideoRows


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Rows of one or more runs, and the test that each one belongs to."""

    rows: VideoRows
    tests: list[Test]
    """(video, split) of every row; a test comes once for each seed. With rows of several videos, their number."""

    @property
    def videos(self) -> list[str]:
        """The videos, each once, in the order in which they come first."""
        return list(dict.fromkeys(video for video, _ in self.tests))

    def only(self, tests: set[Test]) -> PooledRows:
        """The rows of these tests alone."""
        if tests.issuperset(self.tests):  # rows of several videos each can only be taken together
            return self
        kept = [number for number, test in enumerate(self.tests) if test in tests]
        return PooledRows(self.rows.only(kept), [self.tests[number] for number in kept])


def pool(parts: Sequence[PooledRows]) -> PooledRows:
    """All rows of several runs on one dataset; procedures are scored where all runs follow them.

    Raises `InputError` if some have look-ups that others lack.
    """
    rows, first = [part.rows for part in parts], parts[0].rows
    if any(one.lookups != first.lookups for one in rows):
        raise InputError("some splits have training videos to fit look-ups on and some have none; pool them apart")
    joined: dict[str, Any] = {name: np.concatenate([one.arrays[name] for one in rows]) for name in first.arrays}
    joined |= {name: tuple(one for part in rows for one in getattr(part, name)) for name in ("videos", "people")}
    procedures = [one.procedures for one in rows if one.procedures is not None]
    joined["procedures"] = tuple(chain.from_iterable(procedures)) if len(procedures) == len(rows) else None
    joined["has_oracle"] = all(one.has_oracle for one in rows)
    joined["has_progress"] = any(one.has_progress for one in rows)
    return PooledRows(replace(first, **joined), [test for part in parts for test in part.tests])


def pooled_scores(pooled: PooledRows) -> dict[str, Any]:
    """Every figure as in metrics.json, and under `intervals` the same structure at 95 %.

    Which look-ups are best, by name in `best_lookups`, is decided once, over all rows.
    """
    (weights,), groups = leave_out(_rows(pooled))
    scores = with_intervals(weighted_figures(pooled.rows, weights), groups, limits_of)
    return {**scores, "best_lookups": best_lookups(pooled.rows)}


def paired_differences(one: PooledRows, other: PooledRows) -> dict[str, Any]:
    """Every figure of `one` less that of `other`, structured as by `pooled_scores`, over the tests that both have.

    Raises `InputError` if they have no test in common.
    """
    common = set(one.tests) & set(other.tests)
    if not common:
        raise InputError("no test video is common to the two; run the same splits of both")
    pair = (one.only(common), other.only(common))
    weights, groups = leave_out(*map(_rows, pair))
    figures = [weighted_figures(pooled.rows, own) for pooled, own in zip(pair, weights, strict=True)]
    return with_intervals(subtract_figures(*figures), groups, _limits_of_difference)


def _rows(pooled: PooledRows) -> Rows:
    return Rows(pooled.rows.row_clusters, pooled.tests)


def _limits_of_difference(path: Path) -> Limits | None:
    return None if limits_of(path) is None else NO_LIMITS
