"""Figures over several runs: splits and seeds of one kind of run pooled, and kinds compared on the same videos.

A row is one test of one video: in one split, by the run of one seed. Rows are pooled as videos are in the evaluation of
one run (`metrics.pooling`), each video of a split counting once however many seeds there are.

Intervals are a bootstrap at two levels: videos are drawn, and for each drawn one as many of its rows as it has. So a
video is the unit: more seeds do not make an interval narrower than the videos allow. Seeds are drawn for each video
apart. Two kinds are compared under the same drawn videos: what makes a video hard for both cancels out of their
difference.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from protas_gtcc.errors import InputError
from protas_gtcc.metrics.details import best_lookup_names
from protas_gtcc.metrics.intervals import percentile_interval, resampling_weights
from protas_gtcc.metrics.pooling import weighted_figures
from protas_gtcc.metrics.video_rows import VideoRows, concatenate_rows


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
    sampled = _sampled(pooled, _drawn_videos(pooled, seed), [seed, 0])
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
    sampled = [_sampled(pooled, drawn, [seed, number]) for number, pooled in enumerate(pair)]
    return _with_intervals(_subtract(*sampled), pair[0])


def two_level_weights(pooled: PooledRows, drawn: dict[str, np.ndarray], seed: int | Sequence[int]) -> np.ndarray:
    """How often each row counts in each resample, float64 `[R, N]`, given how often each video was drawn, `[R]`."""
    random = np.random.default_rng(seed)
    videos = np.array([video for video, _ in pooled.tests])
    num_resamples = len(next(iter(drawn.values())))
    weights = np.zeros((num_resamples, len(videos)))
    for video, times in drawn.items():
        rows = np.flatnonzero(videos == video)
        draws = times.astype(np.int64) * len(rows)
        weights[:, rows] = random.multinomial(draws, np.full(len(rows), 1 / len(rows)))
    return weights * pooled.shares


def _arrays(rows: VideoRows) -> dict[str, np.ndarray]:
    """The fields that have a row a video."""
    return {name: values for name, values in vars(rows).items() if isinstance(values, np.ndarray)}


def _drawn_videos(pooled: PooledRows, seed: int) -> dict[str, np.ndarray]:
    videos = pooled.videos
    return dict(zip(videos, resampling_weights(len(videos), seed).T, strict=True))


def _sampled(pooled: PooledRows, drawn: dict[str, np.ndarray], seed: Sequence[int]) -> dict[str, Any]:
    """Every figure as `[1 + R]`: over all rows, then over each resample."""
    weights = two_level_weights(pooled, drawn, seed)
    return weighted_figures(pooled.rows, np.concatenate([pooled.shares[None], weights]))


def _with_intervals(sampled: dict[str, Any], pooled: PooledRows) -> dict[str, Any]:
    videos = np.array([video for video, _ in pooled.tests])
    shown = pooled.rows.frames[:, 0] > 0
    lone = {name for number, name in enumerate(pooled.rows.class_names) if len(set(videos[shown[:, number]])) < 2}

    def interval(values: np.ndarray) -> list[float] | None:
        bounds = percentile_interval(values[1:]) if len(set(videos)) > 1 else None
        return None if bounds is None else list(bounds)

    def figure(values: np.ndarray) -> float | None:
        return None if np.isnan(values[0]) else float(values[0])

    return {**_map(figure, sampled), "intervals": _map(interval, sampled, lone)}


def _map(function: Callable[[np.ndarray], Any], tree: Any, without: Collection[str] = (), key: str = "") -> Any:
    if not isinstance(tree, dict):
        return None if tree is None else function(tree)
    left_out = without if key == "per_class" else ()
    return {name: None if name in left_out else _map(function, branch, without, name) for name, branch in tree.items()}


def _subtract(one: Any, other: Any) -> Any:
    """The difference of two trees of figures, of what both have."""
    if one is None or other is None:
        return None
    if isinstance(one, dict):
        return {name: _subtract(branch, other[name]) for name, branch in one.items() if name in other}
    return one - other
