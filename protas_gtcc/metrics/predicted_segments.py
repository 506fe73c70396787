"""The segments of a prediction, one row each: for the screen, for `<video>.segments.csv` and for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.csv_tables import write_csv_table

SUFFIX = ".segments.csv"


@dataclass(frozen=True)
class PredictedSegment:
    """Frames of one predicted class, from `start_seconds` to `end_seconds`, end exclusive."""

    start_seconds: float
    end_seconds: float
    label: int
    name: str
    progress: float | None
    """Reported progress at the last frame; None in the background."""


def predicted_segments(prediction: Prediction, info: PredictionInfo) -> list[PredictedSegment]:
    """The segments of one video's prediction in time order, background included."""
    return [
        PredictedSegment(
            start / info.fps,
            end / info.fps,
            label,
            info.class_names[label],
            None if label in info.background else float(prediction.reported[end - 1]),
        )
        for start, end, label in segment_array(prediction.labels).tolist()
    ]


def write_segments(folder: Path | str, video: str, segments: Sequence[PredictedSegment]) -> Path:
    """Write one video's segments as `folder/<video>.segments.csv`; progress is blank in the background."""
    path = Path(folder) / f"{video}{SUFFIX}"
    names = [field.name for field in dataclasses.fields(PredictedSegment)]
    write_csv_table(path, {name: [getattr(one, name) for one in segments] for name in names})
    return path
