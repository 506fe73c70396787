"""Durations of segments and their order, counted over training videos.

Background classes are counted like actions: a pause also has a length, and a class that follows it.

Tables have one row a state. A state is one class within one task: the same class may take another time in another task,
and be followed by another class. Where the task of a training video is not known, all videos are of one task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.config import DecodingConfig
from protas_gtcc.errors import InputError, plural

SHORTEST, LONGEST = 1e-9, 1e9
"""Bounds of what a table holds, seconds or shares: beyond them, the filter would overflow."""
GRID_POINTS = 1000
"""Points at which the smoothed distribution of lengths is computed; quantiles are interpolated between them."""


@dataclass(frozen=True, eq=False)
class TranscriptTables:
    """Durations, order and shares, float64: C classes, S states of K tasks, `L` lengths a state."""

    lengths: np.ndarray
    """`[S, L]`, seconds, ascending: quantiles of the smoothed lengths of the state's training segments."""
    typical: np.ndarray
    """`[1]`: median seconds of all training segments."""
    share: np.ndarray
    """`[C]`: share of each class among the training frames, none 0."""
    first: np.ndarray
    """`[S]`: probability that a video begins with the state."""
    following: np.ndarray
    """`[S, S]`: `following[k, s]` is the probability that state s comes next after state k; rows sum to 1. A video
    stays in its task, so states of different tasks never follow each other."""
    state_class: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """int64 `[S]`: class of each state. By default there is one task, and each class is a state."""
    state_task: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """int64 `[S]`: number of each state's task, from 0. States are in order of task, then of class."""

    def __post_init__(self) -> None:
        if not self.state_class.size and not self.state_task.size:
            num_states = np.atleast_1d(self.share).size
            object.__setattr__(self, "state_class", np.arange(num_states))
            object.__setattr__(self, "state_task", np.zeros(num_states, dtype=np.int64))

    @property
    def num_tasks(self) -> int:
        """Number of tasks, at least 1."""
        return int(self.state_task.max(initial=0)) + 1

    def of_task(self, number: int) -> TranscriptTables:
        """The tables of one task alone, for videos that are known to be of it; of the classes, all stay."""
        own = np.flatnonzero(self.state_task == number)
        return replace(
            self,
            lengths=self.lengths[own],
            first=self.first[own] / self.first[own].sum(),
            following=self.following[np.ix_(own, own)],
            state_class=self.state_class[own],
            state_task=np.zeros(len(own), dtype=np.int64),
        )


def check_tables(tables: TranscriptTables, num_classes: int, where: str) -> None:
    """Raise `InputError` unless the tables have `num_classes` classes and hold lengths and probabilities."""
    _check_states(tables, num_classes, where)
    num_states = len(tables.state_class)
    for name, num_axes in (("lengths", 2), ("share", 1), ("first", 1), ("following", 2)):
        values, expected = getattr(tables, name), num_classes if name == "share" else num_states
        if values.ndim != num_axes or len(values) != expected or not np.isfinite(values).all():
            what = f"the filter's {name} is {values.shape}, or not finite"
            raise InputError(f"{where}: {what}, for {plural(num_classes, 'class')}; train again")
    rows = np.concatenate([tables.first[None], np.atleast_2d(tables.following)])
    if rows.shape[1] != num_states or rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-6:
        raise InputError(f"{where}: the filter's probabilities of the next class do not sum to 1; train again")
    other = tables.state_task[:, None] != tables.state_task
    begins = np.bincount(tables.state_task, tables.first)
    if (tables.following[other] > 0).any() or not (begins > 0).all():
        raise InputError(f"{where}: the filter's tasks are mixed, or one never begins; train again")
    positive = (tables.lengths, tables.typical, tables.share)
    if any(one.size == 0 or not SHORTEST <= one.min() <= one.max() <= LONGEST for one in positive):
        raise InputError(f"{where}: the filter's lengths or shares are not positive, or absurd; train again")


def _check_states(tables: TranscriptTables, num_classes: int, where: str) -> None:
    """Raise `InputError` unless states are classes within tasks, each once and in order; one task has all classes."""
    classes, tasks = tables.state_class, tables.state_task
    are_whole = all(one.ndim == 1 and one.dtype == np.int64 for one in (classes, tasks))
    if are_whole and len(classes) == len(tasks) > 0 and tasks[0] == 0 and set(np.diff(tasks).tolist()) <= {0, 1}:
        same = np.diff(tasks) == 0
        in_order = (np.diff(classes)[same] > 0).all() and 0 <= classes.min() <= classes.max() < num_classes
        if in_order and (tasks[-1] > 0 or len(classes) == num_classes):
            return
    raise InputError(f"{where}: the filter's states are not {plural(num_classes, 'class')} in tasks; train again")


def known_tasks(tasks: Iterable[str]) -> list[str]:
    """Names of the tasks of training videos, in order; none if a video has none (""): then all count as one task."""
    names = sorted(set(tasks))
    return [] if "" in names else names


