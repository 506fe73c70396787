"""Scalar heads scored as the per-class model is: on the same test videos, with the same averages and intervals.

A head is given each true action segment from its start: it knows where actions begin, and not which they are. The table
names what each predictor is given. The look-ups and the cumulative distance are given as much or more. The per-class
model is given the true class of every frame, or nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from protas_gtcc.config import REFERENCE
from protas_gtcc.dataset.file import Dataset
from protas_gtcc.errors import InputError
from protas_gtcc.heads.head import ScalarHead
from protas_gtcc.heads.training import ActionSegment, pad_segments
from protas_gtcc.metrics.cumulative_distance import CumulativeDistance
from protas_gtcc.metrics.curves import SHORT
from protas_gtcc.metrics.pooled_runs import PooledRows, pool, pooled_scores
from protas_gtcc.predictions import Prediction
from protas_gtcc.report.figures import at
from protas_gtcc.report.head_table import AVERAGES, TableRow
from protas_gtcc.runs.cross_validation import rows_of_run, rows_of_split
from protas_gtcc.training.run_directory import RunDirectory

NOTHING, START, CLASS, START_AND_CLASS = "nothing", "true start", "true class", "true start, true class"
GIVEN = {**dict.fromkeys(("half", "best_constant", "constant", "random"), NOTHING), "average_index": START}
"""What look-ups on true segments are given; the others are given start and class."""


def head_reports(head: ScalarHead, segments: Sequence[ActionSegment]) -> list[np.ndarray]:
    """A head's progress at every frame of each segment, float32 `[T]`."""
    with torch.inference_mode():
        padded, lengths = pad_segments(segments)
        progress = head(padded, lengths)
    return [row[:length].numpy() for row, length in zip(progress, lengths.tolist(), strict=True)]


def left_seconds(head: ScalarHead, segments: Sequence[ActionSegment], fps: float) -> list[float]:
    """The mean error over frames of the time left that a head gives, in seconds; empty if it gives none."""
    if not head.config.frames_left:
        return []
    with torch.inference_mode():
        padded, lengths = pad_segments(segments)
        left = head.frames_left(padded, lengths)
    return [left_error([row[:length].numpy() for row, length in zip(left, lengths.tolist(), strict=True)], fps)]


def median_left(training: Sequence[ActionSegment], segments: Sequence[ActionSegment]) -> list[np.ndarray]:
    """What a look-up gives instead: the median over training segments that last longer, 0 beyond the longest."""
    lengths = np.array([len(one.embeddings) for one in training])
    longest = max(lengths.max(), *(len(one.embeddings) for one in segments))
    table = np.array([np.median(lengths[lengths > n] - n) if n < lengths.max() else 0.0 for n in range(1, longest + 1)])
    return [table[: len(one.embeddings)] for one in segments]


def left_error(reports: Sequence[np.ndarray], fps: float) -> float:
    """Mean absolute error over frames, in seconds; each report is that of a whole segment, whose last frame has 0."""
    errors = [np.abs(one - np.arange(len(one) - 1, -1, -1)) for one in reports]
    return float(np.concatenate(errors).mean() / fps)


def distance_reports(distance: CumulativeDistance, segments: Sequence[ActionSegment]) -> list[np.ndarray]:
    """The cumulative distance's progress at every frame of each segment, `[T]`."""
    return [distance.report(one.embeddings, one.label) for one in segments]


def score_reports(
    dataset: Dataset,
    split: str,
    seed: int,
    segments: Sequence[ActionSegment],
    report: Callable[[Sequence[ActionSegment]], list[np.ndarray]],
) -> PooledRows:
    """Score the test videos of a split by the progress that `report` returns for their true action segments.

    `segments` are all of these segments. Raises `InputError` if a test video lacks one, and as the evaluation does.
    """
    of_video: dict[str, list[ActionSegment]] = {}
    for one in segments:
        of_video.setdefault(one.video, []).append(one)

    def read(video: str) -> Prediction:
        labels = dataset.labels(video)
        mine, reported = of_video.get(video, []), np.zeros(len(labels), dtype=np.float32)
        for one, progress in zip(mine, report(mine) if mine else [], strict=True):
            reported[one.start : one.start + len(progress)] = progress
        num_frames = sum(len(one.embeddings) for one in mine)
        if num_frames != np.isin(labels, dataset.info.background, invert=True).sum():
            what = "the segments to score do not hold all frames of its actions"
            raise InputError(f"video {video}: {what}; give all of them")
        return Prediction(labels, None, None, reported)

    training = dataclasses.replace(REFERENCE.training, seed=seed)
    return rows_of_split(dataset, dataclasses.replace(REFERENCE, split=split, training=training), read)


def reported_row(name: str, given: str, runs: Sequence[PooledRows], left_seconds: Sequence[float] = ()) -> TableRow:
    """The errors of reported progress, pooled over seeds; and the mean error of the time left, if there is one."""
    row = _row(name, given, pooled_scores(pool(runs)), ("progress", "predicted"), ("predicted",))
    return dataclasses.replace(row, left_seconds=float(np.mean(left_seconds)) if left_seconds else None)


def lookup_rows(run: PooledRows, left_seconds: float | None = None) -> list[TableRow]:
    """The look-ups on the true segments, as fitted for any run of the split.

    `left_seconds` is the error of `median_left`, which is given as much as `average_index` and stands in its row.
    """
    scores = pooled_scores(run)
    rows = [
        _row(
            f"`{name}`",
            GIVEN.get(name, START_AND_CLASS),
            scores,
            ("baselines", name, "oracle_segments"),
            ("lookups", "oracle_segments", name),
        )
        for name in scores["baselines"]
    ]
    return [
        dataclasses.replace(row, left_seconds=left_seconds) if "`average_index`" in row.name else row for row in rows
    ]


def model_rows(name: str, runs: Sequence[RunDirectory], dataset: Dataset) -> list[TableRow]:
    """A per-class model's reported progress, of the true class and of the one it predicts, pooled over its runs.

    Raises `InputError` if a run is not finished, or does not fit the dataset.
    """
    scores = pooled_scores(pool([rows_of_run(run, dataset) for run in runs]))
    given = {"oracle": CLASS, "predicted": NOTHING}
    return [
        _row(f"per class: {name}", given[which], scores, ("progress", which), (which,))
        for which in given
        if scores["progress"][which] is not None
    ]


def _row(name: str, given: str, scores: dict[str, Any], path: Sequence[str], within: Sequence[str]) -> TableRow:
    """The figures at `path`, and those of progress within actions at `within`, below `curves` and each length."""
    figures, intervals = (_figures(tree, path, within) for tree in (scores, scores["intervals"]))
    return TableRow(name, given, figures, intervals)


def _figures(tree: dict[str, Any], path: Sequence[str], within: Sequence[str]) -> dict[str, Any]:
    errors, shape = at(tree, path), at(tree, ("curves", *within))
    # Parts have a look-up's error, and of others also the bias.
    lengths = {part: at(one, within) for part, one in (tree["breakdowns"]["length_seconds"] or {}).items()}
    return {
        **{average: errors[average] for average in (*AVERAGES, "per_class")},
        **{name: shape[name] for name in SHORT},
        "by_length": {part: one["error"] if isinstance(one, dict) else one for part, one in lengths.items()},
    }
