"""How often 95 % intervals of scores contain the truth, by simulation: ours beside the bootstrap's.

    python benchmarks/interval_coverage.py

Each simulated test set has some videos with random sums and counts, from which a figure is made. Every method makes an
interval of it, and the truth is the figure of a million videos. The table has the percentage of test sets whose
interval contains it, and in brackets the median width. Test sets without an interval do not count.

    jackknife    ours, `metrics.intervals`
    percentile   the middle 95 % of the figure over bootstrap resamples of the videos
    BCa          the same, corrected for bias and skewness (Efron 1987)
    bootstrap-t  quantiles of (resampled - figure) / standard error, both by the influence of each video
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from protas_gtcc.cli.main import run_command
from protas_gtcc.cli.shared.parsing import parse
from protas_gtcc.metrics.intervals import NO_LIMITS, jackknife_intervals
from protas_gtcc.metrics.left_out import Rows, leave_out
from protas_gtcc.report.figures import line, rule

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Sums and counts of each video, in the last axis."""
Figure = Callable[[np.ndarray], np.ndarray]
"""From sums `[..., K]` to figures `[...]`."""
RESAMPLES = 1000
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Arguments:
    """Measure the coverage of 95 % intervals."""

    videos: tuple[int, ...] = (5, 7, 10, 20)
    """Numbers of test videos."""
    samples: int = 4000
    """Simulated test sets of each."""
    seed: int = 0
    """Seed of the simulation."""


def main(arguments: Arguments) -> None:
    """Print a table: a row for each figure and number of videos."""
    print("\n".join([line("figure, videos", list(METHODS)), rule(len(METHODS) + 1)]))
    for name, (draw, figure, limits) in FIGURES.items():
        truth = float(figure(draw(np.random.default_rng(99), (1_000_000,)).sum(axis=0)))
        for videos in arguments.videos:
            random = np.random.default_rng([arguments.seed, videos])
            sums = draw(random, (arguments.samples, videos))
            cells = []
            for method in METHODS.values():
                low, high = method(sums, figure, np.array(limits))
                covered = 100 * np.mean(((low <= truth) & (truth <= high))[np.isfinite(low)])
                cells.append(f"{covered:.1f} ({np.nanmedian(high - low):.3f})")
            print(line(f"{name}, {videos}", cells), flush=True)


