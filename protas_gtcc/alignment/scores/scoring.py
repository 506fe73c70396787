"""All scores of an embedding, and of several side by side, with intervals.

Each figure is made for each task (procedure) by itself: neighbours, probes and mean distances know one task only. The
figure of all is the mean over tasks, each counting once; figures of published tables that are means over videos weigh
tasks by their size. Where no video names a task, all are of one.

Intervals are a bootstrap over the test videos of all tasks; a pair of videos counts as often as both were drawn, and
a task that was not drawn does not count. Training, which is done once, is not in them: other seeds are other runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo, by_task, check_videos
from protas_gtcc.alignment.scores.enclosed_area import area_figures
from protas_gtcc.alignment.scores.figures import mean_over_tasks
from protas_gtcc.alignment.scores.neighbours import nearest_frames
from protas_gtcc.alignment.scores.order import order_figures
from protas_gtcc.alignment.scores.probes import classification_figures, most_frequent_figures, progression_figures
from protas_gtcc.alignment.scores.procedure_progress import progress_figures
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.intervals import percentile_interval, resampling_weights
from protas_gtcc.metrics.pooling import Path, map_figures

OF_PAIRS = ("kendalls_tau", "pairs_without_order", "enclosed_area")
Videos = Sequence[EmbeddedVideo]


@dataclasses.dataclass(frozen=True, eq=False)
class _Sampled:
    """Every figure as `[1 + R]`, itself and in each resample: of all tasks, and of each."""

    figures: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    counts: dict[str, int]


def score_alignment(train: Videos, test: Videos, background: Collection[int], seed: int = 0) -> dict[str, Any]:
    """Every figure of an embedding on test videos; what is fitted is fitted on the training videos.

    Figures are numbers, None where undefined; `definitions.DEFINITIONS` says what they are. `lookups` are the same for
    predictors that see no embedding, `intervals` repeats the structure at 95 % (None where fewer than two videos, or
    three ordered pairs, tell), `tasks` has the figures of each task. `seed` chooses labelled videos and resamples.

    Raises `InputError` if videos come twice or cannot be compared, if a task that is tested has no training video, and
    where scikit-learn is not installed.
    """
    return _as_scores(_sample(train, test, background, seed))


def compare_alignments(
    embeddings: Mapping[str, tuple[Videos, Videos]], background: Collection[int], seed: int = 0
) -> dict[str, Any]:
    """Several embeddings of the same videos, (train, test) by name: such as raw features, untrained and aligned.

    `scores[name]` is as from `score_alignment`. `differences` has, for every two names, `of` less `minus` in every
    figure, with intervals under the same drawn videos: what makes a video hard for both cancels out.
    Raises `InputError` as `score_alignment` does, and if the test videos are not the same.
    """
    parts = {
        name: {v.name: v.labels for v in sorted(test, key=lambda v: v.name)} for name, (_, test) in embeddings.items()
    }
    first, reference = next(iter(parts.items()))
    for name, labels in parts.items():
        if list(labels) != list(reference) or not all(np.array_equal(labels[v], reference[v]) for v in labels):
            raise InputError(f"{name} and {first} are not of the same test videos with the same labels; embed the same")
    sampled = {name: _sample(train, test, background, seed) for name, (train, test) in embeddings.items()}
    return {
        "scores": {name: _as_scores(one) for name, one in sampled.items()},
        "differences": [
            {"of": later, "minus": earlier, **_difference(sampled[later], sampled[earlier])}
            for earlier, later in combinations(sampled, 2)
        ],
    }


def _sample(train: Videos, test: Videos, background: Collection[int], seed: int) -> _Sampled:
    check_videos(train, test)
    train_by_task, test_by_task = by_task(train), by_task(test)
    drawn = resampling_weights(len(test), seed)
    weights = np.concatenate([np.ones((1, len(test))), drawn])
    tasks: dict[str, dict[str, Any]] = {}
    start = 0
    for task, videos in test_by_task.items():
        figures = _figures_of_task(train_by_task[task], videos, background, seed)
        tasks[task] = _evaluate(figures, weights[:, start : start + len(videos)])
        start += len(videos)
    counts = {
        "num_tasks": len(tasks),
        "num_train_videos": sum(len(train_by_task[task]) for task in tasks),
        "num_test_videos": len(test),
        "num_pairs": sum(len(videos) * (len(videos) - 1) for videos in test_by_task.values()),
    }
    return _Sampled(_merge(list(tasks.values())), tasks, counts)


def _figures_of_task(train: Videos, test: Videos, background: Collection[int], seed: int) -> dict[str, Any]:
    """A tree of `Figure`s."""
    nearest = nearest_frames([video.embedding for video in test])
    area, area_by_time = area_figures([video.labels for video in test], nearest, background)
    progression, progression_by_time = progression_figures(train, test, background)
    error, error_of_lookups = progress_figures(train, test, background)
    return {
        **order_figures(len(test), nearest),
        "enclosed_area": area,
        "phase_classification": classification_figures(train, test, background, seed),
        "phase_progression": progression,
        "progress_error": error,
        "lookups": {
            "enclosed_area": {"elapsed_share": area_by_time},
            "phase_classification": {"most_frequent": most_frequent_figures(train, test, background)},
            "phase_progression": {"elapsed": progression_by_time},
            "progress_error": error_of_lookups,
        },
    }


def _evaluate(tree: Any, weights: np.ndarray) -> Any:
    """Every figure of a tree under weights of videos `[1 + R, V]`."""
    if isinstance(tree, dict):
        return {name: _evaluate(branch, weights) for name, branch in tree.items()}
    return tree(weights)


def _merge(trees: Sequence[Any]) -> Any:
    """Mean over tasks of every figure."""
    if isinstance(trees[0], dict):
        return {name: _merge([tree[name] for tree in trees]) for name in trees[0]}
    return mean_over_tasks(np.stack(trees))


def _as_scores(sampled: _Sampled) -> dict[str, Any]:
    return {
        **sampled.counts,
        **_with_intervals(sampled.figures, sampled.counts),
        "tasks": {task: map_figures(_value, figures) for task, figures in sampled.tasks.items()},
    }


def _with_intervals(figures: dict[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    def interval(path: Path, values: np.ndarray) -> list[float] | None:
        of_pairs = any(name in OF_PAIRS for name in path)
        told = counts["num_pairs"] > 2 if of_pairs else counts["num_test_videos"] > 1
        found = percentile_interval(values[1:]) if told and np.isfinite(values[0]) else None
        return None if found is None else list(found)

    return {**map_figures(_value, figures), "intervals": map_figures(interval, figures)}


def _value(_: Path, values: np.ndarray) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None


def _difference(one: _Sampled, other: _Sampled) -> dict[str, Any]:
    def subtract(first: Any, second: Any) -> Any:
        if isinstance(first, dict):
            return {name: subtract(branch, second[name]) for name, branch in first.items() if name != "lookups"}
        return first - second

    return _with_intervals(subtract(one.figures, other.figures), one.counts)