def count_transcripts(
    labels_of_videos: Iterable[np.ndarray],
    num_classes: int,
    settings: DecodingConfig,
    fps: float,
    tasks: Sequence[str] = (),
) -> TranscriptTables:
    """Count durations, order and shares over videos' labels, each `[T]`. Raises `InputError` if there is no frame.

    Give training videos only, each with a frame or more where `tasks` has the task of each. If these are two tasks or
    more, a state is a class within one task whose videos show it, and a task is as likely as its share of the videos.
    Else each class is a state. `settings.spread` is the standard deviation of the kernel that smooths logarithms of
    lengths: with 0.2, a segment of 10 seconds stands for lengths from about 8 to 12.
    """
    videos = [segment_array(labels) for labels in labels_of_videos]
    if not any(map(len, videos)):
        raise InputError("there is no training segment to learn durations from; give training videos with labels")
    names = known_tasks(tasks)
    groups = [[one for one, task in zip(videos, tasks, strict=True) if task == name] for name in names]
    if len(names) < 2:
        groups = [[one for one in videos if len(one)]]
    segments = np.concatenate([one for group in groups for one in group])
    frames, labels = segments[:, 1] - segments[:, 0], segments[:, 2]
    # One more segment of each class: a class without a training segment is rare, not impossible.
    of_class = np.bincount(labels, frames, minlength=num_classes) + np.median(frames)
    states = [np.unique(np.concatenate(group)[:, 2]) for group in groups]
    if len(groups) == 1:
        states = [np.arange(num_classes)]
    return TranscriptTables(
        typical=np.median(frames / fps, keepdims=True),
        share=of_class / of_class.sum(),
        **_count_tasks(groups, states, settings, fps),
        state_class=np.concatenate(states),
        state_task=np.repeat(np.arange(len(states)), [len(one) for one in states]),
    )


def _count_tasks(
    groups: list[list[np.ndarray]], states: list[np.ndarray], settings: DecodingConfig, fps: float
) -> dict[str, np.ndarray]:
    """Lengths, first states and following states from the segments of each task's videos and the classes it shows."""
    seconds = [np.concatenate([video[:, 1] - video[:, 0] for video in group]) / fps for group in groups]
    every = np.concatenate(seconds)
    bounds = every.min() / settings.length_limit, every.max() * settings.length_limit
    num_videos, begin = sum(map(len, groups)), np.cumsum([0, *map(len, states)])
    lengths, first = np.empty((begin[-1], settings.num_lengths)), np.empty(begin[-1])
    following = np.zeros((begin[-1], begin[-1]))
    for number, (group, classes) in enumerate(zip(groups, states, strict=True)):
        own = slice(begin[number], begin[number + 1])
        videos = [np.searchsorted(classes, video[:, 2]) for video in group]
        first[own], following[own, own] = _order(videos, len(classes))
        first[own] *= len(group) / num_videos
        lengths[own] = _length_quantiles(seconds[number], np.concatenate(videos), len(classes), settings, bounds)
    return {"lengths": lengths, "first": first, "following": following}


def _order(videos: list[np.ndarray], num_states: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the first state, `[S]`, and of the next one, `[S, S]`, from the states of each video in turn."""
    numbers = np.concatenate(videos)
    share = (np.bincount(numbers, minlength=num_states) + 1) / (len(numbers) + num_states)
    first = np.bincount([video[0] for video in videos], minlength=num_states) + share
    pairs = np.zeros((num_states, num_states))
    for video in videos:
        np.add.at(pairs, (video[:-1], video[1:]), 1)
    return first / first.sum(), _following(pairs, share)


def _following(pairs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities `[S, S]` of the next state; one more pair for each state, so that no order is impossible."""
    counts = pairs + share
    np.fill_diagonal(counts, 0)
    single = counts.sum(axis=1) == 0
    counts[single, single] = 1  # the only state follows itself
    return counts / counts.sum(axis=1, keepdims=True)


def _length_quantiles(
    lengths: np.ndarray,
    states: np.ndarray,
    num_states: int,
    settings: DecodingConfig,
    bounds: tuple[float, float],
) -> np.ndarray:
    """Quantiles `[S, L]`; a state without a segment gets the quantiles of all segments."""
    levels = (np.arange(settings.num_lengths) + 0.5) / settings.num_lengths
    table = np.empty((num_states, settings.num_lengths))
    for state in range(num_states):
        own = lengths[states == state]
        table[state] = _smoothed_quantiles(own if len(own) else lengths, levels, settings.spread, bounds)
    return table


def _smoothed_quantiles(
    lengths: np.ndarray, levels: np.ndarray, spread: float, bounds: tuple[float, float]
) -> np.ndarray:
    """Quantiles after a normal kernel has smoothed the logarithms of the lengths; `spread` 0 smooths nothing."""
    if spread == 0:
        return np.quantile(lengths, levels, method="inverted_cdf")
    # Here, because a prediction needs the tables, not their smoothing, and the import takes time.
    from scipy.special import ndtr

    grid = np.linspace(np.log(bounds[0]), np.log(bounds[1]), GRID_POINTS)
    # Many segments have the same number of frames, so that memory does not grow with the number of segments.
    different, counts = np.unique(lengths, return_counts=True)
    below = ndtr((grid[:, None] - np.log(different)) / spread) @ (counts / counts.sum())
    return np.exp(np.interp(levels, below, grid))