def mean(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Skewed errors of videos, and a count of 1."""
    errors = 0.2 * np.exp(random.normal(0, 0.3, shape))
    return np.stack([errors, np.ones(shape)], axis=-1)


def ratio(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Sums of errors and frames of videos of very different lengths."""
    frames = np.exp(random.normal(0, 0.5, shape))
    return np.stack([mean(random, shape)[..., 0] * frames, frames], axis=-1)


def growing_ratio(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The same, where errors are larger in longer videos."""
    errors, frames = np.moveaxis(ratio(random, shape), -1, 0)
    return np.stack([errors * frames**0.3, frames], axis=-1)


def f1(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Twice the true positives, and all segments."""
    true = 1 + random.poisson(random.gamma(6, 3, shape))
    right = random.binomial(true, random.beta(6, 6, shape))
    return np.stack([2 * right, true + right + random.poisson(0.3 * true)], axis=-1).astype(np.float64)


def rare_share(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Actions with something that 3 % of 20 have, more in some videos than in others."""
    return np.stack([random.binomial(20, random.beta(0.9, 29.1, shape)), np.full(shape, 20)], axis=-1).astype(float)


def skill(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Sums of errors of the constant, of the look-up and of the model, which share what makes a video hard."""
    frames, hard = np.exp(random.normal(0, 0.4, shape)), random.normal(0, 0.1, shape)
    errors = [
        level * np.exp(weight * hard + random.normal(0, own, shape))
        for level, weight, own in ((0.30, 0.6, 0.04), (0.15, 1, 0.15), (0.22, 1, 0.15))
    ]
    return np.stack([frames * error for error in errors], axis=-1)


def _quotient(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _skill(sums: np.ndarray) -> np.ndarray:
    return np.asarray((sums[..., 0] - sums[..., 2]) / (sums[..., 0] - sums[..., 1]))


def jackknife(sums: np.ndarray, figure: Figure, limits: np.ndarray) -> np.ndarray:
    """Low and high ends `[2, S]` from sums of S test sets `[S, V, K]`."""
    names = [str(number) for number in range(sums.shape[1])]
    (weights,), groups = leave_out(Rows(names, [(name, "") for name in names]))
    values = figure(np.einsum("jv,svk->sjk", weights, sums))
    return jackknife_intervals(values, groups, np.tile(limits, (len(values), 1))).T


def percentile(sums: np.ndarray, figure: Figure, limits: np.ndarray) -> np.ndarray:
    """As `jackknife`; limits are kept without being known."""
    return np.quantile(_resampled(sums, figure)[1], TAILS, axis=1)


def bca(sums: np.ndarray, figure: Figure, limits: np.ndarray) -> np.ndarray:
    """As `percentile`, at quantiles that are moved."""
    estimate, resamples, _ = _resampled(sums, figure)
    influence = _influence(sums, figure)
    squares = (influence**2).sum(axis=1)
    acceleration = (influence**3).sum(axis=1) / np.where(squares > 0, 6 * squares**1.5, 1)
    bias = ndtri((resamples < estimate[:, None]).mean(axis=1).clip(1 / RESAMPLES, 1 - 1 / RESAMPLES))
    ends = []
    for tail in ndtri(TAILS):
        moved = ndtr(bias + (bias + tail) / (1 - acceleration * (bias + tail)))
        ends.append([np.quantile(own, share) for own, share in zip(resamples, moved, strict=True)])
    return np.array(ends)


def bootstrap_t(sums: np.ndarray, figure: Figure, limits: np.ndarray) -> np.ndarray:
    """As `percentile`; a resample that shows one video only is infinitely far."""
    estimate, _, weights = _resampled(sums, figure)
    influence, videos = _influence(sums, figure), sums.shape[1]
    moved = influence @ weights.T / videos
    error = np.sqrt(np.maximum((influence**2) @ weights.T / videos - moved**2, 0) / (videos - 1))
    own = np.sqrt((influence**2).sum(axis=1) / videos / (videos - 1))
    distance = np.where(error > 1e-9 * own[:, None], moved / np.where(error > 0, error, 1), np.sign(moved) * 1e6)
    low, high = np.quantile(distance, TAILS, axis=1)
    return np.stack([estimate - high * own, estimate - low * own])


def _resampled(sums: np.ndarray, figure: Figure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The figure `[S]`, that of each resample `[S, R]`, and how often each video is drawn `[R, V]`."""
    videos = sums.shape[1]
    weights = np.random.default_rng(0).multinomial(videos, np.full(videos, 1 / videos), RESAMPLES).astype(np.float64)
    return figure(sums.sum(axis=1)), figure(np.einsum("rv,svk->srk", weights, sums, optimize=True)), weights


def _influence(sums: np.ndarray, figure: Figure) -> np.ndarray:
    """How much each video moves the figure, `[S, V]`, mean 0."""
    without = figure(sums.sum(axis=1, keepdims=True) - sums)
    return (sums.shape[1] - 1) * (without.mean(axis=1, keepdims=True) - without)


FRACTION = (0.0, 1.0)
FIGURES: dict[str, tuple[Draw, Figure, tuple[float, float]]] = {
    "mean": (mean, _quotient, FRACTION),
    "ratio of sums": (ratio, _quotient, FRACTION),
    "ratio that grows with length": (growing_ratio, _quotient, FRACTION),
    "rare share": (rare_share, _quotient, FRACTION),
    "F1": (f1, _quotient, FRACTION),
    "skill": (skill, _skill, NO_LIMITS),
}
METHODS = {"jackknife": jackknife, "percentile": percentile, "BCa": bca, "bootstrap-t": bootstrap_t}


if __name__ == "__main__":
    run_command(lambda: main(parse(Arguments, sys.argv[1:], "interval_coverage.py", __doc__)))
