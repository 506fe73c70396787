"""Sentences on which of several runs is better at what, by how much, and whether chance could be the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from protas_gtcc.errors import listed
from protas_gtcc.metrics.lookups import LookUps
from protas_gtcc.metrics.pooled_runs import PooledRows, paired_differences, pooled_scores
from protas_gtcc.metrics.pooling import collect_rows
from protas_gtcc.report.figures import Form, bounds_at, excludes_zero, form, percent, value_at
from protas_gtcc.report.runs import EvaluatedRun


class _Judged(NamedTuple):
    name: str
    path: str
    form: Form


FIGURES = (
    _Judged("skill of progress", "progress.predicted.skill", form("z.2f")),
    _Judged("frames right, %", "segmentation.acc", percent),
    _Judged("F1@50", "segmentation.f1@50", percent),
)
"""All are better where they are larger. Runs are compared with the best in the first that all have."""


def judgement(runs: Sequence[EvaluatedRun], lookups: Sequence[LookUps]) -> list[str]:
    """A sentence for each run but the best, over runs with the same test videos; none for a single run.

    `lookups` are those of the runs' training videos.
    """
    if len(runs) < 2:
        return []
    rows = [_rows(*pair) for pair in zip(runs, lookups, strict=True)]
    scores = [pooled_scores(one) for one in rows]
    judged = [one for one in FIGURES if all(value_at(found, one.path) is not None for found in scores)]
    if not judged:
        return []
    best = int(np.argmax([value_at(found, judged[0].path) for found in scores]))
    return [
        _sentence(runs[best].name, runs[number].name, judged, scores[best], scores[number], rows[best], rows[number])
        for number in range(len(runs))
        if number != best
    ]


def _sentence(
    name: str,
    other_name: str,
    judged: list[_Judged],
    scores: dict[str, Any],
    others: dict[str, Any],
    rows: PooledRows,
    other: PooledRows,
) -> str:
    differences = paired_differences(rows, other)
    parts: dict[str, list[str]] = {"is better than": [], "is worse than": [], "does not clearly differ from": []}
    for one in judged:
        values = [one.form(value_at(found, one.path)) for found in (scores, others)]
        difference, bounds = value_at(differences, one.path), bounds_at(differences, one.path)
        within = "" if bounds is None else f", difference {one.form(difference)} [{', '.join(map(one.form, bounds))}]"
        text = f"{one.name} ({values[0]} and {values[1]}{within})"
        clear = "is better than" if difference > 0 else "is worse than"
        parts[clear if excludes_zero(bounds) else "does not clearly differ from"].append(text)
    found = [f"{verb} {other_name} in {listed(texts)}" for verb, texts in parts.items() if texts]
    unknown = bounds_at(differences, judged[0].path) is None
    end = _too_few(len(rows.rows.videos)) if unknown else "; in brackets, 95 % intervals"
    return f"{name} {', and '.join(found)}{end}."


def _too_few(num_videos: int) -> str:
    whole = "there is one test video" if num_videos == 1 else f"the {num_videos} test videos show one person"
    return f": {whole}, which is too little to distinguish chance from difference"


def _rows(run: EvaluatedRun, lookups: LookUps) -> PooledRows:
    dataset, info, split = run.dataset, run.dataset.info, run.metrics["split"]
    names = sorted(run.videos)  # in one order in all runs: rows of many videos are added up
    videos = ((video, dataset.labels(video), run.predictions.read(video)) for video in names)
    people = {video: dataset.attribute(video, "subject") for video in names}
    rows = collect_rows(videos, lookups, info.class_names, info.background, info.fps, people, together=True)
    return PooledRows(rows, [(name, split) for name in (rows.row_clusters if rows.is_added_up else names)])
