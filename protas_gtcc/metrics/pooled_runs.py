"""Figures over several runs: splits and seeds of one kind of run pooled, and kinds compared on the same videos.

A row is one test of one video: in one split, by the run of one seed. Rows are pooled as videos are in the evaluation of
one run (`metrics.pooling`), each video of a split counting once however many seeds there are.

Intervals are a bootstrap at two levels: videos are drawn, and of each split as many of its runs as there are, the same
ones for all of its videos. So a video is the unit: more seeds do not make an interval narrower than the videos allow;
and what a seed does to all videos of a split stays in the interval. Two kinds are compared under the same drawn videos
(each with runs drawn of its own): what makes a video hard for both cancels out of their difference.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import best_lookup_names
from protas_gtcc.metrics.intervals import resampling_weights
from protas_gtcc.metrics.pooling import Path, intervals_of, map_figures, of_one_video, weighted_figures
from protas_gtcc.metrics.video_rows import VideoRows, concatenate_rows

RUNS_STREAM = 1
"""Last of the numbers that seed the drawing of runs. Not 0: numpy drops zeros at the end, and [seed, 0] is the stream
that videos are drawn from."""


@dataclass(frozen=True, eq=False)
class PooledRows:
    """Rows of one or more runs, and which test each one is."""

    rows: VideoRows
    tests: list[tuple[str, str]]
    """(video, split) of every row; a test comes once for each seed."""

    @property
    def videos(self) -> list[str]:
        """The videos, each once, in the order in which they come first."""
        return list(dict.fromkeys(video for video, _ in self.tests))

    @property
    def shares(self) -> np.ndarray:
        """What each row counts, float64 `[N]`: the rows of a test share 1."""
        seeds = Counter(self.tests)
        return np.array([1 / seeds[test] for test in self.tests])

    def only(self, tests: set[tuple[str, str]]) -> PooledRows:
        """The rows of these tests alone."""
        kept = [number for number, test in enumerate(self.tests) if test in tests]
        arrays: dict[str, Any] = {name: values[kept] for name, values in _arrays(self.rows).items()}
        return PooledRows(dataclasses.replace(self.rows, **arrays), [self.tests[number] for number in kept])


def pool(parts: Sequence[PooledRows]) -> PooledRows:
    """All rows of several runs. Raises `InputError` if some have look-ups that others lack."""
    first = parts[0].rows
    if any(part.rows.lookups != first.lookups for part in parts):
        raise InputError("some splits have training videos to fit look-ups on and some have none; pool them apart")
    return PooledRows(concatenate_rows([part.rows for part in parts]), [test for part in parts for test in part.tests])


def pooled_scores(pooled: PooledRows, seed: int = 0) -> dict[str, Any]:
    """Every figure as in metrics.json, and under `intervals` the same structure at 95 %.

    Which look-ups are best, by name in `best_lookups`, is decided once, over all rows.
    """
    sampled = _sampled(pooled, _drawn_videos(pooled, seed), seed)
    return {**_with_intervals(sampled, pooled), "best_lookups": best_lookup_names(pooled.rows)}


def paired_differences(one: PooledRows, other: PooledRows, seed: int = 0) -> dict[str, Any]:
    """Every figure of `one` less that of `other`, structured as by `pooled_scores`, over the tests that both have.

    Raises `InputError` if they have no test in common.
    """
    common = set(one.tests) & set(other.tests)
    if not common:
        raise InputError("no test video is common to the two; run the same splits of both")
    pair = (one.only(common), other.only(common))
    drawn = _drawn_videos(pair[0], seed)
    sampled = [_sampled(pooled, drawn, seed, number) for number, pooled in enumerate(pair)]
    return _with_intervals(_subtract(*sampled), pair[0])


def two_level_weights(pooled: PooledRows, drawn: dict[str, np.ndarray], seed: int, kind: int = 0) -> np.ndarray:
    """How much each row counts in each resample, float64 `[R, N]`, given how often each video was drawn, `[R]`.

    Runs are drawn independently of the videos of the same seed, and of the runs of another `kind`.
    """
    random, numbers = np.random.default_rng([seed, kind, RUNS_STREAM]), _run_numbers(pooled.tests)
    num_resamples = len(next(iter(drawn.values())))
    weights = np.zeros((num_resamples, len(pooled.tests)))
    for split in dict.fromkeys(split for _, split in pooled.tests):
        rows = [row for row, test in enumerate(pooled.tests) if test[1] == split]
        num_runs = 1 + max(numbers[row] for row in rows)
        draws = random.multinomial(num_runs, np.full(num_runs, 1 / num_runs), num_resamples)
        for row in rows:
            weights[:, row] = drawn[pooled.tests[row][0]] * draws[:, numbers[row]]
    return weights * pooled.shares


def _run_numbers(tests: Sequence[tuple[str, str]]) -> list[int]:
    """Which of its split's runs each row is of: the k-th row of a test is of the k-th run."""
    seen: Counter[tuple[str, str]] = Counter()
    numbers = []
    for test in tests:
        numbers.append(seen[test])
        seen[test] += 1
    return numbers


def _arrays(rows: VideoRows) -> dict[str, np.ndarray]:
    """The fields that have a row a video."""
    return {name: values for name, values in vars(rows).items() if isinstance(values, np.ndarray)}


def _drawn_videos(pooled: PooledRows, seed: int) -> dict[str, np.ndarray]:
    videos = pooled.videos
    return dict(zip(videos, resampling_weights(len(videos), seed).T, strict=True))


def _sampled(pooled: PooledRows, drawn: dict[str, np.ndarray], seed: int, kind: int = 0) -> dict[str, Any]:
    """Every figure as `[1 + R]`: over all rows, then over each resample."""
    weights = two_level_weights(pooled, drawn, seed, kind)
    return weighted_figures(pooled.rows, np.concatenate([pooled.shares[None], weights]))


def _with_intervals(sampled: dict[str, Any], pooled: PooledRows) -> dict[str, Any]:
    """The figures over all rows, and their intervals where `pooling.intervals` has them, a video counting once."""
    lone = of_one_video(pooled.rows, [video for video, _ in pooled.tests])
    resamples = map_figures(lambda _, values: values[1:], sampled)

    def figure(_: Path, values: np.ndarray) -> float | None:
        return None if np.isnan(values[0]) else float(values[0])

    return {**map_figures(figure, sampled), "intervals": intervals_of(resamples, lone, len(pooled.videos))}


def _subtract(one: Any, other: Any) -> Any:
    """The difference of two trees of figures, of what both have."""
    if one is None or other is None:
        return None
    if isinstance(one, dict):
        return {name: _subtract(branch, other[name]) for name, branch in one.items() if name in other}
    return one - other
