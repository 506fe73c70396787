"""What the report page has of one run, as values for JSON; `page_data.py` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from protas_gtcc.annotations.segments import progress_target
from protas_gtcc.errors import InputError
from protas_gtcc.metrics.breakdowns import by_tenths, correct_by_length
from protas_gtcc.metrics.found_segments import found_by_class, match_segments
from protas_gtcc.metrics.lookups import LookUps
from protas_gtcc.metrics.progress import AVERAGES
from protas_gtcc.metrics.scored_video import ScoredVideo
from protas_gtcc.metrics.segmentation import confusion_counts
from protas_gtcc.metrics.video_skill import VideoSkill, skill_reference
from protas_gtcc.predictions import Prediction
from protas_gtcc.report.alarm_budgets import alarm_budgets
from protas_gtcc.report.class_intervals import class_intervals, class_sums
from protas_gtcc.report.figures import Form, bounds_at, figure, interval, value_at
from protas_gtcc.report.packing import flat_segments, pack
from protas_gtcc.report.procedure_calibration import calibration, calibration_row
from protas_gtcc.report.procedure_data import KnownVideos, procedure_values
from protas_gtcc.report.procedure_scores import FIGURES
from protas_gtcc.report.ruler import ruler_of, verdict
from protas_gtcc.report.runs import EvaluatedRun, reading_metrics


@dataclass(frozen=True)
class FrameValue:
    """How a field of `Prediction`, `[T]`, at least 0, is stored, and written in hover texts."""

    scale: int
    """Steps a unit; the largest value is 65534 / scale."""
    digits: int
    text: str
    """`#` stands for the value."""


FRAME_VALUES = {
    "reported": FrameValue(1000, 2, "#"),
    "progress_low": FrameValue(250, 2, "from #"),
    "progress_high": FrameValue(250, 2, "to #"),
    "remaining_seconds": FrameValue(10, 1, "# s left"),
}
"""The page's values of every frame beside the class; a field that is None is left out."""
SURE = 0.8
"""Probability from which a run is sure of a frame's class."""
ACCURACY_TOLERANCE = 1e-4
"""Percent; scores and predictions of one evaluation agree to rounding."""


def run_data(run: EvaluatedRun, truth: Sequence[np.ndarray], known: KnownVideos, lookups: LookUps) -> dict[str, Any]:
    """The values of a run whose test videos have these true class ids `[T]`.

    `lookups` are those of its training videos.
    Raises `InputError` if its metrics.json, its predictions and its dataset contradict each other.
    """
    info = run.dataset.info
    background, num_classes, fps = info.background, info.num_classes, info.fps
    with reading_metrics(run):
        reports = run.metrics["progress"]["predicted"] is not None
        reference = skill_reference(run.metrics)
    skill = VideoSkill(lookups, reference) if reference else None
    counts, correct, matches, videos, frames, followed, sums, people = [], [], [], [], [], [], [], []
    for video, labels in zip(run.videos, truth, strict=True):
        prediction = _read(run, video, labels)
        counts.append(confusion_counts(prediction.labels, labels, num_classes))
        scored = ScoredVideo(labels, prediction.labels, prediction.reported[None], background)
        correct.append(correct_by_length(scored))
        matches.append(match_segments(scored))
        sums.append(class_sums(counts[-1], matches[-1]))
        target = progress_target(labels, background)
        rows = np.stack([labels, prediction.labels, target, prediction.reported])
        frames.append(rows[:, scored.frames])
        errors = np.abs(prediction.reported - target)[scored.frames]
        procedure, one = prediction.procedure, known.of(video)
        people.append(one.person)
        if procedure is not None:
            followed.append(calibration_row(procedure, one, fps))
        values = procedure and procedure_values(procedure, one, fps)
        own = {"skill": _rounded(skill and skill.of(labels, prediction.reported)), "procedure": values}
        videos.append(_video(prediction, labels, errors if reports else None) | own)
    confusion = np.sum(counts, axis=0)
    with reading_metrics(run):
        _require_same_evaluation(run, confusion)
        scores = _scores(run.metrics, np.sum(correct, axis=0))
    return {
        "name": run.name,
        "path": str(run.path),
        "simulated": run.simulated,
        **scores,
        "calibration": _rounded(calibration(followed)),
        "budgets": _rounded(alarm_budgets(run)),
        "confusion": confusion.tolist(),
        "found": [one and _rounded(asdict(one)) for one in found_by_class(matches, num_classes, fps)],
        "class_intervals": _rounded(class_intervals(sums, people)),
        "reliability": _reliability(np.concatenate(frames, axis=1)) if reports else None,
        "videos": videos,
    }


