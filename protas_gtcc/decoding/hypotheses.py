"""Hypotheses about the segment under way: its class, how long it will be, how far it is.

A segment of class c that will take L frames goes through N phases, one after the other:

    first ──> phase 0 ──> phase 1 ──> … ──> phase N - 1 ──> the next segment

N is L, but at most `MAX_PHASES`; from each phase it goes on with probability N / L at each frame, so it takes L frames
in the mean (and, while N = L, exactly). However long the actions and high the frame rate, the work is bounded. The
last phase of a class's longest length is left more slowly: an action that outlasts all that was seen stays at its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables

MAX_PHASES = 32
OVERRUN = 0.25
"""How much longer than a class's longest length a segment may well take, as a share of it, in the mean."""
NUM_BINS = 50
"""Bins of progress, over which medians and intervals are taken."""


class Hypotheses(NamedTuple):
    """R lengths over all classes, S phases over all lengths, end to end; what compiled code needs of them."""

    label: np.ndarray
    """int64 `[R]`: the class."""
    weight: np.ndarray
    """float64 `[R]`: probability of the length, given the class."""
    start: np.ndarray
    """int64 `[R + 1]`: where its phases start, among all."""
    rate: np.ndarray
    """float64 `[R]`: probability of going on to the next phase at a frame."""
    end_rate: np.ndarray
    """float64 `[R]`: probability of ending at a frame of the last phase."""
    bins: np.ndarray
    """int64 `[S]`: the bin of progress that a phase lies in."""
    first: np.ndarray
    """float64 `[C]`: as in `TranscriptTables`; so the next."""
    following: np.ndarray
    """float64 `[C, C]`."""


def make_hypotheses(tables: TranscriptTables) -> Hypotheses:
    """Lay the tables out."""
    labels, lengths, weights = _distinct_lengths(tables.lengths)
    num_phases = np.minimum(np.floor(lengths + 1e-9), MAX_PHASES).astype(np.int64)
    rate = np.minimum(num_phases / lengths, 1.0)
    progress = [
        (np.arange(phases) + (1 + one_rate) / 2) / phases for phases, one_rate in zip(num_phases, rate, strict=True)
    ]
    # The lower bin of two, so that progress 1 lies in the last one.
    bins = np.ceil(np.concatenate(progress) * NUM_BINS - 1e-9).astype(np.int64) - 1
    return Hypotheses(
        label=labels,
        weight=weights,
        start=np.append(0, np.cumsum(num_phases)),
        rate=rate,
        end_rate=np.where(np.append(labels[1:] != labels[:-1], True), 1 / (1 / rate + OVERRUN * lengths), rate),
        bins=np.clip(bins, 0, NUM_BINS - 1),
        first=tables.first,
        following=tables.following,
    )


def _distinct_lengths(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class, length and weight `[R]` of the distinct lengths of each class."""
    labels, distinct, weights = [], [], []
    for label, of_class in enumerate(lengths):
        values, counts = np.unique(of_class, return_counts=True)
        labels.append(np.full(len(values), label))
        distinct.append(values)
        weights.append(counts / len(of_class))
    return np.concatenate(labels), np.concatenate(distinct), np.concatenate(weights)
