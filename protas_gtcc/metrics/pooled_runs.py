"""Figures over several runs: splits and seeds of one kind of run pooled, and kinds compared on the same videos.

A row is one test of one video: in one split, by the run of one seed. Rows are pooled as videos are in the evaluation of
one run (`metrics.pooling`). Each video of a split counts once, however many seeds there are. Intervals come from
`metrics.intervals.two_level_weights`: videos are drawn, and the runs of each split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import best_lookups
from protas_gtcc.metrics.intervals import (
    Test,
    all_first,
    resampling_weights,
    row_shares,
    subtract_figures,
    two_level_weights,
    with_intervals,
)
from protas_gtcc.metrics.pooling import may_have_interval, weighted_figures
from protas_gtcc.metrics.video_rows import VideoRows


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Rows of one or more runs, and the test that each one belongs to."""

    rows: VideoRows
    tests: list[Test]
    """(video, split) of every row; a test comes once for each seed."""

    @property
    def videos(self) -> list[str]:
        """The videos, each once, in the order in which they come first."""
        return list(dict.fromkeys(video for video, _ in self.tests))

    def only(self, tests: set[Test]) -> PooledRows:
        """The rows of these tests alone."""
        kept = [number for number, test in enumerate(self.tests) if test in tests]
        rows = replace(self.rows, **{name: values[kept] for name, values in self.rows.arrays.items()})
        return PooledRows(rows, [self.tests[number] for number in kept])


def pool(parts: Sequence[PooledRows]) -> PooledRows:
    """All rows of several runs on one dataset. Raises `InputError` if some have look-ups that others lack."""
    rows, first = [part.rows for part in parts], parts[0].rows
    if any(one.lookups != first.lookups for one in rows):
        raise InputError("some splits have training videos to fit look-ups on and some have none; pool them apart")
    joined: dict[str, Any] = {name: np.concatenate([one.arrays[name] for one in rows]) for name in first.arrays}
    joined["has_oracle"] = all(one.has_oracle for one in rows)
    joined["has_progress"] = any(one.has_progress for one in rows)
    return PooledRows(replace(first, **joined), [test for part in parts for test in part.tests])


def pooled_scores(pooled: PooledRows, seed: int = 0) -> dict[str, Any]:
    """Every figure as in metrics.json, and under `intervals` the same structure at 95 %.

    Which look-ups are best, by name in `best_lookups`, is decided once, over all rows.
    """
    sampled = _sample(pooled, _draw_videos(pooled, seed), seed)
    return {**_scores(sampled, pooled), "best_lookups": best_lookups(pooled.rows)}


def paired_differences(one: PooledRows, other: PooledRows, seed: int = 0) -> dict[str, Any]:
    """Every figure of `one` less that of `other`, structured as by `pooled_scores`, over the tests that both have.

    Raises `InputError` if they have no test in common.
    """
    common = set(one.tests) & set(other.tests)
    if not common:
        raise InputError("no test video is common to the two; run the same splits of both")
    pair = (one.only(common), other.only(common))
    drawn = _draw_videos(pair[0], seed)
    sampled = [_sample(pooled, drawn, seed, method) for method, pooled in enumerate(pair)]
    return _scores(subtract_figures(*sampled), pair[0])


def _draw_videos(pooled: PooledRows, seed: int) -> dict[str, np.ndarray]:
    videos = pooled.videos
    return dict(zip(videos, resampling_weights(len(videos), seed).T, strict=True))


def _sample(pooled: PooledRows, drawn: Mapping[str, np.ndarray], seed: int, method: int = 0) -> dict[str, Any]:
    """Every figure as `[1 + R]`: over all rows, then over each resample."""
    weights = two_level_weights(pooled.tests, drawn, seed, method)
    return weighted_figures(pooled.rows, all_first(weights, row_shares(pooled.tests)))


def _scores(sampled: dict[str, Any], pooled: PooledRows) -> dict[str, Any]:
    return with_intervals(sampled, may_have_interval(pooled.rows, [video for video, _ in pooled.tests]))