def _scores(metrics: dict[str, Any], correct: np.ndarray) -> dict[str, Any]:
    """What comes from metrics.json; `correct` are the correct frames by length of the true segment."""
    return {
        "metrics": _rounded(metrics),
        "ruler": {label: _written(metrics, *entry) for label, entry in ruler_of(metrics).items()},
        "verdict": verdict(metrics),
        "procedure": metrics.get("procedure") and {label: _written(metrics, *one) for label, one in FIGURES.items()},
        "best": {average: metrics["best_lookups"]["predicted_segments"][average] or "" for average in AVERAGES},
        "lengths": _lengths(metrics, correct),
    }


def _written(metrics: dict[str, Any], path: str, form: Form) -> list[str]:
    return [figure(value_at(metrics, path), form), interval(bounds_at(metrics, path), form)]


def _read(run: EvaluatedRun, video: str, labels: np.ndarray) -> Prediction:
    prediction = run.predictions.read(video)
    where = f"{run.predictions.path}, video {video}"
    if len(prediction.labels) != len(labels):
        found = f"{len(prediction.labels)} frames, {run.dataset.path} has {len(labels)}"
        raise InputError(f"{where}: {found}; evaluate the run again, or give its --dataset FILE.h5")
    if len(labels) and prediction.labels.max() >= run.dataset.info.num_classes:
        what = f"class {prediction.labels.max()} is unknown in {run.dataset.path}"
        raise InputError(f"{where}: {what}; give the run's --dataset FILE.h5")
    return prediction


def _require_same_evaluation(run: EvaluatedRun, confusion: np.ndarray) -> None:
    accuracy, recorded = 100 * np.trace(confusion) / confusion.sum(), run.metrics["segmentation"]["acc"]
    if abs(accuracy - recorded) > ACCURACY_TOLERANCE:
        raise InputError(
            f"{run.path}: metrics.json has acc {recorded:.2f}, predictions have {accuracy:.2f} on {run.dataset.path}; "
            "evaluate it again, or give its --dataset FILE.h5"
        )


def _video(prediction: Prediction, labels: np.ndarray, errors: np.ndarray | None) -> dict[str, Any]:
    """`errors` are those of reported progress in frames of actions; None for a run that reports none."""
    fields = [name for name in FRAME_VALUES if errors is not None or name != "reported"]
    values = {name: getattr(prediction, name) for name in fields}
    return {
        "segments": flat_segments(prediction.labels),
        "surely_wrong": _surely_wrong(prediction, labels),
        "acc": _rounded(100 * float(np.mean(prediction.labels == labels))),
        "error": _rounded(float(errors.mean())) if errors is not None and len(errors) else None,
        "frames": {name: pack(one, FRAME_VALUES[name].scale) for name, one in values.items() if one is not None},
    }


def _surely_wrong(prediction: Prediction, labels: np.ndarray) -> float | None:
    """Share of frames that are wrong with a probability of at least `SURE`; None where there are no probabilities."""
    if prediction.probs is None:
        return None
    return _rounded(float(np.mean((prediction.probability >= SURE) & (prediction.labels != labels))))


def _lengths(metrics: dict[str, Any], correct: np.ndarray) -> dict[str, Any]:
    """By length of the true segment: segments, frames, accuracy in percent, progress error."""
    parts = metrics["breakdowns"]["length_frames"].values()
    frames = [part["frames"] for part in parts]
    pairs = zip(correct.tolist(), frames, strict=True)
    return {
        "segments": [part["segments"] for part in parts],
        "frames": frames,
        "acc": [_rounded(100 * right / count) if count else None for right, count in pairs],
        "error": [_rounded(part["predicted"] and part["predicted"]["error"]) for part in parts],
    }


def _reliability(frames: np.ndarray) -> dict[str, Any]:
    """Both directions, over all frames of actions, and over those whose class is predicted correctly.

    `frames` `[4, N]` are true class, predicted class, target and reported progress of the frames of actions.
    """
    labels, estimate, target, reported = frames
    correct = estimate == labels
    return {
        name: {
            "reported": _rounded(by_tenths(reported[counted], target[counted])),
            "true": _rounded(by_tenths(target[counted], reported[counted])),
        }
        for name, counted in (("all", np.ones_like(correct)), ("right", correct))
    }


def _rounded(value: Any) -> Any:
    """The same, nested as it is, with five digits of every number; None for NaN."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_rounded(one) for one in (value if isinstance(value, list) else value.tolist())]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.5g}")
    return value
