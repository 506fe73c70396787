"""All scores of one embedding, or of several for comparison, with intervals.

Each figure is computed for each task (procedure) alone: neighbours, probes and mean distances come from one task. The
total is the mean over tasks, each counting once; published tables of means over videos weight tasks by their size. If
no video names a task, all belong to one. Figures of several seeds or splits are averaged.

Intervals are a bootstrap over the test videos of all tasks (`metrics.intervals`). A pair of videos counts as often as
both were drawn; a task that was not drawn does not count. In each split the seeds are drawn too, so an interval from
one seed does not include the spread over seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from protas_gtcc.alignment.scores.embedded import EmbeddedVideo, by_task, check_videos
from protas_gtcc.alignment.scores.enclosed_area import area_figures
from protas_gtcc.alignment.scores.figures import mean_of_defined
from protas_gtcc.alignment.scores.order import order_figures
from protas_gtcc.alignment.scores.partners import find_partners
from protas_gtcc.alignment.scores.probes import (
    NUM_FITS,
    classification_figures,
    most_frequent_figures,
    one_thread_each,
    progression_figures,
)
from protas_gtcc.alignment.scores.procedure_progress import progress_figures
from protas_gtcc.config import PartnerPart
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.intervals import (
    RUNS_STREAM,
    Path,
    all_first,
    figure_values,
    map_figures,
    resampling_weights,
    subtract_figures,
    with_intervals,
)

OF_PAIRS = ("kendalls_tau", "pairs_without_order", "enclosed_area")
Videos = Sequence[EmbeddedVideo]
OnProgress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """The videos of a split as embedded by one encoder; encoders of other seeds are other trials of the split."""

    train: Videos
    """Videos to fit on."""
    test: Videos
    """Videos to score."""
    split: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class _Settings:
    """Settings of a comparison, the same for all embeddings."""

    background: Collection[int]
    partners: PartnerPart
    on_fit: Callable[[], None]


@dataclasses.dataclass(frozen=True, eq=False)
class _Sampled:
    """Every figure as `[1 + R]`, its value and its resamples: over all tasks, and for each task."""

    figures: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    counts: dict[str, int]


def compare_alignments(
    embeddings: Mapping[str, Sequence[Trial]],
    background: Collection[int],
    seed: int = 0,
    partners: PartnerPart = "test",
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Scores of several embeddings of the same test videos, by name, such as raw features, untrained and aligned.

    Probes and means are fitted on the training videos. `seed` chooses labelled videos and resamples. `partners`:
    whether test videos are matched with other test videos or with training videos. `on_progress` is called with
    (probes fitted, probes in all) from the start; they take most of the time.

    `scores[name]` holds numbers, None where undefined; `alignment.scores.DEFINITIONS` defines them. Its `lookups` are
    the figures of predictors that see no embedding. `intervals` repeats the structure at 95 % (None with fewer than two
    videos, or three ordered pairs of videos), `tasks` holds the figures of each task. `differences` has, for every two
    names, `of` less `minus` in every figure, with intervals under the same drawn videos: what makes a video hard for
    both cancels out.

    Raises `InputError` if videos come twice or cannot be compared, or if the test videos differ between embeddings.
    Also raises it if a task that is tested has no training video, and where scikit-learn is not installed.
    """
    for trial in (one for trials in embeddings.values() for one in trials):
        check_videos(trial.train, trial.test)
    _require_same_tests(embeddings)
    num_tasks = sum(len(by_task(trial.test)) for trials in embeddings.values() for trial in trials)
    fits, total = itertools.count(1), num_tasks * NUM_FITS
    on_progress(0, total)
    settings = _Settings(background, partners, lambda: on_progress(next(fits), total))
    with one_thread_each():
        sampled = {
            name: _sample(trials, settings, (seed, number)) for number, (name, trials) in enumerate(embeddings.items())
        }
    return {
        "scores": {name: _as_scores(one, partners) for name, one in sampled.items()},
        "differences": [
            {"of": later, "minus": earlier, **_difference(sampled[later], sampled[earlier], partners)}
            for earlier, later in combinations(sampled, 2)
        ],
    }


def _require_same_tests(embeddings: Mapping[str, Sequence[Trial]]) -> None:
    first = next(iter(embeddings))
    reference = {one.split: _labels(one) for one in embeddings[first]}
    for name, trials in embeddings.items():
        same = {one.split for one in trials} == reference.keys()
        if not same or any(_labels(one) != reference[one.split] for one in trials):
            raise InputError(f"{name} and {first} differ in test videos or their labels; embed the same videos")


def _labels(trial: Trial) -> dict[str, list[int]]:
    return {video.name: video.labels.tolist() for video in trial.test}


