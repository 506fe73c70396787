"""All scores of one embedding, or of several for comparison, with intervals.

Each figure is computed for each task (procedure) alone: neighbours, probes and mean distances come from one task. The
total is the mean over tasks, each counting once; published tables of means over videos weight tasks by their size. If
no video names a task, all belong to one. Figures of several seeds or splits are averaged.

Intervals leave out one person at a time where all are known, else one test video, and in each split one seed
(`metrics.left_out`). A pair of videos counts if both are there; a task or a split without a video does not count. An
interval from one seed does not include the spread over seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter, defaultdict
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
    Limits,
    Path,
    figure_values,
    map_figures,
    subtract_figures,
    with_intervals,
)
from protas_gtcc.metrics.left_out import Groups, Rows, leave_out

LIMITS: Mapping[str, Limits] = {
    "kendalls_tau": (-1.0, 1.0),
    "phase_progression": (-np.inf, 1.0),
    "phase_classification": (0.0, 100.0),
}
"""Least and largest value of figures that are no fractions."""
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
    seed: int
    on_fit: Callable[[], None]


@dataclasses.dataclass(frozen=True, eq=False)
class _Sampled:
    """Every figure as `[1 + J]`, its value and those with something left out: over all tasks, and for each task."""

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

    Probes and means are fitted on the training videos. `seed` chooses labelled videos. `partners`:
    whether test videos are matched with other test videos or with training videos. `on_progress` is called with
    (probes fitted, probes in all) from the start; they take most of the time.

    `scores[name]` holds numbers, None where undefined; `alignment.scores.DEFINITIONS` defines them. Its `lookups` are
    the figures of predictors that see no embedding. `intervals` repeats the structure at 95 % (None with fewer than two
    people, or videos, and where a figure needs all of them), `tasks` holds the figures of each task. `differences` has,
    for every two names, `of` less `minus` in every figure, with intervals that leave out the same videos: what makes a
    video hard for both cancels out.

    Raises `InputError` if videos come twice or cannot be compared, or if the test videos differ between embeddings.
    Also raises it if a task that is tested has no training video, and where scikit-learn is not installed.
    """
    for trial in (one for trials in embeddings.values() for one in trials):
        check_videos(trial.train, trial.test)
    _require_same_tests(embeddings)
    num_tasks = sum(len(by_task(trial.test)) for trials in embeddings.values() for trial in trials)
    fits, total = itertools.count(1), num_tasks * NUM_FITS
    on_progress(0, total)
    settings = _Settings(background, partners, seed, lambda: on_progress(next(fits), total))
    rows = [_rows(trials) for trials in embeddings.values()]
    weights, groups = leave_out(*rows)
    people = {video.person for trial in next(iter(embeddings.values())) for video in trial.test}
    num_people = None if "" in people else len(people)
    with one_thread_each():
        sampled = {
            name: _sample(trials, settings, own)
            for (name, trials), own in zip(embeddings.items(), weights, strict=True)
        }
    return {
        "scores": {name: _as_scores(one, partners, num_people, groups) for name, one in sampled.items()},
        "differences": [
            {"of": later, "minus": earlier, **_difference(sampled[later], sampled[earlier], groups)}
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


def _rows(trials: Sequence[Trial]) -> Rows:
    """A row for each test video of each trial, in the order in which `_sample` reads them."""
    videos = [(video, trial.split) for trial in _by_split(trials) for video in _in_order(trial.test)]
    people = all(video.person for video, _ in videos)
    clusters = [video.person if people else video.name for video, _ in videos]
    return Rows(clusters, [(video.name, split) for video, split in videos])


def _by_split(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda one: one.split)


def _in_order(videos: Videos) -> list[EmbeddedVideo]:
    return [video for of_task in by_task(videos).values() for video in of_task]


def _sample(trials: Sequence[Trial], settings: _Settings, weights: np.ndarray) -> _Sampled:
    """Every figure under weights of the rows `[1 + J, N]`; a video, or a whole trial, whose weight is 0 is left out."""
    splits, start = defaultdict[str, list[tuple[Trial, np.ndarray]]](list), 0
    for trial in _by_split(trials):
        own = weights[:, start : start + len(trial.test)]
        splits[trial.split].append((trial, (own > 0).astype(np.float64)))
        start += len(trial.test)
    found = [_sample_split(members, settings) for members in splits.values()]
    tasks = {task: [one.tasks[task] for one in found if task in one.tasks] for one in found for task in one.tasks}
    return _Sampled(
        _merge([one.figures for one in found]),
        {task: _merge(trees) for task, trees in tasks.items()},
        {name: sum(one.counts[name] for one in found) for name in found[0].counts} | {"num_tasks": len(tasks)},
    )


def _sample_split(members: Sequence[tuple[Trial, np.ndarray]], settings: _Settings) -> _Sampled:
    """The mean over the trials of one split."""
    found = [dict(_figures_by_task(trial, settings, weights)) for trial, weights in members]
    tasks = {task: _merge([figures[task] for figures in found]) for task in found[0]}
    return _Sampled(_merge(list(tasks.values())), tasks, _counts(members[0][0], settings.partners))


def _counts(trial: Trial, partners: PartnerPart) -> dict[str, int]:
    train, test = (Counter(video.task for video in part) for part in (trial.train, trial.test))
    return {
        "num_tasks": len(test),
        "num_train_videos": sum(train[task] for task in test),
        "num_test_videos": len(trial.test),
        "num_pairs": sum(count * (count - 1 if partners == "test" else train[task]) for task, count in test.items()),
    }


def _figures_by_task(trial: Trial, settings: _Settings, weights: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
    train, start = by_task(trial.train), 0
    for task, videos in by_task(trial.test).items():
        yield task, _figures_of_task(train[task], videos, settings, weights[:, start : start + len(videos)])
        start += len(videos)


def _figures_of_task(train: Videos, test: Videos, settings: _Settings, weights: np.ndarray) -> dict[str, Any]:
    """The figures of one task under weights of its test videos `[1 + J, V]`, `[1 + J]` each."""
    background, partners = settings.background, find_partners(train, test, settings.partners)
    area, area_by_time = area_figures(partners, background, weights)
    progression, progression_by_time = progression_figures(train, test, background, weights)
    error, error_of_lookups = progress_figures(train, test, background, weights)
    return {
        **order_figures(partners, weights),
        "enclosed_area": area,
        "phase_classification": classification_figures(
            train, test, background, weights, settings.seed, settings.on_fit
        ),
        "phase_progression": progression,
        "progress_error": error,
        "lookups": {
            "enclosed_area": {"elapsed_share": area_by_time},
            "phase_classification": {"most_frequent": most_frequent_figures(train, test, background, weights)},
            "phase_progression": {"elapsed": progression_by_time},
            "progress_error": error_of_lookups,
        },
    }


def _merge(trees: Sequence[Any]) -> Any:
    """Mean over tasks, splits or seeds of every figure; NaN ones do not count."""
    return map_figures(lambda _, *values: mean_of_defined(np.stack(values)), *trees)


def _as_scores(sampled: _Sampled, partners: PartnerPart, num_people: int | None, groups: Groups) -> dict[str, Any]:
    return {
        **sampled.counts,
        "num_people": num_people,
        "partners": partners,
        **with_intervals(sampled.figures, groups, _limits_of),
        "tasks": {task: figure_values(figures) for task, figures in sampled.tasks.items()},
    }


def _difference(one: _Sampled, other: _Sampled, groups: Groups) -> dict[str, Any]:
    """Look-ups do not see the embeddings, so their differences are left out."""
    compared = {name: branch for name, branch in one.figures.items() if name != "lookups"}
    return with_intervals(subtract_figures(compared, other.figures), groups)


def _limits_of(path: Path) -> Limits:
    """A figure of a look-up has the limits of the figure that it is beside."""
    return LIMITS.get(path[1 if path[0] == "lookups" else 0], (0.0, 1.0))
