"""Bootstrap: 95 % intervals of figures over videos, over runs within splits, and of paired differences.

A resample draws V videos with replacement; only how often each is drawn matters. Statistics that add up over videos
are therefore resampled by one product: weights `[R, V]` times statistics `[V, K]`.

A tree of figures is nested as in metrics.json. Its leaves are arrays `[R]`, one value a resample; or `[1 + R]`, where
the value over all videos as they are comes first. Two methods that share their drawn videos have a paired difference:
what makes a video hard for both cancels out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

LEVEL = 0.95
NUM_RESAMPLES = 1000
RUNS_STREAM = 1
"""Last of the numbers that seed the drawing of runs. Not 0: numpy drops zeros at the end of a seed, and [seed, 0] is
the stream that videos are drawn from."""
Path = tuple[str, ...]
"""Names that lead to a figure in metrics.json."""
Test = tuple[str, str]
"""A video and the split that tests it."""


def resampling_weights(count: int, seed: int | Sequence[int] = 0, num_resamples: int = NUM_RESAMPLES) -> np.ndarray:
    """How often each of `count` videos (or runs) is drawn in each resample, float64 `[R, count]`; rows sum to it."""
    return _draw(np.random.default_rng(seed), count, num_resamples)


def two_level_weights(
    tests: Sequence[Test], drawn: Mapping[str, np.ndarray], seed: int = 0, method: int = 0
) -> np.ndarray:
    """How much each row counts in each resample, float64 `[R, N]`, where a row is one test by one run.

    The k-th row of a test comes from the k-th run of its split. `drawn` is by video how often it is drawn, `[R]` each.
    `seed` and `method` seed the drawing of runs: methods that are compared share their drawn videos, not their runs.

    Of each split as many runs are drawn as there are, the same ones for all of its videos. So a video is the unit: more
    runs do not make an interval narrower than the videos allow. What a run does to all videos of its split stays in the
    interval.
    """
    random = np.random.default_rng([seed, method, RUNS_STREAM])
    num_resamples = len(next(iter(drawn.values())))
    weights = np.zeros((num_resamples, len(tests)))
    for split in dict.fromkeys(split for _, split in tests):
        rows_of_test = defaultdict(list)
        for row, test in enumerate(tests):
            if test[1] == split:
                rows_of_test[test].append(row)
        draws = _draw(random, max(map(len, rows_of_test.values())), num_resamples)
        for (video, _), rows in rows_of_test.items():
            weights[:, rows] = drawn[video][:, None] * draws[:, : len(rows)]
    return weights * row_shares(tests)


def row_shares(tests: Sequence[Test]) -> np.ndarray:
    """What each row counts, float64 `[N]`: the rows of one test, one from each run, share 1."""
    runs = Counter(tests)
    return np.array([1 / runs[test] for test in tests])


def all_first(weights: np.ndarray, each: np.ndarray | float = 1.0) -> np.ndarray:
    """Weights of resamples `[R, N]` below those of everything as it is: `[1 + R, N]`."""
    return np.concatenate([np.broadcast_to(each, (1, weights.shape[1])), weights])


def percentile_interval(values: np.ndarray) -> list[float] | None:
    """The middle 95 % of a figure over resamples `[R]`, `[low, high]`; NaN ones are left out, None if all are.

    A figure is NaN in resamples without any video that it needs, such as those that show a rare class.
    """
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return None
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def with_intervals(sampled: dict[str, Any], has_interval: Callable[[Path], bool]) -> dict[str, Any]:
    """From a tree of `[1 + R]`: the figures as numbers, and under `intervals` the same structure as `[low, high]`."""
    resamples = map_figures(lambda _, values: values[1:], sampled)
    return {**figure_values(sampled), "intervals": figure_intervals(resamples, has_interval)}


def figure_values(sampled: dict[str, Any]) -> dict[str, Any]:
    """The first value of every figure; None where it is NaN (undefined)."""
    return map_figures(lambda _, values: float(values[0]) if np.isfinite(values[0]) else None, sampled)


def figure_intervals(resamples: dict[str, Any], has_interval: Callable[[Path], bool]) -> dict[str, Any]:
    """`[low, high]` of every figure over resamples, `[R]` each; None where undefined or not `has_interval(path)`."""
    return map_figures(lambda path, values: percentile_interval(values) if has_interval(path) else None, resamples)


def subtract_figures(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Every figure of `one` less that of `other`, where both have it."""
    return map_figures(lambda _, first, second: first - second, one, other)


def map_figures(function: Callable[..., Any], *trees: Any, path: Path = ()) -> Any:
    """`function(path, *values)` of every figure that all trees have, nested like them; None where one is None."""
    if any(tree is None for tree in trees):
        return None
    if not isinstance(trees[0], dict):
        return function(path, *trees)
    shared = [name for name in trees[0] if all(name in tree for tree in trees)]
    return {name: map_figures(function, *(tree[name] for tree in trees), path=(*path, name)) for name in shared}


def leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of everything in nested dictionaries."""
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for name, branch in tree.items():
        yield from leaves(branch, (*path, name))


def _draw(random: np.random.Generator, count: int, num_resamples: int) -> np.ndarray:
    return random.multinomial(count, np.full(count, 1 / count), size=num_resamples).astype(np.float64)
