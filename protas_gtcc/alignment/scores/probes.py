"""Linear probes: classifiers and regressions on embeddings, fitted with few labels.

A probe is fitted on frames of training videos and scored on frames of test videos, which it has never seen. The
published code for GTCC fits both probes on frames of the test videos and scores them on all frames of the same videos
(at 100 %, on the same frames). That measures memory, because neighbouring frames are near copies. Here whole *videos*
are labelled, 10, 50 or 100 % of the training videos. The published classifier is a support vector machine with a
Gaussian kernel; here it is linear.

- Phase classification: logistic regression (L2, C = 1) on standardised embeddings, background a class like any other.
  Where not all videos are labelled, the mean of three draws, which depend on the seed and the videos' names only.
- Phase progression: least squares (ridge, alpha 1) from standardised embeddings to the procedure's progress.

Dwibedi et al., CVPR 2019; Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021; Donahue and Elhamifar, CVPR
2024. Needs scikit-learn, the extra `[align]`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo
from protas_gtcc.alignment.scores.figures import r_squared, ratio
from protas_gtcc.alignment.scores.procedure_progress import procedure_progress
from protas_gtcc.errors import lacks_package
from protas_gtcc.metrics.segmentation import is_action

SHARES = {"10": (0.1, 3), "50": (0.5, 3), "100": (1.0, 1)}
"""Share of the training videos that are labelled and number of draws, by figure; all can be drawn in one way only."""
NUM_FITS = sum(num_draws for _, num_draws in SHARES.values())
MOST_FRAMES = 20_000
"""Of more frames to fit on, this many are used, evenly spaced: neighbours are alike, and memory is finite."""
MOST_THREADS = 4
"""Probes that are fitted at once; each holds its frames in float64."""
Probe = Callable[[np.ndarray], np.ndarray]
"""Maps an embedding `[T, D]` to class ids or numbers `[T]`."""

_ACCURACY = "of test frames that a linear probe classifies correctly"
_VIDEOS = "fitted on the frames of this percentage of the training videos (mean of 3 draws, one draw for all of them)."
_R2 = (
    "Share of the variance of the procedure's progress over test frames (share of the video's actions done, rising "
    "evenly in each) that a linear regression fitted on training videos explains, 1 at best and below 0 if it is worse "
    "than the mean; from"
)
DEFINITIONS = {
    "phase_classification.*.accuracy": ("percent", f"Share {_ACCURACY}, background included, {_VIDEOS}"),
    "phase_classification.*.accuracy_no_background": (
        "percent",
        f"Share {_ACCURACY}, among those whose true class is an action, {_VIDEOS}",
    ),
    "phase_progression": ("at most 1", f"{_R2} the embedding."),
    "lookups.phase_classification.most_frequent.accuracy": (
        "percent",
        "Share of test frames, background included, of the class that most training frames have.",
    ),
    "lookups.phase_classification.most_frequent.accuracy_no_background": (
        "percent",
        "Share of test frames of an action whose class is the one that most training frames of an action have.",
    ),
    "lookups.phase_progression.elapsed": ("at most 1", f"{_R2} the number of frames that have passed."),
}


def classification_figures(
    train: Sequence[EmbeddedVideo],
    test: Sequence[EmbeddedVideo],
    background: Collection[int],
    weights: np.ndarray,
    seed: int,
    on_fit: Callable[[], None],
) -> dict[str, dict[str, np.ndarray]]:
    """Accuracies on the test videos of one task, by the percentage of labelled training videos.

    `on_fit` is called for each of `NUM_FITS` probes, which take most of the time of all scores.
    """
    drawn = {
        name: [labelled_videos(train, share, seed, draw) for draw in range(num_draws)]
        for name, (share, num_draws) in SHARES.items()
    }
    probes = _fit_probes([videos for draws in drawn.values() for videos in draws], on_fit)
    figures = {}
    for name, draws in drawn.items():
        right = [[probes[_names(videos)](one.embedding) == one.labels for videos in draws] for one in test]
        figures[name] = _accuracies(test, background, weights, right)
    return figures


def _fit_probes(draws: Sequence[list[EmbeddedVideo]], on_fit: Callable[[], None]) -> dict[tuple[str, ...], Probe]:
    """A probe for each draw by its videos' names, several at once. Equal draws, as of few videos, share one."""
    distinct = {_names(videos): videos for videos in draws}
    counts = Counter(map(_names, draws))

    def fit(videos: list[EmbeddedVideo]) -> Probe:
        return fit_classifier([one.embedding for one in videos], [one.labels for one in videos])

    probes = {}
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        for names, probe in zip(distinct, threads.map(fit, distinct.values()), strict=True):
            probes[names] = probe
            for _ in range(counts[names]):
                on_fit()
    return probes


def _names(videos: Sequence[EmbeddedVideo]) -> tuple[str, ...]:
    return tuple(one.name for one in videos)


