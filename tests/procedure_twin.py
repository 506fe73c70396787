"""The slow, obvious twin of what follows a procedure: dense, state by state, nothing left out."""

from __future__ import annotations

import numpy as np

from protas_gtcc.decoding.filter_output import StateBeliefs
from protas_gtcc.procedure.evidence import LATER, MANY, NEXT
from protas_gtcc.procedure.outlook import PACE_PRIOR, PACE_SPREAD
from protas_gtcc.procedure.result import REASONS
from protas_gtcc.procedure.tables import HALF, ProcedureTables
from protas_gtcc.procedure.tracker import Tracked, Weights, empty_tracked

MISSING, ORDER, REPEATED, LONG = range(len(REASONS))


def features(
    tables: ProcedureTables, task: int, last: np.ndarray, done: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the steps of a task, by place: which places `[P]` they are, `[P, NEXT]` and `[P, LATER]`."""
    low, high = tables.begin[task : task + 2]
    own, places = slice(low, high), np.flatnonzero(tables.is_step[low:high])
    num = high - low
    before = tables.before[own, :num] * tables.is_step[own, None] * tables.is_step[own]
    np.fill_diagonal(before, 0)
    share, ends = tables.share[own], tables.ends[own]
    safe = np.where(tables.is_step[own], share, 0.5)  # rows of what is no step are left out at the end
    follows = last @ tables.after[own, :num] + max(1 - last.sum(), 0) * tables.start[own]
    first_undone = np.zeros(num)
    for order in tables.orders[tables.orders_task == task]:
        reached = 1.0
        for place in order[order >= 0]:
            first_undone[place] += reached * (1 - done[place])
            reached *= done[place]
    reached = np.clip((share @ done) / share.sum(), 0.02, 0.98)
    needs, has_needs = tables.needs[own, :num], tables.needs.any()
    waiting = needs.T @ done
    upcoming = {
        "follows": np.log(np.maximum(follows, 1e-30)),
        "ahead": before @ (share * (1 - done)),
        "behind": done @ before,
        "done, by repeats": done * tables.repeat[own],
        "done": done,
        "first undone": np.log((first_undone + HALF * safe) / (first_undone.sum() + HALF * share.sum())),
        "rank": -np.abs(tables.rank[own] - done.sum()),
        "needed": np.minimum(needs @ (1 - done), MANY) if has_needs else np.zeros(num),
        "waits for none": np.array([np.prod(done[row > 0]) for row in needs]) if has_needs else np.ones(num),
        "needs the last": needs @ last if has_needs else np.zeros(num),
    }
    later = {
        "always": np.ones(num),
        "share": np.log(safe / (1 - safe)),
        "behind": MANY * (done @ before) / max(done.sum(), 1),
        "least": np.minimum((done[:, None] * before).min(axis=0), 0),
        "since the last": last @ before,
        "reached": np.full(num, np.log(reached / (1 - reached))),
        "rest": np.full(num, np.log(1 - reached)),
        "ends": np.full(num, last @ ends),
        "ended": np.full(num, done @ ends),
        "waiting": np.minimum(waiting, MANY) if has_needs else np.zeros(num),
        "waiting, of all": waiting / np.maximum(needs.sum(axis=0), 1) if has_needs else np.zeros(num),
    }
    assert (len(upcoming), len(later)) == (NEXT, LATER)
    return places, np.stack(list(upcoming.values()), axis=1)[places], np.stack(list(later.values()), axis=1)[places]


def probabilities(
    tables: ProcedureTables, task: int, weights: Weights, last: np.ndarray, done: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """That each place is the next step, and that it still comes, if it is not done; 0 for what is no step."""
    places, upcoming, later = features(tables, task, last, done)
    following, comes = np.zeros((2, len(done)))
    odds = np.exp(upcoming @ weights.next)
    following[places] = odds / odds.sum()
    comes[places] = 1 / (1 + np.exp(-later @ weights.later))
    return following, comes


class Memory:
    """What is so if a state is going on; arrays by place within its task."""

    def __init__(self, num_places: int):
        self.done, self.last, self.next = np.zeros((3, num_places))
        self.seconds = self.surprise = 0.0

    def after(self, is_step: bool, place: int) -> tuple[np.ndarray, np.ndarray]:
        """What is done, and which step was the last one, once the state has ended."""
        if not is_step:
            return self.done, self.last
        return np.maximum(self.done, np.eye(len(self.done))[place]), np.eye(len(self.done))[place]


def remembered_order(
    tables: ProcedureTables, following: np.ndarray, order_memory: float, memories: list[Memory]
) -> np.ndarray:
    """The probability `[S, S]` that each state follows each, by what is remembered."""
    order = following.copy()
    for k, memory in enumerate(memories):
        own = np.flatnonzero(tables.state_task == tables.state_task[k])
        steps = tables.is_step[own] & (own != k)
        upcoming = memory.next * steps
        if upcoming.sum() > 0:
            upcoming *= following[k, own[steps]].sum() / upcoming.sum()
            order[k, own] = np.where(steps, (1 - order_memory) * order[k, own] + order_memory * upcoming, order[k, own])
    return order


def track(
    tables: ProcedureTables,
    weights: Weights,
    following: np.ndarray,
    order_memory: float,
    beliefs: StateBeliefs,
    seconds: float,
) -> Tracked:
    """What the tracker finds in a recording; every state is remembered, however improbable it is."""
    num_frames, num_states = beliefs.now.shape
    found = empty_tracked(num_frames, int(tables.state_class.max()) + 1)
    memories, elapsed = [Memory(np.sum(tables.state_task == task)) for task in tables.state_task], 0.0
    for t in range(num_frames):
        transitions = remembered_order(tables, following, order_memory, memories)
        memories = [remembered(tables, memories, s, transitions, beliefs, t, seconds) for s in range(num_states)]
        now, began, times = beliefs.now[t] / beliefs.now[t].sum(), 0.0, np.zeros((2, 2))
        for s in np.flatnonzero(now).tolist():
            memory = memories[s]
            began += now[s] * (1.0 if tables.is_step[s] else memory.last.sum())
            task, place = tables.state_task[s], tables.place[s]
            done, last = memory.after(tables.is_step[s], place)
            memory.next, comes = probabilities(tables, task, weights, last, done)
            own = np.flatnonzero(tables.state_task == task)
            steps = tables.is_step[own]
            others, labels = steps & (np.arange(len(own)) != place), tables.state_class[own]
            found.next[t, labels[steps]] += now[s] * memory.next[steps]
            found.done[t, labels[others]] += now[s] * memory.done[others]
            found.alarms[t, MISSING, labels[steps]] += now[s] * ((1 - done) * (1 - comes))[steps]
            if tables.is_step[s]:
                found.alarms[t, ORDER, labels[place]] += now[s] * (1 - memory.done[place]) * memory.surprise
                found.alarms[t, REPEATED, labels[place]] += now[s] * memory.done[place] * memory.surprise
                found.alarms[t, LONG, labels[place]] += now[s] * too_long(memory.seconds, tables.length[s])
            statistics = times_left(tables, s, memory, done, comes, elapsed, beliefs.rest[t, s])
            times += now[s] * np.array([(mean, variance + mean**2) for mean, variance in statistics])
        elapsed += seconds * began
        found.elapsed[t] = elapsed
        for which, (mean, square) in zip((found.left, found.upcoming), times, strict=True):
            which[t] = mean, max(square - mean**2, 0)
    return found


def remembered(
    tables: ProcedureTables,
    memories: list[Memory],
    s: int,
    transitions: np.ndarray,
    beliefs: StateBeliefs,
    t: int,
    seconds: float,
) -> Memory:
    """The memory of state s at frame t: its own, or that of the states it comes after, by their shares."""
    own, share = memories[s], beliefs.entered[t, s]
    flows = beliefs.ended[t] * transitions[:, s] * (tables.state_task == tables.state_task[s])
    memory = Memory(len(own.done))
    for k in np.flatnonzero(flows):
        came, part = memories[k], share * flows[k] / flows.sum()
        done, last = came.after(tables.is_step[k], tables.place[k])
        memory.done += part * done
        memory.last += part * last
        if tables.is_step[s] and came.next.max() > 0:
            memory.surprise += part * (1 - came.next[tables.place[s]] / came.next.max())
    for name in ("done", "last", "surprise"):
        setattr(memory, name, getattr(memory, name) + (1 - share) * getattr(own, name))
    memory.seconds = (1 - share) * own.seconds + seconds
    memory.next = own.next
    return memory


def too_long(seconds: float, length: np.ndarray) -> float:
    deviation = max((np.log(seconds) - length[0]) / length[1], 0)
    return deviation / (1 + deviation)


def times_left(
    tables: ProcedureTables,
    s: int,
    memory: Memory,
    done: np.ndarray,
    comes: np.ndarray,
    elapsed: float,
    rest: np.ndarray,
) -> list[tuple[float, float]]:
    """Mean and variance of the seconds until the last step ends, and until the next one starts, if s is going on."""
    own = tables.state_task == tables.state_task[s]
    steps, (mean, variance) = tables.is_step[own], tables.advance[own].T
    others = steps & (np.arange(len(steps)) != tables.place[s])
    usual = PACE_PRIOR * mean[steps].sum() / max(steps.sum(), 1)
    expected = done[others] @ mean[others] + (min(memory.seconds, tables.advance[s, 0]) if tables.is_step[s] else 0)
    pace = (elapsed + usual) / (expected + usual) if usual else 1.0
    gap = tables.gap[s] if tables.is_step[s] else np.zeros(2)
    until_next = rest + np.array([pace, pace**2]) * gap
    comes = ((1 - done) * comes)[steps]
    work = pace * (comes @ mean[steps])
    spread = pace**2 * (comes @ (variance[steps] + (1 - comes) * mean[steps] ** 2)) + (PACE_SPREAD * work) ** 2
    return [(until_next[0] + work, until_next[1] + spread), tuple(until_next)]
