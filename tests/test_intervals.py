"""Intervals: their coverage by simulation, slow twins, limits, and what has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protas_gtcc.metrics import left_out
from protas_gtcc.metrics.intervals import NO_LIMITS, figure_intervals, jackknife_intervals, subtract_figures
from protas_gtcc.metrics.left_out import Groups, Rows, leave_out
from protas_gtcc.metrics.limits import limits_of
from protas_gtcc.metrics.lookups import PER_CLASS, fit_lookups
from protas_gtcc.metrics.pooling import collect_rows, figures, intervals
from protas_gtcc.predictions import Prediction
from tests.predicted_videos import delayed, random_labels

FRACTION = (0.0, 1.0)


# Coverage

Simulated = tuple[np.ndarray, float]
"""Sums and counts of S samples of n videos `[S, n, K]`, and the figure of all videos there are."""


def mean_error(random: np.random.Generator, samples: int, videos: int) -> Simulated:
    """Errors of videos, skewed as they are."""
    errors = 0.2 * np.exp(random.normal(0, 0.3, (samples, videos)))
    return np.stack([errors, np.ones_like(errors)], axis=-1), 0.2 * math.exp(0.3**2 / 2)


def error_over_frames(random: np.random.Generator, samples: int, videos: int) -> Simulated:
    """Sums of errors and frames; the longest videos are several times as long as the shortest."""
    frames = np.exp(random.normal(0, 0.5, (samples, videos)))
    errors = 0.2 * np.exp(random.normal(0, 0.3, (samples, videos)))
    return np.stack([errors * frames, frames], axis=-1), 0.2 * math.exp(0.3**2 / 2)


def f1_of_segments(random: np.random.Generator, samples: int, videos: int) -> Simulated:
    """Twice the true positives, and all segments, true and predicted: 19 true ones in a video, half of them right."""
    true = 1 + random.poisson(random.gamma(6, 3, (samples, videos)))
    right = random.binomial(true, random.beta(6, 6, true.shape))
    predicted = right + random.poisson(0.3 * true)
    # In the mean over videos: 19 true segments, 9.5 right, 9.5 + 5.7 predicted.
    return np.stack([2 * right, true + predicted], axis=-1).astype(float), 19 / (19 + 9.5 + 5.7)


def single_run(videos: int) -> Rows:
    names = [str(number) for number in range(videos)]
    return Rows(names, [(name, "1") for name in names])


def one_left_out(sums: np.ndarray) -> tuple[np.ndarray, Groups]:
    """The ratio of two sums over videos `[S, n, 2]`, and with each video left out: `[S, 1 + n]`."""
    (weights,), groups = leave_out(single_run(sums.shape[1]))
    totals = np.einsum("jn,snk->sjk", weights, sums)
    return totals[..., 0] / totals[..., 1], groups


@pytest.mark.parametrize("simulate", [mean_error, error_over_frames, f1_of_segments])
@pytest.mark.parametrize("videos", [4, 7, 10, 20])
def test_intervals_cover_95_percent(simulate: Callable[..., Simulated], videos: int) -> None:
    sums, truth = simulate(np.random.default_rng(videos), 6000, videos)
    values, groups = one_left_out(sums)
    low, high = jackknife_intervals(values, groups, np.tile(FRACTION, (len(values), 1))).T
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("seeds", [2, 3])
def test_what_a_seed_does_to_all_videos_is_covered(seeds: int) -> None:
    random, videos, truth = np.random.default_rng(seeds), 10, 0.3
    of_video, of_seed = random.normal(0, 0.05, (4000, 1, videos)), random.normal(0, 0.02, (4000, seeds, 1))
    scores = truth + of_video + of_seed + random.normal(0, 0.03, (4000, seeds, videos))
    tests = [(str(video), "1") for _ in range(seeds) for video in range(videos)]
    (weights,), groups = leave_out(Rows([video for video, _ in tests], tests))
    values = (scores.reshape(4000, -1) @ weights.T) / weights.sum(axis=1)
    both, alone = (jackknife_intervals(values, own, np.tile(FRACTION, (4000, 1))) for own in (groups, groups[:1]))
    covered, without_seeds = (((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() for ends in (both, alone))
    assert 0.93 <= covered <= 0.97
    assert without_seeds < covered - 0.03


def test_a_class_that_few_videos_show_is_covered_where_it_has_an_interval() -> None:
    random = np.random.default_rng(0)
    frames = np.exp(random.normal(0, 0.5, (6000, 10))) * (random.random((6000, 10)) < 0.4)
    sums = np.stack([frames * (0.25 + random.normal(0, 0.06, frames.shape)), frames], axis=-1)
    with np.errstate(invalid="ignore"):
        values, groups = one_left_out(sums)
    low, high = jackknife_intervals(values, groups, np.tile(NO_LIMITS, (6000, 1))).T
    defined = np.isfinite(low)
    np.testing.assert_array_equal(defined, (frames > 0).sum(axis=1) > 1)
    assert 0.93 <= ((low <= 0.25) & (high >= 0.25))[defined].mean() <= 0.97


# Twins


def slow_interval(estimate: float, groups: Sequence[Sequence[float]], low: float, high: float) -> list[float] | None:
    """One interval as the text defines it, with one number after another."""
    from scipy.stats import t

    if len(groups[0]) < 2:
        return None
    variances, spread = [], 0.0
    for group in groups:
        own = [value for value in group if not math.isclose(value, estimate, rel_tol=1e-10)]
        if len(own) == 1 or any(math.isnan(value) for value in own):
            return None
        if own:
            mean = sum(own) / len(own)
            variances.append((len(own) - 1) / len(own) * sum((value - mean) ** 2 for value in own))
            spread += variances[-1] ** 2 / (len(own) - 1)
    if sum(variances) == 0:
        return [estimate, estimate]
    reach = float(t.ppf(0.975, sum(variances) ** 2 / spread)) * math.sqrt(sum(variances))
    if math.isfinite(low) and math.isfinite(high) and low < estimate < high:
        share = (estimate - low) / (high - low)
        middle, far = math.log(share / (1 - share)), reach / (high - low) / (share * (1 - share))
        return [low + (high - low) / (1 + math.exp(-place)) for place in (middle - far, middle + far)]
    return [max(estimate - reach, low), min(estimate + reach, high)]


@given(
    st.integers(1, 7), st.integers(0, 3), st.sampled_from([FRACTION, NO_LIMITS, (-np.inf, 1.0)]), st.integers(0, 999)
)
@settings(max_examples=150, deadline=None)
def test_an_interval_equals_its_plain_twin(videos: int, runs: int, limits: tuple[float, float], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.clip(0.5 + random.normal(0, 0.1, (20, 1 + videos + runs)), 0.01, 0.99)
    alike = random.random(values.shape) < 0.2
    values = np.where(alike, values[:, :1], values)
    values[random.random(values.shape) < 0.03] = np.nan
    values[:, 0] = np.where(np.isnan(values[:, 0]), 0.5, values[:, 0])
    ends = [1, 1 + videos, 1 + videos + runs] if runs > 1 else [1, 1 + videos]
    groups = tuple(slice(*pair) for pair in pairwise(ends))
    found = jackknife_intervals(values, groups, np.tile(limits, (20, 1)))
    for row, interval in zip(values.tolist(), found, strict=True):
        expected = slow_interval(row[0], [row[group] for group in groups], *limits)
        np.testing.assert_allclose(interval, [np.nan, np.nan] if expected is None else expected, rtol=1e-6)


CLASSES = ["rest", "pour", "stir"]


def videos_of(numbers: Sequence[int]) -> list[tuple[str, np.ndarray, Prediction]]:
    labels = {n: np.append(random_labels(n, 3, num_segments=8, most_frames=12), [1, 2]) for n in numbers}
    return [(f"v{n}", one, delayed(one, 1 + n % 3, 3)) for n, one in labels.items()]


PEOPLE = {f"v{n}": f"person {n // 2}" for n in range(8)}
LOOKUPS = fit_lookups([labels for _, labels, _ in videos_of(range(100, 106))], 3, [0])


@pytest.mark.parametrize("people", [{}, PEOPLE], ids=["videos", "people"])
def test_leaving_out_equals_scoring_the_other_videos(people: dict[str, str]) -> None:
    videos = videos_of(range(8))
    rows = collect_rows(videos, LOOKUPS, CLASSES, [0], people=people)
    assert rows.num_people == (4 if people else None)
    parts = [{name} for name, _, _ in videos]
    if people:
        parts = [{name for name in people if people[name] == person} for person in dict.fromkeys(people.values())]
    fewer = [
        figures(collect_rows([one for one in videos if one[0] not in part], LOOKUPS, CLASSES, [0])) for part in parts
    ]
    found, everything = intervals(rows), figures(rows)
    for path in (
        ("segmentation", "f1@50"),
        ("progress", "predicted", "frame"),
        ("progress", "predicted", "all_frames"),
        ("progress", "oracle", "r2"),
        ("progress", "predicted", "per_class", "stir"),
        ("curves", "predicted", "rank_correlation"),
    ):
        estimate, interval, *values = (at(tree, path) for tree in (everything, found, *fewer))
        assert interval == pytest.approx(slow_interval(estimate, [values], *limits_of(path))), path
        assert interval[0] < estimate < interval[1]
    # Skill compares with the same look-up whatever is left out: with the best one on all videos.
    skills = [skill_of(tree, everything) for tree in (everything, *fewer)]
    assert at(everything, ("progress", "predicted", "skill")) == pytest.approx(skills[0])
    expected = slow_interval(skills[0], [skills[1:]], *NO_LIMITS)
    assert at(found, ("progress", "predicted", "skill")) == pytest.approx(expected)


def skill_of(tree: dict[str, Any], everything: dict[str, Any]) -> float:
    def error(of: dict[str, Any], name: str) -> float:
        return float(of["baselines"][name]["oracle_segments"]["all_frames"])

    best = min(PER_CLASS, key=lambda name: error(everything, name))
    own = tree["progress"]["predicted"]["all_frames"]
    return (error(tree, "best_constant") - own) / (error(tree, "best_constant") - error(tree, best))


def at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def test_a_person_is_left_out_only_where_all_are_known() -> None:
    some = {name: person for name, person in PEOPLE.items() if name != "v3"}
    rows = collect_rows(videos_of(range(8)), LOOKUPS, CLASSES, [0], people=some)
    assert rows.num_people is None
    assert rows.clusters == tuple(PEOPLE)
    one = collect_rows(videos_of(range(4)), LOOKUPS, CLASSES, [0], people=dict.fromkeys(PEOPLE, "P1"))
    assert one.num_people == 1
    assert intervals(one)["segmentation"]["acc"] is None, "videos of one person tell nothing of others"


# Limits, and the edge of what is known


def interval_of(*values: float, limits: tuple[float, float] = NO_LIMITS) -> list[float] | None:
    tree = {"figure": np.array(values)}
    found = figure_intervals(tree, (slice(1, len(values)),), lambda _: limits)["figure"]
    return None if found is None else [float(end) for end in found]


def ends_of(*values: float, limits: tuple[float, float] = NO_LIMITS) -> list[float]:
    found = interval_of(*values, limits=limits)
    assert found is not None
    return found


def test_an_interval_stays_within_the_figures_limits_and_around_it() -> None:
    for estimate in (0.001, 0.5, 0.999):
        wide = [estimate + 0.5 * min(estimate, 1 - estimate) * step for step in (-1, 0.5, 1)]
        low, high = ends_of(estimate, *wide, limits=FRACTION)
        assert 0 < low < estimate < high < 1
        low, high = ends_of(estimate, *wide)
        assert low < 0 or high > 1, "without limits it is symmetric"
        assert estimate - low == pytest.approx(high - estimate)
    low, high = ends_of(0.9, 0.7, 1.0, 0.95, limits=(-np.inf, 1.0))
    assert low < 0.9 < high == 1


def test_what_never_changes_has_an_interval_of_no_width_and_none_at_its_limit() -> None:
    assert interval_of(0.3, 0.3, 0.3, limits=FRACTION) == [0.3, 0.3]
    assert interval_of(1.0, 1.0, 1.0, limits=FRACTION) is None
    assert interval_of(0.0, 0.0, 0.0, limits=(0.0, np.inf)) is None


def test_what_one_video_decides_has_no_interval() -> None:
    assert interval_of(0.3) is None, "without a video there is none"
    assert interval_of(0.3, 0.3) is None, "one video"
    assert interval_of(0.3, np.nan, 0.3, 0.3) is None, "without the first video there is no figure"
    assert interval_of(0.3, 0.4, 0.3, 0.3) is None, "only the first video has a part in it"
    assert interval_of(np.nan, 0.3, 0.4) is None


def test_intervals_are_the_same_each_time_and_in_any_order_of_videos() -> None:
    first, again = (intervals(collect_rows(videos_of(order), LOOKUPS, CLASSES, [0])) for order in (range(6), range(6)))
    assert first == again
    turned = intervals(collect_rows(videos_of(range(5, -1, -1)), LOOKUPS, CLASSES, [0]))
    assert turned["segmentation"]["acc"] == pytest.approx(first["segmentation"]["acc"])


def test_of_many_videos_several_are_left_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(1, 0.2, 300)

    def width() -> float:
        (weights,), groups = leave_out(single_run(300))
        low, high = jackknife_intervals((weights @ values / weights.sum(axis=1))[None], groups, np.array([NO_LIMITS]))[
            0
        ]
        return float(high - low)

    one_at_a_time = 2 * 1.97 * values.std(ddof=1) / math.sqrt(300)
    assert width() == pytest.approx(one_at_a_time, rel=0.15)
    monkeypatch.setattr(left_out, "MOST_PARTS", 300)
    assert width() == pytest.approx(one_at_a_time, rel=0.01)


def test_differences_by_rounding_are_none() -> None:
    one = {"a": np.array([0.1 + 0.2, 1.0]), "b": np.array([1.0, 2.0])}
    difference = subtract_figures(one, {"a": np.array([0.3, 1.0]), "b": np.array([0.5, 2.5])})
    assert difference["a"].tolist() == [0, 0]
    assert difference["b"].tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    ("path", "limits"),
    [
        ("segmentation.acc", (0, 100)),
        ("progress.predicted.frame", FRACTION),
        ("progress.predicted.skill", NO_LIMITS),
        ("progress.oracle.r2", (-np.inf, 1)),
        ("margin.predicted.frame.share", NO_LIMITS),
        ("curves.lookups.oracle_segments.half.rank_correlation", (-1, 1)),
        ("curves.predicted.fall_depth", (0, np.inf)),
        ("breakdowns.tenth.0.0-0.1.predicted.bias", NO_LIMITS),
        ("breakdowns.occurrence.first.frames", None),
        ("online.first_delay_seconds", (0, np.inf)),
        ("online.finished.predicted.lead_frames", NO_LIMITS),
        ("online.false_starts_per_hour", (0, np.inf)),
        ("certainty.remaining_bias_seconds", NO_LIMITS),
    ],
)
def test_limits_are_those_of_the_figure(path: str, limits: tuple[float, float] | None) -> None:
    assert limits_of(tuple(path.split("."))) == limits
