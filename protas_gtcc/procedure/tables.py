"""What training recordings show of each task: which steps it has, their order and how long they take.

A step is an action of a task. Like the duration filter's tables, these have a row for each state: a class within a
task, background included. The columns are places within the task, so that the tables of many tasks stay small.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.errors import InputError

HALF = 0.5
"""Pseudo count of everything that is counted: nothing is impossible because few recordings do not show it."""
MOST_ORDERS = 500
"""Recordings of a task whose orders are kept: each frame that is followed is compared with all of them."""
LEAST_SPREAD = 0.25
"""Standard deviation of logarithms of a step's lengths, at least: a few recordings may agree by chance."""


@dataclass(frozen=True, eq=False)
class ProcedureTables:
    """Order and lengths of the steps of K tasks: S states, W places, N orders; float64 unless noted."""

    state_class: np.ndarray
    """int64 `[S]`: class of each state, as in `TranscriptTables`."""
    state_task: np.ndarray
    """int64 `[S]`: task of each state, ascending."""
    is_step: np.ndarray
    """bool `[S]`: whether the state is an action."""
    share: np.ndarray
    """`[S]`: share of the task's recordings that have the step; 0 for background."""
    start: np.ndarray
    """`[S]`: probability that it is the first step of a recording of its task."""
    ends: np.ndarray
    """`[S]`: share of the task's recordings of which it is the last step."""
    after: np.ndarray
    """`[S, W]`: `after[s, j]` is the probability that step j of the task comes next after step s."""
    before: np.ndarray
    """`[S, W]`: logarithm of the probability that s comes before j, in recordings with both."""
    repeat: np.ndarray
    """`[S]`: logarithm of the mean number of further times that a step is done in a recording."""
    rank: np.ndarray
    """`[S]`: mean number of steps that come before it."""
    advance: np.ndarray
    """`[S, 2]`: mean and variance of the seconds from its start to the start of the next step, or to the end."""
    gap: np.ndarray
    """`[S, 2]`: mean and variance of the seconds between its end and the start of the next step."""
    length: np.ndarray
    """`[S, 2]`: mean and standard deviation of the logarithm of its seconds."""
    orders: np.ndarray
    """int64 `[N, W]`: places of the steps of training recordings, at most `MOST_ORDERS` of each task, in the order in
    which they first start; -1 after the last."""
    orders_task: np.ndarray
    """int64 `[N]`: task of each of these recordings, ascending."""
    needs: np.ndarray
    """`[S, W]`: 1 where step j must be done before step s, by a drawn graph; 0 without one."""

    @property
    def begin(self) -> np.ndarray:
        """First state of each task, and S: int64 `[K + 1]`."""
        return np.searchsorted(self.state_task, np.arange(self.num_tasks + 1))

    @property
    def num_tasks(self) -> int:
        """Number of tasks, at least 1."""
        return int(self.state_task.max(initial=0)) + 1

    @property
    def place(self) -> np.ndarray:
        """Place of each state within its task, int64 `[S]`."""
        return np.arange(len(self.state_task)) - self.begin[self.state_task]

    def steps(self, number: int) -> list[int]:
        """Class ids of the steps of a task, in their usual order."""
        states = np.flatnonzero(self.is_step & (self.state_task == number))
        return self.state_class[states[np.argsort(self.rank[states], kind="stable")]].tolist()


class Recording(NamedTuple):
    """A recording, as it is learnt from."""

    steps: np.ndarray
    """Its actions as annotated, int64 `[M, 3]`: start, end (exclusive) and label, by start. They may overlap."""
    task: int = 0
    """Number of its task."""


class _Visit(NamedTuple):
    """One segment of a step in a recording."""

    place: int
    seconds: float
    advance: float


def count_procedures(
    recordings: Sequence[Recording],
    states: TranscriptTables,
    background: Collection[int],
    fps: float,
    needs: np.ndarray | None = None,
) -> ProcedureTables:
    """Count order and lengths over training recordings; the states are those of the filter's tables.

    `needs` is a drawn graph, as in `ProcedureTables`. Raises `InputError` if no recording has a step.
    """
    num_states, begin = len(states.state_class), np.searchsorted(states.state_task, np.arange(states.num_tasks + 1))
    is_step = ~np.isin(states.state_class, list(background))
    width = int(np.diff(begin).max())
    places = [
        {int(label): place for place, label in enumerate(states.state_class[begin[task] : begin[task + 1]])}
        for task in range(states.num_tasks)
    ]
    visits = [visits_of(one.steps, places[one.task], fps) for one in recordings]
    if not any(visits):
        raise InputError("no training recording has a step; give training videos with labels")
    counts = _Counts(num_states, width)
    for recording, visited in zip(recordings, visits, strict=True):
        counts.add(int(begin[recording.task]), visited)
    tasks = np.array([one.task for one in recordings], dtype=np.int64)
    in_task = np.bincount(tasks, minlength=states.num_tasks)[states.state_task]
    others = _by_place(is_step.astype(float), states.state_task, begin, width)
    share = np.where(is_step, (counts.has + HALF) / (in_task + 1), 0)
    shares = _by_place(share, states.state_task, begin, width)
    before = (counts.before + HALF) / (counts.both + 1)
    others[np.arange(num_states), np.arange(num_states) - begin[states.state_task]] = 0
    order = np.concatenate([drawn(np.flatnonzero(tasks == task), MOST_ORDERS) for task in range(states.num_tasks)])
    orders = [list(dict.fromkeys(visit.place for visit in visits[number])) for number in order]
    return ProcedureTables(
        state_class=states.state_class,
        state_task=states.state_task,
        is_step=is_step,
        share=share,
        start=_normalised(counts.start + HALF * share, states.state_task),
        ends=counts.ends / np.maximum(in_task, 1),
        after=_rows(counts.after + HALF * shares),
        before=np.log(before),
        repeat=np.log((counts.again + 0.1) / (in_task + 1)),
        rank=((1 - before) * shares * others).sum(axis=1),
        advance=_statistics(counts.advances, is_step),
        gap=_statistics(counts.gaps, is_step),
        length=_log_statistics(counts.lengths),
        orders=np.array([one + [-1] * (width - len(one)) for one in orders], dtype=np.int64).reshape(-1, width),
        orders_task=tasks[order],
        needs=np.zeros((num_states, width)) if needs is None else needs,
    )


