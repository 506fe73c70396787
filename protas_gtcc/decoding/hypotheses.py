"""Hypotheses about the current segment: its class, its length, and how far it is.

A segment of class c with L frames goes through N phases, one after the other:

    first ──> phase 0 ──> phase 1 ──> … ──> phase N - 1 ──> the next segment

N is L, but at most `max_phases`. At each frame, the segment enters the next phase with probability N / L. So it takes L
frames in the mean (and exactly L frames where N = L). The work is bounded for any length and frame rate. The last phase
of a class's longest length is left more slowly: an action that lasts longer than every training segment stays there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from protas_gtcc.annotations.transcripts import TranscriptTables
from protas_gtcc.config import DecodingConfig


class Hypotheses(NamedTuple):
    """R lengths over all classes and S phases over all lengths, concatenated, as compiled code needs them."""

    label: np.ndarray
    """int64 `[R]`: class of each length."""
    weight: np.ndarray
    """float64 `[R]`: probability of the length, given the class."""
    start: np.ndarray
    """int64 `[R + 1]`: index of each length's first phase among all phases."""
    rate: np.ndarray
    """float64 `[R]`: probability of entering the next phase at a frame."""
    end_rate: np.ndarray
    """float64 `[R]`: probability of ending at a frame of the last phase."""
    bins: np.ndarray
    """int64 `[S]`: the bin of progress that a phase lies in."""
    first: np.ndarray
    """float64 `[C]`: as in `TranscriptTables`."""
    following: np.ndarray
    """float64 `[C, C]`: as in `TranscriptTables`."""


def make_hypotheses(tables: TranscriptTables, settings: DecodingConfig) -> Hypotheses:
    """The hypotheses for the durations and the order in `tables`."""
    labels, lengths, weights = _distinct_lengths(tables.lengths)
    num_phases = np.minimum(np.floor(lengths + 1e-9), settings.max_phases).astype(np.int64)
    rate = np.minimum(num_phases / lengths, 1.0)
    progress = [
        (np.arange(phases) + (1 + one_rate) / 2) / phases for phases, one_rate in zip(num_phases, rate, strict=True)
    ]
    # On the border of two bins the lower one is taken, so that progress 1 lies in the last bin.
    bins = np.ceil(np.concatenate(progress) * settings.progress_bins - 1e-9).astype(np.int64) - 1
    is_longest = np.append(labels[1:] != labels[:-1], True)
    return Hypotheses(
        label=labels,
        weight=weights,
        start=np.append(0, np.cumsum(num_phases)),
        rate=rate,
        end_rate=np.where(is_longest, 1 / (1 / rate + settings.overrun * lengths), rate),
        bins=np.clip(bins, 0, settings.progress_bins - 1),
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