def most_frequent_figures(
    train: Sequence[EmbeddedVideo], test: Sequence[EmbeddedVideo], background: Collection[int], weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies of always predicting the most frequent class in training, or the most frequent action."""
    labels = np.concatenate([video.labels for video in train])
    actions = labels[is_action(labels, background)]
    figures = {}
    for name, seen in (("accuracy", labels), ("accuracy_no_background", actions)):
        most_common = int(np.bincount(seen).argmax()) if len(seen) else -1
        figures[name] = _accuracies(test, background, weights, [[video.labels == most_common] for video in test])[name]
    return figures


def progression_figures(
    train: Sequence[EmbeddedVideo], test: Sequence[EmbeddedVideo], background: Collection[int], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """R^2 on the test videos of one task, from the embedding and from elapsed time."""
    elapsed = [[np.arange(len(video.labels), dtype=np.float64)[:, None] for video in part] for part in (train, test)]
    embedded = [[video.embedding for video in part] for part in (train, test)]
    targets = [[procedure_progress(video.labels, background) for video in part] for part in (train, test)]
    from_embedding, from_time = (_r_squared_of(weights, *inputs, *targets) for inputs in (embedded, elapsed))
    return from_embedding, from_time


def labelled_videos(train: Sequence[EmbeddedVideo], share: float, seed: int, draw: int) -> list[EmbeddedVideo]:
    """The training videos whose labels a probe may use, at least one; a larger share contains a smaller one."""
    order = np.random.default_rng([seed, draw]).permutation(len(train))
    return [train[number] for number in order[: max(1, round(share * len(train)))]]


def fit_classifier(embeddings: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> Probe:
    """Fit on embeddings `[T, D]` and class ids `[T]` of videos; returns a function from an embedding to class ids."""
    targets = _thinned(labels)
    if len(np.unique(targets)) == 1:
        return lambda embedding: np.full(len(embedding), targets[0])
    return _fit_on_standardised(require_sklearn().linear_model.LogisticRegression(max_iter=1000), embeddings, targets)


def fit_regression(embeddings: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Probe:
    """Fit on embeddings `[T, D]` and numbers `[T]` of videos; returns a function from an embedding to numbers."""
    # Ridge, because least squares alone is undefined where features of an embedding depend on each other.
    return _fit_on_standardised(require_sklearn().linear_model.Ridge(alpha=1.0), embeddings, _thinned(targets))


def _fit_on_standardised(estimator: Any, embeddings: Sequence[np.ndarray], targets: np.ndarray) -> Probe:
    sklearn = require_sklearn()
    probe = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(copy=False), estimator)
    probe.fit(_thinned(embeddings).astype(np.float64), targets)
    return lambda embedding: np.asarray(probe.predict(embedding.astype(np.float64)))


def _accuracies(
    test: Sequence[EmbeddedVideo],
    background: Collection[int],
    weights: np.ndarray,
    right: Sequence[Sequence[np.ndarray]],
) -> dict[str, np.ndarray]:
    """Percent of frames that are right; `right` is bool `[T]` by video and draw."""
    rows = []
    for video, draws in zip(test, right, strict=True):
        share, actions = np.mean(draws, axis=0), is_action(video.labels, background)
        rows.append((share.sum(), len(share), share[actions].sum(), actions.sum()))
    hits, frames, action_hits, action_frames = np.array(rows, dtype=np.float64).T
    return {
        "accuracy": ratio(weights, 100 * hits, frames),
        "accuracy_no_background": ratio(weights, 100 * action_hits, action_frames),
    }


def _r_squared_of(
    weights: np.ndarray,
    train: Sequence[np.ndarray],
    test: Sequence[np.ndarray],
    train_targets: Sequence[np.ndarray | None],
    test_targets: Sequence[np.ndarray | None],
) -> np.ndarray:
    """R^2 over the videos that have a target."""
    known = [(inputs, target) for inputs, target in zip(train, train_targets, strict=True) if target is not None]
    sums = np.zeros((4, len(test)))
    if known:
        predict = fit_regression(*zip(*known, strict=True))
        for number, (inputs, target) in enumerate(zip(test, test_targets, strict=True)):
            if target is not None:
                residuals = ((target - predict(inputs)) ** 2).sum()
                sums[:, number] = residuals, target.sum(), (target**2).sum(), len(target)
    return r_squared(weights, *sums)


def _thinned(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Videos end to end, at most `MOST_FRAMES` frames of them."""
    step = -(-sum(map(len, parts)) // MOST_FRAMES)
    ends = np.cumsum([0, *map(len, parts)])
    return np.concatenate([part[-start % step :: step] for part, start in zip(parts, ends[:-1].tolist(), strict=True)])


def one_thread_each() -> AbstractContextManager[Any]:
    """Inside, the linear algebra of each probe keeps to one thread.

    Products of this size gain little from more threads. On a busy machine, threads that wait for each other take many
    times as long. Sums that are split by the number of threads differ in the last digit.
    """
    require_sklearn()
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(1)  # type: ignore[no-any-return, unused-ignore]


def require_sklearn() -> Any:
    """scikit-learn, which fits the probes. Raises `InputError` if it is not installed."""
    try:
        import sklearn.linear_model
        import sklearn.pipeline
        import sklearn.preprocessing
    except ImportError as error:
        raise lacks_package("scoring", error, "align") from error
    return sklearn