def _sample(trials: Sequence[Trial], settings: _Settings, seed: tuple[int, int]) -> _Sampled:
    splits: dict[str, list[Trial]] = {}
    for one in sorted(trials, key=lambda one: one.split):
        splits.setdefault(one.split, []).append(one)
    found = [
        _sample_split(members, settings, (seed[0], number, seed[1])) for number, members in enumerate(splits.values())
    ]
    tasks = {task: [one.tasks[task] for one in found if task in one.tasks] for one in found for task in one.tasks}
    return _Sampled(
        _merge([one.figures for one in found]),
        {task: _merge(trees) for task, trees in tasks.items()},
        {name: sum(one.counts[name] for one in found) for name in found[0].counts} | {"num_tasks": len(tasks)},
    )


def _sample_split(trials: Sequence[Trial], settings: _Settings, seed: tuple[int, int, int]) -> _Sampled:
    """The mean over the trials of one split, with the same drawn videos; each trial counts as often as it is drawn."""
    first, split, embedding = seed
    # numpy drops zeros at the end of a seed, so the videos of the first split are drawn as those of one run alone.
    weights = all_first(resampling_weights(len(trials[0].test), [first, split]))
    counted = all_first(resampling_weights(len(trials), [first, split, embedding, RUNS_STREAM])).T
    found = [dict(_figures_by_task(one, settings, first, weights)) for one in trials]
    tasks = {task: _merge([figures[task] for figures in found], counted) for task in found[0]}
    return _Sampled(_merge(list(tasks.values())), tasks, _counts(trials[0], settings.partners))


def _counts(trial: Trial, partners: PartnerPart) -> dict[str, int]:
    train, test = (Counter(video.task for video in part) for part in (trial.train, trial.test))
    return {
        "num_tasks": len(test),
        "num_train_videos": sum(train[task] for task in test),
        "num_test_videos": len(trial.test),
        "num_pairs": sum(count * (count - 1 if partners == "test" else train[task]) for task, count in test.items()),
    }


def _figures_by_task(
    trial: Trial, settings: _Settings, seed: int, weights: np.ndarray
) -> Iterator[tuple[str, dict[str, Any]]]:
    train, start = by_task(trial.train), 0
    for task, videos in by_task(trial.test).items():
        yield task, _figures_of_task(train[task], videos, settings, seed, weights[:, start : start + len(videos)])
        start += len(videos)


def _figures_of_task(
    train: Videos, test: Videos, settings: _Settings, seed: int, weights: np.ndarray
) -> dict[str, Any]:
    """The figures of one task under weights of its test videos `[1 + R, V]`, `[1 + R]` each."""
    background, partners = settings.background, find_partners(train, test, settings.partners)
    area, area_by_time = area_figures(partners, background, weights)
    progression, progression_by_time = progression_figures(train, test, background, weights)
    error, error_of_lookups = progress_figures(train, test, background, weights)
    return {
        **order_figures(partners, weights),
        "enclosed_area": area,
        "phase_classification": classification_figures(train, test, background, weights, seed, settings.on_fit),
        "phase_progression": progression,
        "progress_error": error,
        "lookups": {
            "enclosed_area": {"elapsed_share": area_by_time},
            "phase_classification": {"most_frequent": most_frequent_figures(train, test, background, weights)},
            "phase_progression": {"elapsed": progression_by_time},
            "progress_error": error_of_lookups,
        },
    }


def _merge(trees: Sequence[Any], weights: np.ndarray | float = 1.0) -> Any:
    """Mean over tasks, splits or seeds of every figure; NaN ones do not count."""
    return map_figures(lambda _, *values: mean_of_defined(np.stack(values), weights), *trees)


def _as_scores(sampled: _Sampled, partners: PartnerPart) -> dict[str, Any]:
    return {
        **sampled.counts,
        "partners": partners,
        **with_intervals(sampled.figures, _may_have_interval(sampled.counts, partners)),
        "tasks": {task: figure_values(figures) for task, figures in sampled.tasks.items()},
    }


def _difference(one: _Sampled, other: _Sampled, partners: PartnerPart) -> dict[str, Any]:
    """Look-ups do not see the embeddings, so their differences are left out."""
    compared = {name: branch for name, branch in one.figures.items() if name != "lookups"}
    return with_intervals(subtract_figures(compared, other.figures), _may_have_interval(one.counts, partners))


def _may_have_interval(counts: Mapping[str, int], partners: PartnerPart) -> Callable[[Path], bool]:
    """Figures of pairs of test videos need three ordered pairs, others two test videos."""
    of_pairs = OF_PAIRS if partners == "test" else ()
    return lambda path: counts["num_pairs"] > 2 if set(of_pairs) & set(path) else counts["num_test_videos"] > 1
