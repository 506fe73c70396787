"""Alarms: which mistakes they find, how many are false, and how soon they come.

What is counted is a step of a recording, once for each reason. An alarm is a *hit* if the step is really wrong in that
way, whenever it comes; a step that comes too late is missing until it begins (`procedure.truth.is_right`). Every other
alarm is *false*.

    recall     hits / steps that are wrong in that way
    precision  hits / (hits + false alarms)

Missing steps are of two kinds: those that are never done, and those that come too late. Recall is also given of each.

The delay of a hit about a step that is never done counts from the start of the step that starts last: by then, what
waits for the missing step has begun or never will. Below 0, the alarm comes earlier. The delay of other hits counts
from the start of the step's segment that began last before the alarm (of its first one if none did). So it is below 0
for a step that comes too late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.metrics.procedure_medians import Delays, delay_figures
from protas_gtcc.metrics.procedure_truth import ProcedureTruth
from protas_gtcc.procedure.result import REASONS, Event, Reason
from protas_gtcc.procedure.truth import is_right

MISSING: Reason = "missing"
ALL = "all"
"""Name of the figures of all reasons together."""
STATISTICS = ("wrong", "hits", "false", "false_normal", "late", "late_hits")
TAG_STATISTICS = ("recordings", "recordings_found", "steps", "steps_found")
_NO_TAG = (0,) * len(TAG_STATISTICS)
_HOURS = "per hour of recording. Its interval shows whether a budget was kept"
DEFINITIONS = {
    "alarms.*.recall": (
        "fraction",
        "Share of the steps that are wrong in this way that an alarm of this reason names.",
    ),
    "alarms.missing.recall_never": ("fraction", "The same of the steps that are never done."),
    "alarms.missing.recall_late": ("fraction", "The same of the steps that come too late; the alarm must come before."),
    "alarms.*.precision": ("fraction", "Hits as a share of hits and false alarms."),
    "alarms.*.false_per_hour": ("per hour", f"False alarms {_HOURS}."),
    "alarms.*.false_per_hour_normal": (
        "per hour",
        "The same over the recordings without mistakes, where every alarm is false.",
    ),
    "alarms.*.delay_seconds": (
        "seconds",
        "Mean time to a hit: for a step that is never done from the start of the step that starts last, else from the "
        "start of the wrong step. Below 0 is earlier.",
    ),
    "alarms.*.median_delay_seconds": ("seconds", "Median of the same; without an interval."),
    "alarms.*.num_wrong": ("steps", "Steps that are wrong in this way."),
    "alarms.*.num_hits": ("alarms", "Alarms about steps that are wrong in this way."),
    "alarms.*.num_false": ("alarms", "Alarms about steps that are not."),
    "alarms.missing.num_late": ("steps", "Missing steps that come too late."),
    "alarms_by_tag.*.recordings": (
        "fraction",
        "Share of the recordings with such a mistake in which an alarm of any reason names a step with it.",
    ),
    "alarms_by_tag.*.steps": ("fraction", "Share of the steps with such a mistake that an alarm of any reason names."),
    "alarms_by_tag.*.num_recordings": ("recordings", "Recordings with such a mistake."),
    "alarms_by_tag.*.num_steps": ("steps", "Steps of recordings with such a mistake."),
}


class AlarmRow(NamedTuple):
    """What one recording adds."""

    statistics: np.ndarray
    """float64 `[A, len(STATISTICS)]`: counts for each of the `REASONS`; late are wrong steps that did happen."""
    delays: list[np.ndarray]
    """Frames to each hit, int64 `[N]` for each of the `REASONS`."""
    tags: Mapping[str, tuple[int, ...]]
    """For each kind of mistake in the recording, `TAG_STATISTICS`."""
    frames: np.ndarray
    """float64 `[2]`: frames of the recording, and the same if it has no mistakes, else 0."""

    def added(self, other: AlarmRow) -> AlarmRow:
        """What two recordings add together."""
        delays = [np.append(own, more) for own, more in zip(self.delays, other.delays, strict=True)]
        tags = {
            tag: tuple(map(sum, zip(self.tags.get(tag, _NO_TAG), other.tags.get(tag, _NO_TAG), strict=True)))
            for tag in self.tags.keys() | other.tags.keys()
        }
        return AlarmRow(self.statistics + other.statistics, delays, tags, self.frames + other.frames)


def alarm_row(events: Iterable[Event], truth: ProcedureTruth) -> AlarmRow:
    """The row of one recording, from its events."""
    alarms = [event for event in events if event.is_alarm]
    delays: dict[str, list[int]] = {reason: [] for reason in REASONS}
    counts = np.zeros((len(REASONS), len(STATISTICS)))
    wrong, happened = [truth.wrong_in(reason) for reason in REASONS], set(truth.steps[:, 2].tolist())
    counts[:, 0] = [len(one) for one in wrong]
    counts[:, 4] = [len(one & happened) for one in wrong]
    for event in alarms:
        number = REASONS.index(event.kind)
        if is_right(event, wrong[number], truth.steps):
            counts[number, 1] += 1
            counts[number, 5] += event.label in happened
            delays[event.kind].append(_delay(event, truth))
        else:
            counts[number, 2] += 1
            counts[number, 3] += not truth.has_mistakes
    tags = _tag_counts(truth, {event.label for event in alarms})
    frames = np.array([truth.num_frames, 0 if truth.has_mistakes else truth.num_frames], dtype=np.float64)
    return AlarmRow(counts, [np.array(one, dtype=np.int64) for one in delays.values()], tags, frames)


def alarm_figures(rows: Sequence[AlarmRow], weights: np.ndarray, fps: float) -> dict[str, Any]:
    """`alarms` by reason, and `alarms_by_tag`: figures `[R]` each, when recording v counts `weights[r, v]` times."""
    totals = np.einsum("rv,vak->rak", weights, np.stack([row.statistics for row in rows]))
    hours = weights @ np.stack([row.frames for row in rows]) / fps / 3600
    delays = [[row.delays[number] for row in rows] for number in range(len(REASONS))]
    every = [np.concatenate(row.delays) for row in rows]
    found = {
        name: _reason_figures(total, hours) | delay_figures(Delays(own), weights, fps)
        for name, total, own in zip(
            (ALL, *REASONS), (totals.sum(axis=1), *np.moveaxis(totals, 1, 0)), (every, *delays), strict=True
        )
    }
    found[MISSING] |= _kinds_of_missing(totals[:, REASONS.index(MISSING)])
    return {"alarms": found, "alarms_by_tag": _tag_figures([row.tags for row in rows], weights)}


def _reason_figures(totals: np.ndarray, hours: np.ndarray) -> dict[str, np.ndarray]:
    wrong, hits, false, false_normal = totals.T[:4]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "recall": hits / wrong,
            "precision": hits / (hits + false),
            "false_per_hour": false / hours[:, 0],
            "false_per_hour_normal": false_normal / hours[:, 1],
            "num_wrong": wrong,
            "num_hits": hits,
            "num_false": false,
        }


def _kinds_of_missing(totals: np.ndarray) -> dict[str, np.ndarray]:
    wrong, hits, _, _, late, late_hits = totals.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"recall_never": (hits - late_hits) / (wrong - late), "recall_late": late_hits / late, "num_late": late}


def _delay(event: Event, truth: ProcedureTruth) -> int:
    starts = truth.steps[truth.steps[:, 2] == event.label, 0]
    if len(starts) == 0:
        return event.frame - truth.last_start
    begun = starts[starts <= event.frame]
    return event.frame - int(begun[-1] if len(begun) else starts[0])


def _tag_counts(truth: ProcedureTruth, named: Collection[int]) -> dict[str, tuple[int, ...]]:
    """`TAG_STATISTICS` of one recording, for each kind of mistake; `named` are the classes that alarms name."""
    with_tag: dict[str, set[int]] = {}
    for label, tag in truth.tags:
        with_tag.setdefault(tag, set()).add(label)
    found = {tag: len(labels & set(named)) for tag, labels in with_tag.items()}
    return {tag: (1, int(found[tag] > 0), len(labels), found[tag]) for tag, labels in with_tag.items()}


def _tag_figures(tags: Sequence[Mapping[str, tuple[int, ...]]], weights: np.ndarray) -> dict[str, Any]:
    tree = {}
    for tag in sorted(set().union(*tags)):
        recordings, found, steps, steps_found = (weights @ np.array([one.get(tag, _NO_TAG) for one in tags])).T
        with np.errstate(invalid="ignore"):
            shares = {"recordings": found / recordings, "steps": steps_found / steps}
        tree[tag] = {**shares, "num_recordings": recordings, "num_steps": steps}
    return tree
