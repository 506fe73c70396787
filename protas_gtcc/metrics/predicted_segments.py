"""The segments of a prediction, one row each: for the screen, for `<video>.segments.csv` and for JSON."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protas_gtcc.annotations.segments import segment_array
from protas_gtcc.predictions import Prediction, PredictionInfo
from protas_gtcc.storage.atomic import replace_when_whole

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
    """Write one video's segments as `folder/<video>.segments.csv`; progress is empty in the background."""
    path = Path(folder) / f"{video}{SUFFIX}"
    with replace_when_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(field.name for field in dataclasses.fields(PredictedSegment))
        for one in segments:
            progress = "" if one.progress is None else f"{one.progress:.6g}"
            rows.writerow([f"{one.start_seconds:.6g}", f"{one.end_seconds:.6g}", one.label, one.name, progress])
    return path