def drawn(numbers: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some `numbers`, in their order; of more, always the same."""
    if len(numbers) <= most:
        return numbers
    return np.sort(np.random.default_rng(0).choice(numbers, most, replace=False))


def steps_of(labels: np.ndarray, background: Collection[int]) -> np.ndarray:
    """The actions of labels `[T]` as the rows of a `Recording`."""
    segments = segment_array(labels)
    return segments[~np.isin(segments[:, 2], list(background))]


def visits_of(steps: np.ndarray, places: Mapping[int, int], fps: float) -> list[_Visit]:
    """The steps of a recording in their order; without a class that is no step of the task (`hidden_steps.py`)."""
    known = [row for row in steps.tolist() if row[2] in places]
    starts = [start for start, _, _ in known] + [max((end for _, end, _ in known), default=0)]
    return [
        _Visit(places[label], (end - start) / fps, (following - start) / fps)
        for (start, end, label), following in zip(known, starts[1:], strict=True)
    ]


class _Counts:
    """Counts over recordings, by state and place."""

    def __init__(self, num_states: int, width: int):
        self.has, self.again, self.start, self.ends = np.zeros((4, num_states))
        self.after, self.before, self.both = np.zeros((3, num_states, width))
        self.advances: list[list[float]] = [[] for _ in range(num_states)]
        self.gaps: list[list[float]] = [[] for _ in range(num_states)]
        self.lengths: list[list[float]] = [[] for _ in range(num_states)]

    def add(self, begin: int, visits: Sequence[_Visit]) -> None:
        """Add one recording, of the task whose first state is `begin`."""
        sequence = [visit.place for visit in visits]
        first = list(dict.fromkeys(sequence))
        for place in first[:1]:
            self.start[begin + place] += 1
        for place in sequence[-1:]:
            self.ends[begin + place] += 1
        for earlier, later in pairwise(sequence):
            self.after[begin + earlier, later] += 1
        for number, place in enumerate(first):
            self.has[begin + place] += 1
            self.again[begin + place] += sequence.count(place) - 1
            self.both[begin + place, first[:number] + first[number + 1 :]] += 1
            self.before[begin + place, first[number + 1 :]] += 1
        for visit in visits:
            self.advances[begin + visit.place].append(visit.advance)
            self.gaps[begin + visit.place].append(max(visit.advance - visit.seconds, 0.0))
            self.lengths[begin + visit.place].append(visit.seconds)


def _by_place(values: np.ndarray, state_task: np.ndarray, begin: np.ndarray, width: int) -> np.ndarray:
    """Values `[S]` of the states of each state's task, `[S, W]`; 0 beyond the task's states."""
    table = np.zeros((len(begin) - 1, width))
    for task in range(len(begin) - 1):
        table[task, : begin[task + 1] - begin[task]] = values[begin[task] : begin[task + 1]]
    return table[state_task]


def _rows(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(values.sum(axis=1, keepdims=True), 1e-300)


def _normalised(values: np.ndarray, state_task: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.bincount(state_task, values), 1e-300)[state_task]


def _statistics(values: Sequence[Sequence[float]], is_step: np.ndarray) -> np.ndarray:
    """Mean and variance of each state's values; those of all steps where a step has none, 0 for background."""
    every = np.concatenate([np.array(one) for one in values])
    found = [(np.mean(one), np.var(one)) if len(one) else (every.mean(), every.var()) for one in values]
    return np.array(found) * is_step[:, None]


def _log_statistics(values: Sequence[Sequence[float]]) -> np.ndarray:
    """Mean and standard deviation of logarithms; few values are drawn to the spread of all steps about their means."""
    logs = [np.log(one) for one in values]
    every = np.concatenate(logs)
    spread = np.sqrt(np.mean(np.concatenate([one - one.mean() for one in logs if len(one)]) ** 2))
    means = [one.mean() if len(one) else every.mean() for one in logs]
    spreads = [
        np.sqrt((2 * spread**2 + ((one - mean) ** 2).sum()) / (2 + len(one)))
        for one, mean in zip(logs, means, strict=True)
    ]
    return np.stack([means, np.maximum(spreads, LEAST_SPREAD)], axis=1)
