"""Weights of rows that leave one thing out at a time: a person (or a video), or a run of a split.

A row is one test of one video: in one split, by the run of one seed. Statistics that add up over rows are summed by one
product: weights `[1 + J, N]` times statistics `[N, K]`. The first row of the weights counts everything, the others
leave out one thing each. `metrics.intervals` turns the figures of these sums into intervals.

A *cluster* is what tests have in common, so that their scores are alike: a person, or where people are not known a
video. All rows of a cluster are left out together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_PARTS = 200
"""More clusters than this are left out in groups, so that many videos need no more sums."""
Test = tuple[str, str]
"""A video and the split that tests it."""
Groups = tuple[slice, ...]
"""Which rows of the weights leave out one thing of a kind: first clusters, then the runs of each split."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one method: the cluster and the test of each, `[N]`. The k-th row of a test comes from the k-th run.

    Without runs of several seeds, a test has one row.
    """

    clusters: Sequence[str]
    tests: Sequence[Test]


def one_test_each(clusters: Sequence[str]) -> Rows:
    """Rows of which each is a test of its own, by one run."""
    return Rows(clusters, [(str(number), "") for number in range(len(clusters))])


def leave_out(*methods: Rows) -> tuple[list[np.ndarray], Groups]:
    """The weights of each method, float64 `[1 + J, N]`, and what they leave out, the same for all.

    Methods that are compared share their clusters, not their runs: what makes a person hard for both cancels out in
    their difference.
    """
    clusters = cluster_numbers([name for method in methods for name in method.clusters])
    num_clusters = max(clusters.values()) + 1
    runs = [_runs_of_splits(method.tests) for method in methods]
    groups, total = [slice(1, 1 + num_clusters)], 1 + num_clusters
    for _, num_runs in (one for of_method in runs for one in of_method):
        groups.append(slice(total, total + num_runs))
        total += num_runs
    weights = [np.tile(row_shares(method.tests), (total, 1)) for method in methods]
    remaining = iter(groups[1:])
    for method, own, of_method in zip(methods, weights, runs, strict=True):
        own[[1 + clusters[name] for name in method.clusters], np.arange(len(method.clusters))] = 0
        for split, num_runs in of_method:
            own[next(remaining)] = [_without_run(method.tests, split, run) for run in range(num_runs)]
    return weights, tuple(groups)


def leave_out_people(people: Sequence[str]) -> tuple[np.ndarray, Groups]:
    """The weights of videos of these people, and what they leave out; a video at a time where one of them is "".

    The weights are float64 `[1 + J, V]`.
    """
    (weights,), groups = leave_out(one_test_each(people if all(people) else [str(n) for n in range(len(people))]))
    return weights, groups


def cluster_numbers(names: Sequence[str]) -> dict[str, int]:
    """A number from 0 on for each cluster, in the order of first occurrence; with many, several share one."""
    return {name: number % MOST_PARTS for number, name in enumerate(dict.fromkeys(names))}


def row_shares(tests: Sequence[Test]) -> np.ndarray:
    """What each row counts, float64 `[N]`: the rows of one test, one from each run, share 1."""
    runs = Counter(tests)
    return np.array([1 / runs[test] for test in tests])


def _runs_of_splits(tests: Sequence[Test]) -> list[tuple[str, int]]:
    """Splits with at least two runs, and how many; from a single run, nothing is known of the others."""
    num_runs: dict[str, int] = {}
    for (_, split), count in Counter(tests).items():
        num_runs[split] = max(num_runs.get(split, 0), count)
    return [(split, count) for split, count in num_runs.items() if count > 1]


def _without_run(tests: Sequence[Test], split: str, run: int) -> np.ndarray:
    """What each row counts without a run of a split; its tests are shared by the split's other runs."""
    seen: Counter[Test] = Counter()
    kept = np.ones(len(tests), dtype=bool)
    for row, test in enumerate(tests):
        kept[row] = test[1] != split or seen[test] != run
        seen[test] += 1
    shares = np.zeros(len(tests))
    shares[kept] = row_shares([test for test, is_kept in zip(tests, kept.tolist(), strict=True) if is_kept])
    return shares
